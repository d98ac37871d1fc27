"""Requests that wait for an OCSP responder, and what becomes of open connections when its answer ends."""

from collections.abc import Callable
from typing import Any

import pytest

from gatekeeper.gate.revocation import RevocationStatus, Standing
from gatekeeper.gate.verdict import Peer
from tests.proxy.reloading import CLOSED, tunnel
from tests.proxy.scene import OK, Scene, get

GOOD, REVOKED = Standing.GOOD, Standing.REVOKED


class FakeResponders:
    """Answers when the test says so."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.known: RevocationStatus | None = None
        self.waiting: list[Callable[[], None]] = []
        self.asked = 0
        self.failures: list[Exception] = []
        """What goes wrong where the next verdicts are made."""

    def answer(self, peer: Peer, responder: str | None, now: float) -> RevocationStatus | None:
        if self.failures:
            raise self.failures.pop()
        assert peer.leaf is not None
        assert responder is None
        return self.known if self.known is not None and now < self.known.until else None

    def ask(self, peer: Peer, responder: str | None, then: Callable[[], None]) -> None:
        assert peer.leaf is not None
        self.asked += 1
        self.waiting.append(then)

    def say(self, standing: Standing, seconds: float = 600.0) -> None:
        self.known = RevocationStatus(standing, self.scene.wall() + seconds)
        waiting, self.waiting = self.waiting, []
        for then in waiting:
            then()
        self.scene.loop.settle()


@pytest.fixture
def scene(make_scene: Callable[..., Scene]) -> Scene:
    return make_scene(client_auth={"ca": "ca.crt", "ocsp": "leaf"}, timeouts={"tunnel_idle": "9h"})


@pytest.fixture
def responders(scene: Scene) -> Any:
    fake = scene.proxy.judge.responders = FakeResponders(scene)  # type: ignore[assignment]
    return fake


def test_the_first_request_waits_for_the_answer(scene: Scene, responders: FakeResponders) -> None:
    """And is then served; the next one does not wait."""
    alice = scene.alice()
    alice.send(get("/1"))
    scene.loop.settle()
    assert alice.read() == b""
    assert not alice.transport.reading
    assert scene.app.connections == []
    responders.say(GOOD)
    assert scene.serve(alice).startswith(b"HTTP/1.1 200 ")
    alice.send(get("/2"))
    assert scene.app.last.read().count(b"HTTP/1.1\r\n") == 2
    assert responders.asked == 1
    assert alice.transport.reading


def test_who_is_revoked_gets_the_page(scene: Scene, responders: FakeResponders) -> None:
    """The app hears nothing of it."""
    alice = scene.alice()
    alice.send(get())
    responders.say(REVOKED)
    assert b"Gatekeeper-Reason: revoked\r\n" in alice.read()
    assert scene.app.connections == []
    assert scene.log.records[-1]["reason"] == "revoked"


def test_nobody_is_asked_about_who_is_refused_anyway(scene: Scene, responders: FakeResponders) -> None:
    """A stranger cannot make the gate ask."""
    nobody = scene.visitor(None)
    nobody.send(get())
    assert b"no_certificate" in nobody.read()
    assert responders.asked == 0


def test_what_came_behind_the_request_is_kept(scene: Scene, responders: FakeResponders) -> None:
    """Pipelined requests are answered in order, a head in two pieces too."""
    alice = scene.alice()
    alice.send(get("/1")[:10])
    alice.send(get("/1")[10:] + get("/2"))
    responders.say(GOOD)
    assert scene.serve(alice).count(b"200 OK") == 1
    assert scene.serve(alice).count(b"200 OK") == 1


@pytest.mark.parametrize(("standing", "status"), [(GOOD, b"200"), (REVOKED, b"403")])
def test_who_says_goodbye_behind_a_request_waits_for_the_answer(
    scene: Scene, responders: FakeResponders, standing: Standing, status: bytes
) -> None:
    """close_notify says that nothing more is asked, not that nobody listens."""
    alice = scene.alice()
    alice.tls.write(get())
    alice.say_goodbye()
    responders.say(standing)
    if scene.app.connections:
        scene.app.last.send(OK)
    assert alice.read().startswith(b"HTTP/1.1 " + status)
    assert alice.said_goodbye
    assert alice.was_sent_away


def test_a_client_that_leaves_meanwhile_is_forgotten(scene: Scene, responders: FakeResponders) -> None:
    """The answer comes too late for it."""
    alice = scene.alice()
    alice.send(get())
    alice.reset()
    responders.say(GOOD)
    assert scene.app.connections == []


@pytest.mark.parametrize(("standing", "closed"), [(GOOD, False), (REVOKED, True)])
def test_a_tunnel_waits_for_the_next_answer(
    scene: Scene, responders: FakeResponders, standing: Standing, closed: bool
) -> None:
    """When an answer ends, the responder is asked again; the tunnel goes on until it has said something bad."""
    alice = scene.alice()
    responders.say(GOOD, 600)
    tunnel(scene, alice)
    scene.loop.advance(601)
    assert responders.asked == 1
    assert not alice.was_sent_away
    responders.say(standing)
    assert alice.was_sent_away is closed
    assert alice.read() == (CLOSED if closed else b"")


def test_who_cannot_be_judged_after_an_answer_is_cut(
    scene: Scene, responders: FakeResponders, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever may have been revoked does not stay because the judgement failed; the others are judged."""
    responders.known = RevocationStatus(GOOD, scene.wall() + 600)
    first, second = scene.alice(), scene.alice()
    for visitor in (first, second):
        tunnel(scene, visitor)
    scene.loop.advance(601)  # the answer ends, and both ask again
    responders.failures = [ZeroDivisionError()]
    responders.say(REVOKED)
    assert "ZeroDivisionError" in caplog.text
    cut, judged = sorted((first, second), key=lambda visitor: not visitor.is_gone)  # who is asked about first is open
    assert cut.is_gone
    assert judged.read() == CLOSED


def test_a_request_that_cannot_be_taken_up_after_an_answer_is_cut(scene: Scene, responders: FakeResponders) -> None:
    """The client does not wait for an answer that nobody will give."""
    alice = scene.alice()
    alice.send(get())
    responders.failures = [ZeroDivisionError()]
    responders.say(GOOD)
    assert alice.is_gone
