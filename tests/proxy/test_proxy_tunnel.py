"""A tunnel, as a WebSocket or another protocol (``upstream.upgrades``) opens it, and how it ends."""

from collections.abc import Callable

import pytest

from tests.proxy.scene import EXEC, OK, SWITCHED, UPGRADE, UPGRADED, Scene, get

PROTOCOLS = {
    "websocket": (UPGRADE, b"\r\nSec-WebSocket-Key: a2V5\r\n", SWITCHED, b"\r\nSec-WebSocket-Accept: x\r\n"),
    "tcp": (EXEC, b"\r\n\r\n{}", UPGRADED, b"HTTP/1.1 101 UPGRADED\r\nContent-Type: text/plain\r\n"),
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_upgrade_opens_a_tunnel(make_scene: Callable[..., Scene], protocol: str) -> None:
    """RFC 9110, 7.8; RFC 6455, 4: request and 101 pass with all their lines, then bytes go both ways, whatever they
    are.
    """
    scene = make_scene(upstream={"url": "http://127.0.0.1:8000", "upgrades": ["websocket", "tcp"]})
    asking, asks, switching, says = PROTOCOLS[protocol]
    upgrade = f"\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n".encode()
    alice = scene.alice()
    alice.send(asking)
    asked = scene.app.last.read()
    assert upgrade in asked
    assert asks in asked
    answer = scene.serve(alice, switching + b"\x81\x05hello")
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert upgrade in answer
    assert says in answer
    assert answer.endswith(b"\r\n\r\n\x81\x05hello")
    alice.send(b"GET /not-a-request HTTP/1.1\r\n\r\n")
    assert scene.app.last.read() == b"GET /not-a-request HTTP/1.1\r\n\r\n"
    assert scene.serve(alice, b"\x00\xff\r\n") == b"\x00\xff\r\n"
    assert scene.log.records == []


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_upgrade_may_be_declined(make_scene: Callable[..., Scene], protocol: str) -> None:
    """Then it was a request like any other, and both connections go on."""
    scene = make_scene(upstream={"url": "http://127.0.0.1:8000", "upgrades": ["websocket", "tcp"]})
    alice = scene.alice()
    alice.send(PROTOCOLS[protocol][0])
    assert scene.serve(alice) == OK
    alice.send(get("/2"))
    assert scene.serve(alice) == OK
    assert len(scene.app.connections) == 1


def test_what_a_client_sends_ahead_of_the_101_goes_into_the_tunnel(scene: Scene) -> None:
    """Not into the next request, and however much it is."""
    alice = scene.alice()
    alice.send(UPGRADE + b"first")
    alice.send(b"x" * 100_000)
    assert alice.transport.peer_is_held
    scene.app.last.read()
    scene.app.last.send(SWITCHED)
    assert scene.app.last.read() == b"first" + b"x" * 100_000
    assert not alice.transport.peer_is_held
    alice.send(b"more")
    assert scene.app.last.read() == b"more"


@pytest.mark.parametrize("way", ["close", "reset"])
def test_the_app_ends_a_tunnel(scene: Scene, way: str) -> None:
    """What it said last still reaches the client."""
    alice = scene.alice()
    alice.send(UPGRADE)
    scene.app.last.send(SWITCHED)
    scene.app.last.send(b"bye")
    getattr(scene.app.last, way)()
    assert alice.read().endswith(b"bye")
    assert alice.was_sent_away
    assert scene.statuses == [101]
    assert scene.log.records[0]["bytes"] == 3


@pytest.mark.parametrize("way", ["leave", "reset", "say_goodbye"])
def test_the_client_ends_a_tunnel(scene: Scene, way: str) -> None:
    """The app is told by closing."""
    alice = scene.alice()
    alice.send(UPGRADE)
    scene.app.last.send(SWITCHED)
    getattr(alice, way)()
    assert scene.app.last.is_gone
    assert scene.statuses == [101]
    assert scene.busy == 0


def test_what_the_client_said_last_in_a_tunnel_still_reaches_the_app(scene: Scene) -> None:
    """A WebSocket's close frame, in the same packet as the end of the connection."""
    alice = scene.alice()
    alice.send(UPGRADE)
    scene.app.last.send(SWITCHED)
    scene.app.last.read()
    scene.app.last.transport.peer_stalls()
    alice.send(b"\x88\x80mask")
    alice.leave()
    scene.app.last.transport.peer_takes()
    assert scene.app.last.read() == b"\x88\x80mask"
    assert scene.app.last.is_gone


def test_other_upgrades_are_ignored(scene: Scene) -> None:
    """RFC 9110, 7.8: h2c would take the app's side of the connection out of the gate's sight."""
    alice = scene.alice()
    alice.send(get("/", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk"))
    asked = scene.app.last.read().lower()
    assert b"upgrade" not in asked
    assert b"http2-settings" not in asked
