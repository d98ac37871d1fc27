"""Requests to the gate itself: who may ask, which bodies are read, who is made to wait, and what is logged."""

import re
from pathlib import Path

import pytest

from gatekeeper.invitations.invitation import ANCHOR
from gatekeeper.invitations.state import Stage
from gatekeeper.local.token_rate_limit import MOST_GUESSES
from gatekeeper.proxy.local_request import BODY_SECONDS, MAX_BODY
from tests.certificates import DAY, NOW, make_client
from tests.proxy.inviting import ELSEWHERE, Inviting, Make, status
from tests.proxy.scene import get, request


@pytest.fixture
def inviting(make_scene: Make, tmp_path: Path) -> Inviting:
    return Inviting(make_scene, tmp_path)


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
