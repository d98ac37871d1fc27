"""Requests of HTTP/2 that wait for an OCSP responder: each is dispatched once, and only while its client waits."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gatekeeper.gate.revocation import Standing
from tests.proxy.browser import Browser
from tests.proxy.scene import OK, Files, Scene
from tests.proxy.test_proxy_asking import FakeResponders


@pytest.fixture
def scene(stage: Callable[..., Scene]) -> Scene:
    return stage(client_auth={"ca": "ca.crt", "ocsp": "leaf"})


@pytest.fixture
def responders(scene: Scene) -> Any:
    fake = scene.proxy.judge.responders = FakeResponders(scene)  # type: ignore[assignment]
    return fake


def test_requests_wait_together(scene: Scene, files: Files, responders: FakeResponders) -> None:
    """The responder is asked once for all of them; those that come later do not wait."""
    browser = Browser(scene, files.alice)
    first, second = browser.ask("/1"), browser.ask("/2")
    scene.loop.settle()
    assert scene.app.connections == []
    responders.say(Standing.GOOD)
    for connection in scene.app.connections:
        connection.send(OK)
    browser.read()
    assert [browser.answers[stream].status for stream in (first, second)] == [200, 200]
    browser.ask("/3")
    assert b"GET /3 " in scene.app.last.read()
    assert responders.asked == 1


@pytest.mark.parametrize("whole", [True, False])
def test_a_body_waits_with_its_request(scene: Scene, files: Files, responders: FakeResponders, whole: bool) -> None:
    """What comes meanwhile is passed on in order, with its end; what comes later follows."""
    browser = Browser(scene, files.alice)
    stream = browser.ask("/", method="POST", end=False)
    browser.send(stream, b"abc", end=whole)
    responders.say(Standing.GOOD)
    if not whole:
        browser.send(stream, b"", end=True)
    assert scene.app.last.read().endswith(b"\r\n\r\n3\r\nabc\r\n0\r\n\r\n")


@pytest.mark.parametrize("early", [True, False])
def test_the_gate_reads_a_body_for_itself(stage: Any, files: Files, tmp_path: Path, early: bool) -> None:
    """A request to renew a certificate: no app is waited for, so nothing else would end the pause."""
    (tmp_path / "folder").mkdir(mode=0o700)
    scene = stage(client_auth={"ca": "ca.crt", "ocsp": "leaf"}, invitations={"folder": str(tmp_path / "folder")})
    responders = scene.proxy.judge.responders = FakeResponders(scene)
    browser = Browser(scene, files.alice)
    stream = browser.ask("/.gatekeeper/renew", method="POST", end=False)
    if early:
        browser.send(stream, b"no request", end=True)
    responders.say(Standing.GOOD)
    if not early:
        browser.send(stream, b"no request", end=True)
    browser.read()
    assert browser.answers[stream].status == 400


def test_who_is_revoked_gets_403_for_each(scene: Scene, files: Files, responders: FakeResponders) -> None:
    """The app hears nothing of any."""
    browser = Browser(scene, files.alice)
    streams = [browser.ask("/1"), browser.ask("/2")]
    responders.say(Standing.REVOKED)
    browser.read()
    assert [browser.answers[stream].status for stream in streams] == [403, 403]
    assert scene.app.connections == []


def test_a_request_that_was_given_up_reaches_no_app(scene: Scene, files: Files, responders: FakeResponders) -> None:
    """RFC 9113, 5.4.2: CANCEL while it waits. The others are served."""
    browser = Browser(scene, files.alice)
    given_up = browser.ask("/given-up")
    browser.ask("/kept")
    browser.h2.reset_stream(given_up, 8)
    browser.flush()
    responders.say(Standing.GOOD)
    assert [connection.read().split()[1] for connection in scene.app.connections] == [b"/kept"]


@pytest.mark.parametrize("broken", [b"", b"\0\0\x01\0\0\0\0\0\0x"], ids=["it left", "DATA on stream 0"])
def test_the_end_of_a_connection_is_the_end_of_its_requests(
    scene: Scene, files: Files, responders: FakeResponders, broken: bytes
) -> None:
    """Whether the client left, or broke a rule of the connection (RFC 9113, 5.4.1)."""
    browser = Browser(scene, files.alice)
    browser.ask("/")
    if broken:
        browser.visitor.send(broken)
    else:
        browser.visitor.leave()
    responders.say(Standing.GOOD)
    assert scene.app.connections == []


def test_an_answer_that_has_ended_is_asked_for_anew(scene: Scene, files: Files, responders: FakeResponders) -> None:
    """One that says nothing about now lets nobody in."""
    browser = Browser(scene, files.alice)
    stream = browser.ask("/")
    responders.say(Standing.GOOD, seconds=-1.0)
    assert scene.app.connections == []
    assert responders.asked == 2
    responders.say(Standing.GOOD)
    scene.app.last.send(OK)
    browser.read()
    assert browser.answers[stream].status == 200
