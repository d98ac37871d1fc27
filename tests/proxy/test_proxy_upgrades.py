"""Protocols other than WebSockets that a request may switch to (``upstream.upgrades``)."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.proxy.browser import Browser
from tests.proxy.reloading import renew, revoking
from tests.proxy.scene import EXEC, OK, UPGRADED, Files, Scene, Visitor, get, request


@pytest.fixture
def docker(make_scene: Callable[..., Scene]) -> Scene:
    """A gate in front of an app that switches to "tcp"."""
    return make_scene(upstream={"url": "http://127.0.0.1:8000", "upgrades": ["websocket", "tcp"]})


def switch(scene: Scene) -> Visitor:
    """Somebody in a tunnel."""
    alice = scene.alice()
    alice.send(EXEC)
    scene.app.last.read()
    assert scene.serve(alice, UPGRADED).startswith(b"HTTP/1.1 101 ")
    return alice


def test_a_tunnel_behind_chunks_has_none(docker: Scene) -> None:
    """The framing of the request ends with the request."""
    alice = docker.alice()
    lines = ("Connection: Upgrade", "Upgrade: tcp", "Transfer-Encoding: chunked")
    alice.send(request("POST", "/exec", *lines, body=b"2\r\n{}\r\n0\r\n\r\n"))
    docker.app.last.read()
    docker.app.last.send(UPGRADED)
    alice.send(b"ls\n")
    assert docker.app.last.read() == b"ls\n"


@pytest.mark.parametrize("spelled", ["tcp", "TCP", "Tcp"])
def test_a_protocol_is_named_as_the_client_spells_it(docker: Scene, spelled: str) -> None:
    """RFC 9110, 7.8: names are matched without regard to case, but not every app does so."""
    alice = docker.alice()
    alice.send(get("/", "Connection: Upgrade", f"Upgrade: {spelled}"))
    assert f"\r\nUpgrade: {spelled}\r\n".encode() in docker.app.last.read()


@pytest.mark.parametrize("named", ["SPDY/3.1", "h2c", "tcp/1", "tcp, websocket", "tcp h2c", ""])
def test_what_the_list_does_not_name_is_not_asked_for(docker: Scene, named: str) -> None:
    """The request is forwarded as an ordinary one, and an app that switches all the same is cut off."""
    alice = docker.alice()
    alice.send(get("/", "Connection: Upgrade", f"Upgrade: {named}"))
    assert b"pgrade" not in docker.app.last.read()
    switched = b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: %b\r\n\r\n" % named.encode()
    answer = docker.serve(alice, switched)
    assert answer.startswith(b"HTTP/1.1 502 ")
    assert docker.app.last.is_gone


@pytest.mark.parametrize("lines", [("Upgrade: tcp",), ("Connection: keep-alive", "Upgrade: tcp")])
def test_an_upgrade_that_connection_does_not_name_is_ignored(docker: Scene, lines: tuple[str, ...]) -> None:
    """RFC 9110, 7.8."""
    docker.alice().send(get("/", *lines))
    assert b"pgrade" not in docker.app.last.read()


def test_an_upgrade_in_http_1_0_is_ignored(docker: Scene) -> None:
    """RFC 9110, 7.8."""
    docker.alice().send(b"GET / HTTP/1.0\r\nHost: app.example.com\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
    assert b"pgrade" not in docker.app.last.read()


def test_without_websocket_in_the_list_there_are_none(make_scene: Callable[..., Scene]) -> None:
    """The list is complete: it adds nothing to a built-in one."""
    scene = make_scene(upstream={"url": "http://127.0.0.1:8000", "upgrades": []})
    scene.alice().send(get("/", "Connection: Upgrade", "Upgrade: websocket"))
    assert b"pgrade" not in scene.app.last.read()


def test_without_websocket_in_the_list_http2_opens_none_either(stage: Any, files: Files) -> None:
    """RFC 8441, 5: a 2xx would be a tunnel to the client, so an app that answers with one is a bad gateway."""
    scene = stage(upstream={"url": "http://127.0.0.1:8000", "upgrades": ["tcp"]})
    browser = Browser(scene, files.alice)
    stream = browser.ask("/", ("sec-websocket-version", "13"), method="CONNECT", protocol="websocket", end=False)
    assert b"pgrade" not in scene.app.last.read()
    scene.app.last.send(OK)
    browser.read()
    assert browser.answers[stream].status == 502


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\nUpgrade: tcp\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\n\r\n",
    ],
)
def test_an_app_switches_only_to_what_was_asked_for(docker: Scene, answer: bytes) -> None:
    """RFC 9110, 7.8: not to another protocol of the list either."""
    alice = docker.alice()
    alice.send(EXEC)
    assert docker.serve(alice, answer).startswith(b"HTTP/1.1 502 ")
    assert docker.app.last.is_gone


def test_an_app_does_not_switch_in_the_middle_of_a_request(docker: Scene) -> None:
    """RFC 9110, 7.8: the rest of the body would be taken for the first bytes of the new protocol."""
    alice = docker.alice()
    alice.send(EXEC[:-1])
    answer = docker.serve(alice, UPGRADED)
    assert answer.startswith(b"HTTP/1.1 502 ")
    assert docker.app.last.is_gone


# -- the end of a tunnel


def test_a_client_that_sends_no_more_is_still_answered(docker: Scene) -> None:
    """``docker exec -i`` closes its half at the end of its input, and waits for the output."""
    alice = switch(docker)
    alice.send(b"last line\n")
    alice.say_goodbye()
    assert docker.app.last.read() == b"last line\n"
    assert docker.app.last.transport.peer_got_eof
    docker.app.last.send(b"output")
    docker.app.last.close()
    assert alice.read() == b"output"
    assert alice.said_goodbye
    assert docker.statuses == [101]


def test_an_app_that_cannot_be_told_loses_the_connection(docker: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """TLS to the app: asyncio has no close_notify for one direction."""
    alice = switch(docker)
    monkeypatch.setattr(docker.app.last.transport, "can_write_eof", lambda: False)
    alice.say_goodbye()
    assert docker.app.last.is_gone
    assert docker.statuses == [101]


@pytest.mark.parametrize("way", ["leave", "reset"])
def test_a_client_that_is_gone_ends_the_tunnel(docker: Scene, way: str) -> None:
    """The app is told by closing."""
    alice = switch(docker)
    alice.say_goodbye()
    getattr(alice, way)()
    assert docker.app.last.is_gone
    assert docker.statuses == [101]
    assert docker.busy == 0


def test_a_goodbye_before_the_101_ends_the_request(docker: Scene) -> None:
    """A tunnel into which nothing can be said is of no use."""
    alice = docker.alice()
    alice.send(EXEC)
    alice.say_goodbye()
    assert docker.app.last.is_gone


def test_an_idle_tunnel_is_closed(docker: Scene) -> None:
    """timeouts.tunnel_idle, 1 h, as for a WebSocket."""
    alice = switch(docker)
    docker.loop.advance(3599)
    assert not alice.was_sent_away
    docker.loop.advance(1)
    assert alice.was_sent_away
    assert docker.app.last.is_gone


@pytest.mark.parametrize("said", [b"\x81\x05hello", b"\x81\x05he"])
def test_a_revoked_certificate_ends_the_tunnel(docker: Scene, said: bytes) -> None:
    """Without a close frame, which this protocol does not have, and without a goodbye, so that the client can tell."""
    alice = switch(docker)
    docker.app.last.send(said)
    renew(docker, revoking(docker, docker.files.alice))
    assert alice.read() == said
    assert not alice.said_goodbye
    assert alice.is_gone
    assert docker.app.last.is_gone
    assert docker.log.records[-1]["reason"] == "revoked"


def test_a_gate_that_stops_says_nothing_in_a_tunnel(docker: Scene) -> None:
    """It ends with timeouts.drain at the latest."""
    alice = switch(docker)
    alice.connection.drain()
    assert alice.read() == b""
    assert not docker.app.last.is_gone
