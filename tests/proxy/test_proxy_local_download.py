"""Downloads from the gate itself: what arrives, and what is given out once."""

from pathlib import Path

import pytest

from gatekeeper.invitations.state import REPEAT_SECONDS, Stage
from gatekeeper.local.handler import SWEEP_SECONDS
from gatekeeper.proxy.local_request import DELIVERY_SECONDS
from tests.invitations.invited import CONTENTS, invite
from tests.proxy.inviting import ELSEWHERE, Inviting, Make, status
from tests.proxy.scene import request


@pytest.fixture
def inviting(make_scene: Make, tmp_path: Path) -> Inviting:
    return Inviting(make_scene, tmp_path)


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


def test_nobody_is_offered_what_somebody_else_downloads(inviting: Inviting) -> None:
    """Neither while it lasts nor after it broke off: a button that leads to a refusal helps nobody."""
    visitor, _ = inviting.begin()
    assert status(inviting.ask(address=ELSEWHERE)) == 409
    visitor.transport.unacknowledged = 1
    visitor.leave()
    assert inviting.stage is Stage.LEFT
    assert status(inviting.ask(address=ELSEWHERE)) == 409
    assert status(inviting.ask()) == 200


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
