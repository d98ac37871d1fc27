"""Requests to the gate itself: who may ask, what arrives, and what is given out once."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gatekeeper.invitations.invitation import ANCHOR
from gatekeeper.invitations.state import REPEAT_SECONDS, Stage
from gatekeeper.local.handler import SWEEP_SECONDS
from gatekeeper.local.token_rate_limit import MOST_GUESSES
from gatekeeper.proxy.local_request import BODY_SECONDS, DELIVERY_SECONDS, MAX_BODY
from tests.certificates import DAY, NOW, make_client
from tests.invitations.invited import CONTENTS, Invited, invite
from tests.proxy.scene import Scene, Visitor, get, request

FORM = "Content-Type: application/x-www-form-urlencoded"
ELSEWHERE = ("192.0.2.8", 50000)
Make = Callable[..., Scene]


class Inviting:
    """A gate with one invitation."""

    def __init__(self, make_scene: Make, folder: Path, **tables: Any) -> None:
        self.folder = folder / "invitations"
        self.folder.mkdir(mode=0o700)
        self.scene = make_scene(invitations={"folder": str(self.folder)}, **tables)
        self.invited: Invited = invite(self.folder, self.scene.wall())

    def stranger(self, address: Any = ("192.0.2.7", 50000)) -> Visitor:
        return self.scene.visitor(address=address)

    def post(self, *lines: str, body: bytes = b"profile=modern", token: str | None = None) -> bytes:
        target = self.invited.target.replace(self.invited.token, token or self.invited.token)
        return request("POST", target, FORM, f"Content-Length: {len(body)}", *lines, body=body)

    def ask(self, *lines: str, address: Any = ("192.0.2.7", 50000)) -> bytes:
        """Look at the page."""
        visitor = self.stranger(address)
        visitor.send(get(self.invited.target, *lines))
        return visitor.read()

    def begin(self, *lines: str, address: Any = ("192.0.2.7", 50000)) -> tuple[Visitor, bytes]:
        """Begin a download."""
        visitor = self.stranger(address)
        visitor.send(self.post(*lines))
        return visitor, visitor.read()

    def download(self, address: Any = ("192.0.2.7", 50000)) -> int:
        """Download whole, if the gate lets it; the status."""
        visitor, answer = self.begin(address=address)
        visitor.say_goodbye()
        return status(answer)

    @property
    def stage(self) -> Stage:
        found = self.invited.invitations.find(self.invited.digest)
        assert found is not None
        return found.state.stage


@pytest.fixture
def inviting(make_scene: Make, tmp_path: Path) -> Inviting:
    return Inviting(make_scene, tmp_path)


def status(answer: bytes) -> int:
    return int(answer[9:12]) if answer else 0


# Who gets there -------------------------------------------------------------------------------------------------------


def test_who_has_no_certificate_sees_the_page(inviting: Inviting) -> None:
    """That is whom it is for; looking uses nothing up."""
    for _ in range(3):
        assert status(inviting.ask()) == 200
    assert inviting.stage is Stage.OPEN
    assert not inviting.scene.app.connections


def test_who_is_let_in_sees_it_too(inviting: Inviting) -> None:
    """For the next device; the app is not asked."""
    alice = inviting.scene.alice()
    alice.send(get(inviting.invited.target))
    assert status(alice.read()) == 200
    assert not inviting.scene.app.connections


def test_everything_else_there_is_nothing(inviting: Inviting) -> None:
    """404 from the gate, for everybody, whatever the method."""
    for target in ("/.gatekeeper", "/.gatekeeper/", "/.gatekeeper/other"):
        for visitor in (inviting.stranger(), inviting.scene.alice()):
            visitor.send(request("DELETE", target))
            assert status(visitor.read()) == 404
    assert not inviting.scene.app.connections


def test_the_rest_is_as_closed_as_ever(inviting: Inviting) -> None:
    """And open to who is let in."""
    stranger = inviting.stranger()
    stranger.send(get("/"))
    assert b"Gatekeeper-Reason: no_certificate" in stranger.read()
    alice = inviting.scene.alice()
    alice.send(get("/"))
    assert status(inviting.scene.serve(alice)) == 200


def test_a_connection_goes_on_after_a_page(inviting: Inviting) -> None:
    """A stranger's, too."""
    visitor = inviting.stranger()
    visitor.send(get(inviting.invited.target) * 2)
    assert visitor.read().count(b"HTTP/1.1 200") == 2
    assert not visitor.was_sent_away


def test_a_bad_certificate_does_not_shut_out(inviting: Inviting) -> None:
    """Whose certificate has expired is invited again."""
    visitor = inviting.scene.visitor(make_client("alice", inviting.scene.files.authority, ends=NOW - DAY / 2))
    visitor.send(get(inviting.invited.target))
    assert status(visitor.read()) == 200


def test_where_bad_certificates_end_the_handshake_who_has_none_is_welcome(make_scene: Make, tmp_path: Path) -> None:
    """on_refusal = "handshake"."""
    inviting = Inviting(make_scene, tmp_path, client_auth={"ca": "ca.crt", "on_refusal": "handshake"})
    assert status(inviting.ask()) == 200


# The download ---------------------------------------------------------------------------------------------------------


def test_the_download_is_the_file_and_ends_the_connection(inviting: Inviting) -> None:
    """The gate waits for the client to close, and then nothing is left."""
    visitor, answer = inviting.begin()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert status(answer) == 200
    assert body == CONTENTS["modern.p12"]
    assert b"\r\nConnection: close" in head
    for line in (b"Cache-Control: no-store", b"Referrer-Policy: no-referrer", b"X-Content-Type-Options: nosniff"):
        assert line in head.split(b"\r\n")
    assert inviting.stage is Stage.TAKEN
    visitor.say_goodbye()
    assert inviting.stage is Stage.USED  # type: ignore[comparison-overlap]


@pytest.mark.parametrize("profile", ["modern", "compat", "apple"])
def test_each_profile_can_be_had(inviting: Inviting, profile: str) -> None:
    """By its name."""
    visitor = inviting.stranger()
    visitor.send(inviting.post(body=f"profile={profile}".encode()))
    assert visitor.read().endswith(
        f"the encrypted {profile}.{'mobileconfig' if profile == 'apple' else 'p12'}".encode()
    )


@pytest.mark.parametrize("body", [b"profile=none", b"profile=../x", b"\xff", b"x"])
def test_what_is_no_profile_uses_nothing_up(inviting: Inviting, body: bytes) -> None:
    """400."""
    visitor = inviting.stranger()
    visitor.send(inviting.post(body=body))
    assert status(visitor.read()) == 400
    assert inviting.stage is Stage.OPEN


def test_it_works_once(inviting: Inviting) -> None:
    """410 for everybody afterwards, the page too."""
    assert inviting.download() == 200
    assert inviting.download() == 410
    assert inviting.download(ELSEWHERE) == 410
    assert status(inviting.ask()) == 410


def test_one_of_fifty_at_once(inviting: Inviting) -> None:
    """From one address, none of them done yet."""
    begun = [inviting.begin() for _ in range(50)]
    assert sorted(status(answer) for _, answer in begun) == [200] + [409] * 49


def test_a_client_that_closes_without_goodbye_has_it(inviting: Inviting) -> None:
    """FIN, and the kernel has the acknowledgement of every byte."""
    visitor, _ = inviting.begin()
    visitor.leave()
    assert inviting.stage is Stage.USED


def test_a_client_that_keeps_the_connection_open_has_it(inviting: Inviting) -> None:
    """It is not waited for any longer."""
    visitor, _ = inviting.begin()
    inviting.scene.loop.advance(DELIVERY_SECONDS + 1)
    assert inviting.stage is Stage.USED
    assert visitor.was_sent_away


@pytest.mark.parametrize("unacknowledged", [1, None])
@pytest.mark.parametrize("how", ["say_goodbye", "leave"])
def test_bytes_on_their_way_have_not_arrived(inviting: Inviting, how: str, unacknowledged: int | None) -> None:
    """Closed before it had all of it, or the kernel cannot say."""
    visitor, _ = inviting.begin()
    visitor.transport.unacknowledged = unacknowledged
    getattr(visitor, how)()
    assert inviting.stage is Stage.LEFT


def test_bytes_that_have_not_left_have_not_arrived(inviting: Inviting) -> None:
    """The kernel has acknowledgements of all that it was given, and was not given all."""
    visitor = inviting.stranger()
    visitor.transport.peer_stalls()
    visitor.send(inviting.post())
    inviting.scene.loop.advance(DELIVERY_SECONDS + 1)
    assert inviting.stage is Stage.LEFT


def test_who_vanishes_has_nothing(inviting: Inviting) -> None:
    """No packet comes any more."""
    visitor, _ = inviting.begin()
    visitor.transport.unacknowledged = 5
    inviting.scene.loop.advance(DELIVERY_SECONDS + 1)
    assert inviting.stage is Stage.LEFT


def test_who_leaves_before_the_answer_has_nothing(inviting: Inviting) -> None:
    """It is taken meanwhile, on another thread, and given back."""
    inviting.stranger().send_and_leave(inviting.post())
    assert inviting.stage is Stage.LEFT
    assert inviting.scene.statuses == [499]
    assert inviting.download() == 200


def test_a_reset_breaks_it_off(inviting: Inviting) -> None:
    """The client threw away what it had."""
    visitor, _ = inviting.begin()
    visitor.reset()
    assert inviting.stage is Stage.LEFT


def test_what_broke_off_may_be_repeated_from_the_same_address(inviting: Inviting) -> None:
    """Another one is told that it is taken."""
    visitor, _ = inviting.begin()
    visitor.reset()
    assert inviting.download(ELSEWHERE) == 409
    assert inviting.download() == 200
    assert inviting.stage is Stage.USED


def test_for_ten_minutes(inviting: Inviting) -> None:
    """Then it is destroyed, though nobody asks."""
    visitor, _ = inviting.begin()
    visitor.reset()
    inviting.scene.loop.advance(REPEAT_SECONDS + SWEEP_SECONDS)
    assert inviting.stage is Stage.LOST
    assert not list(inviting.folder.rglob("*.p12"))
    assert inviting.download() == 410


def test_the_address_is_the_one_that_a_trusted_proxy_tells(make_scene: Make, tmp_path: Path) -> None:
    """And no other may tell one."""
    inviting = Inviting(make_scene, tmp_path, server={"trusted_proxies": ["192.0.2.7"]})
    visitor, answer = inviting.begin("X-Forwarded-For: 198.51.100.1")
    assert status(answer) == 200
    visitor.reset()
    assert status(inviting.begin("X-Forwarded-For: 198.51.100.2")[1]) == 409
    assert status(inviting.begin("X-Forwarded-For: 198.51.100.1", address=ELSEWHERE)[1]) == 409
    assert status(inviting.begin("X-Forwarded-For: 198.51.100.1")[1]) == 200


def test_its_time_ends(inviting: Inviting) -> None:
    """And the files with it."""
    inviting.scene.loop.advance(3601)
    assert inviting.download() == 410
    assert not list(inviting.folder.rglob("*.p12"))


def test_its_time_ends_before_anybody_tidies_up(inviting: Inviting) -> None:
    """To the second: whoever asks first destroys the files."""
    inviting.invited = invite(inviting.folder, inviting.scene.wall(), "bob", seconds=SWEEP_SECONDS + 1)
    inviting.scene.loop.advance(SWEEP_SECONDS)
    assert status(inviting.ask()) == 200
    inviting.scene.loop.advance(2)
    assert inviting.download() == 410
    assert inviting.stage is Stage.ENDED


def test_a_folder_that_cannot_be_read_gives_nothing(inviting: Inviting, caplog: pytest.LogCaptureFixture) -> None:
    """503 for the visitor, a sentence for the operator."""
    (record,) = inviting.folder.rglob("invitation.json")
    record.write_text("broken")
    assert status(inviting.ask()) == 503
    assert "invitation.json is damaged" in caplog.text


# Bodies ---------------------------------------------------------------------------------------------------------------


def test_a_body_that_is_too_large_is_not_read(inviting: Inviting) -> None:
    """By what it says of itself, and by what it is."""
    visitor = inviting.stranger()
    visitor.send(request("POST", inviting.invited.target, f"Content-Length: {MAX_BODY + 1}"))
    assert status(visitor.read()) == 413
    visitor = inviting.stranger()
    visitor.send(request("POST", inviting.invited.target, "Transfer-Encoding: chunked"))
    visitor.send(b"%x\r\n%b\r\n" % (MAX_BODY + 1, b"a" * (MAX_BODY + 1)))
    assert status(visitor.read()) == 413
    assert inviting.stage is Stage.OPEN


def test_a_body_that_does_not_come_is_not_waited_for(inviting: Inviting) -> None:
    """Single bytes do not help."""
    visitor = inviting.stranger()
    visitor.send(inviting.post()[:-5])
    inviting.scene.loop.advance(BODY_SECONDS - 1)
    visitor.send(b"o")
    inviting.scene.loop.advance(2)
    assert status(visitor.read()) == 408
    assert visitor.was_sent_away


def test_a_broken_body_is_refused(inviting: Inviting) -> None:
    """400, and the connection ends."""
    visitor = inviting.stranger()
    visitor.send(request("POST", inviting.invited.target, "Transfer-Encoding: chunked", body=b"x\r\n"))
    assert status(visitor.read()) == 400
    assert visitor.was_sent_away


def test_a_client_that_waits_for_it_is_told_to_go_on(inviting: Inviting) -> None:
    """RFC 9110, 10.1.1."""
    visitor = inviting.stranger()
    visitor.send(inviting.post("Expect: 100-continue")[: -len(b"profile=modern")])
    assert visitor.read() == b"HTTP/1.1 100 Continue\r\n\r\n"
    visitor.send(b"profile=modern")
    assert status(visitor.read()) == 200


def test_a_client_that_leaves_in_the_middle_uses_nothing_up(inviting: Inviting) -> None:
    """499 in the log."""
    visitor = inviting.stranger()
    visitor.send(inviting.post()[:-5])
    visitor.leave()
    assert inviting.stage is Stage.OPEN
    assert inviting.scene.statuses == [499]


# Programs, other sites, guesses ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        "Sec-Purpose: prefetch",
        "Sec-Purpose: prefetch;prerender",
        "Purpose: prefetch",
        "X-Purpose: preview",
        "X-Moz: prefetch",
        "User-Agent: Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
        "User-Agent: Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "User-Agent: WhatsApp/2.23.20.0",
        "User-Agent: facebookexternalhit/1.1",
        "User-Agent: Twitterbot/1.0",
        "User-Agent: Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
        "User-Agent: LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient +http://www.linkedin.com)",
        "User-Agent: TelegramBot (like TwitterBot)",
        "User-Agent: Mozilla/5.0 (Windows NT 6.1) SkypeUriPreview Preview/0.5",
    ],
)
def test_programs_that_only_look_do_not_use_it_up(inviting: Inviting, line: str) -> None:
    """They see the page; even if they posted, they would get nothing."""
    assert status(inviting.ask(line)) == 200
    assert status(inviting.begin(line)[1]) == 403
    assert inviting.stage is Stage.OPEN


def test_a_phone_that_is_called_like_a_program_is_none(inviting: Inviting) -> None:
    """Cubot makes phones, which name themselves in their User-Agent."""
    line = "User-Agent: Mozilla/5.0 (Linux; Android 13; CUBOT P80) AppleWebKit/537.36 Chrome/130.0.0.0 Mobile"
    assert status(inviting.begin(line)[1]) == 200


def test_head_does_not_use_it_up(inviting: Inviting) -> None:
    """The head of the page, and no body."""
    visitor = inviting.stranger()
    visitor.send(request("HEAD", inviting.invited.target))
    answer = visitor.read()
    assert status(answer) == 200
    assert answer.endswith(b"\r\n\r\n")
    assert inviting.stage is Stage.OPEN


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH"])
def test_other_methods_do_not_use_it_up(inviting: Inviting, method: str) -> None:
    """405, and which there are."""
    visitor = inviting.stranger()
    visitor.send(request(method, inviting.invited.target))
    answer = visitor.read()
    assert status(answer) == 405
    assert b"\r\nAllow: GET, HEAD, POST\r\n" in answer
    assert inviting.stage is Stage.OPEN


@pytest.mark.parametrize(
    ("lines", "allowed"),
    [
        (["Sec-Fetch-Site: cross-site"], False),
        (["Sec-Fetch-Site: same-site"], False),
        (["Origin: https://evil.example"], False),
        (["Origin: http://app.example.com"], False),
        (["Sec-Fetch-Site: same-origin", "Origin: null"], True),
        (["Origin: https://app.example.com"], True),
        (["Origin: null"], True),
        ([], True),
    ],
)
def test_another_site_cannot_begin_a_download(inviting: Inviting, lines: list[str], allowed: bool) -> None:
    """A browser says from where a form was sent; "null" is what the page's own policy makes of it."""
    assert status(inviting.begin(*lines)[1]) == (200 if allowed else 403)
    assert (inviting.stage is Stage.OPEN) is not allowed


def test_who_guesses_is_made_to_wait(inviting: Inviting) -> None:
    """By address; with the right one, too, or the answer would tell."""
    for _ in range(MOST_GUESSES):
        visitor = inviting.stranger()
        visitor.send(inviting.post(token="A" * 43))
        assert status(visitor.read()) == 404
    answer = inviting.ask()
    assert status(answer) == 429
    assert re.search(rb"\r\nRetry-After: 60[01]\r\n", answer)
    assert status(inviting.ask(address=ELSEWHERE)) == 200
    inviting.scene.loop.advance(601)
    assert status(inviting.ask()) == 200


# The log --------------------------------------------------------------------------------------------------------------


def test_no_log_holds_the_token(inviting: Inviting, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever became of the request, and wherever the token stood."""
    caplog.set_level("DEBUG")
    token, target = inviting.invited.token, inviting.invited.target
    for line in (
        get(target),
        get(target + "?x=1"),
        get(target.replace("/.gatekeeper", "//.gatekeeper")),
        get(target.replace("/invite/", "/%69nvite%2f")),
        get(target.upper().replace(token.upper(), token)),
        get("/", f"Referer: https://app.example.com{target}"),
        b"GET" + target.encode() + b" HTTP/1.1\r\n\r\n",
        b"BREW  " + target.encode() + b" HTTP/1.1\r\n\r\n",
        inviting.post("Sec-Purpose: prefetch"),
    ):
        visitor = inviting.stranger()
        visitor.send(line)
        assert visitor.read()
    assert inviting.download() == 200
    said = caplog.text + str(inviting.scene.log.records)
    assert token[:12] not in said
    assert len(inviting.scene.log.records) == 10


def test_the_download_is_told(inviting: Inviting, caplog: pytest.LogCaptureFixture) -> None:
    """Whose, from where, and with what; none of it can break the line."""
    caplog.set_level("INFO")
    visitor, _ = inviting.begin("User-Agent: Phone\t\x9b31m/1.0")
    visitor.say_goodbye()
    assert "invitations: downloaded: 'alice' by 192.0.2.7, 'Phone\\t\\x9b31m/1.0'" in caplog.text
    assert inviting.scene.proxy.metrics.invitations == {"downloaded": 1}


# The server's own authority -------------------------------------------------------------------------------------------


def authority(inviting: Inviting, method: str = "GET") -> bytes:
    visitor = inviting.stranger()
    visitor.send(request(method, f"{inviting.invited.target}/authority"))
    return visitor.read()


def test_the_servers_authority_is_no_secret_and_uses_nothing_up(inviting: Inviting) -> None:
    """As often as one likes before the download; with the files it is destroyed."""
    assert status(authority(inviting)) == 404
    (opened,) = inviting.folder.glob("*/open")
    (opened / ANCHOR).write_bytes(b"the anchor")
    for _ in range(2):
        answer = authority(inviting)
        assert (status(answer), answer.endswith(b"\r\n\r\nthe anchor")) == (200, True)
        assert b"\r\nContent-Type: application/x-x509-ca-cert\r\n" in answer
    assert status(authority(inviting, "POST")) == 404
    assert f'href="{inviting.invited.target}/authority"'.encode() in inviting.ask("Accept: text/html")
    assert inviting.stage is Stage.OPEN
    assert inviting.download() == 200
    inviting.scene.loop.settle()
    assert status(authority(inviting)) == 410
    assert b"the anchor" not in authority(inviting)
