"""The app's connections: kept, found again, closed in time, and counted."""

from collections.abc import Callable

import pytest

from gatekeeper.proxy.upstream.endpoint import KEEP_SECONDS, MAX_IDLE
from tests.proxy.scene import OK, Scene, get, request


def test_a_connection_is_kept_for_the_next_request_of_anybody(scene: Scene) -> None:
    """Connecting costs the app and the visitor time."""
    for _ in range(3):
        alice = scene.alice()
        alice.send(get("/"))
        scene.serve(alice)
        alice.leave()
    assert len(scene.app.connections) == 1
    assert scene.busy == 0


def test_each_exchange_has_a_connection_of_its_own(scene: Scene) -> None:
    """HTTP/1.1 answers in order, so one slow answer would hold all others."""
    visitors = [scene.alice() for _ in range(3)]
    for visitor in visitors:
        visitor.send(get("/"))
    assert len(scene.app.connections) == 3
    assert scene.busy == 3
    for visitor, connection in zip(visitors, scene.app.connections, strict=True):
        connection.send(OK)
        assert visitor.read() == OK
    assert scene.busy == 0


def test_the_connection_used_last_is_used_first(scene: Scene) -> None:
    """So that those that a quiet hour does not need can be closed."""
    first, second = scene.alice(), scene.alice()
    first.send(get("/1"))
    second.send(get("/2"))
    for connection in scene.app.connections:
        connection.read()
        connection.send(OK)
    first.send(get("/3"))
    assert scene.app.connections[1].read().startswith(b"GET /3 ")


def test_what_is_idle_for_long_is_closed(scene: Scene) -> None:
    """Before the app is likely to do it under a request."""
    alice = scene.alice()
    alice.send(get("/"))
    scene.serve(alice)
    scene.loop.advance(KEEP_SECONDS - 1)
    assert not scene.app.last.is_gone
    scene.loop.advance(KEEP_SECONDS)
    assert scene.app.last.is_gone
    assert scene.busy == 0


def test_what_is_used_again_and_again_is_not_closed(scene: Scene) -> None:
    """Its time counts from its last use."""
    alice = scene.alice()
    for _ in range(10):
        alice.send(get("/"))
        scene.serve(alice)
        scene.loop.advance(KEEP_SECONDS / 3)
    assert len(scene.app.connections) == 1


def test_more_than_enough_is_not_kept(scene: Scene) -> None:
    """Each idle connection costs the app something too."""
    visitors = [scene.alice() for _ in range(3)]
    endpoint = scene.endpoints[0]
    idle = {object(): None for _ in range(MAX_IDLE - 1)}
    for visitor in visitors:
        visitor.send(get("/"))
    endpoint._idle.update(idle)  # type: ignore[arg-type]
    for connection in scene.app.connections:
        connection.send(OK)
    assert [connection.is_gone for connection in scene.app.connections] == [False, True, True]
    for one in idle:
        del endpoint._idle[one]  # type: ignore[arg-type]
    assert scene.busy == 0


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\nConnection: close\r\n", b"HTTP/1.0 200 OK\r\n"])
def test_a_connection_that_the_app_will_close_is_not_kept(scene: Scene, head: bytes) -> None:
    """It said so, or is too old to keep it."""
    alice = scene.alice()
    alice.send(get("/"))
    scene.serve(alice, head + b"Content-Length: 2\r\n\r\nok")
    assert scene.app.last.is_gone
    assert not alice.was_sent_away
    assert scene.busy == 0


def test_an_http_10_app_can_ask_for_its_connection_to_be_kept(scene: Scene) -> None:
    """RFC 9112, 9.3."""
    alice = scene.alice()
    alice.send(get("/"))
    scene.serve(alice, b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok")
    assert not scene.app.last.is_gone


@pytest.fixture
def two_places(make_scene: Callable[..., Scene]) -> Scene:
    return make_scene(upstream={"urls": ["http://127.0.0.1:8001", "http://127.0.0.1:8002"]})


def test_the_place_with_fewer_requests_is_taken(two_places: Scene) -> None:
    """Least connections."""
    visitors = [two_places.alice() for _ in range(4)]
    for visitor in visitors:
        visitor.send(get("/"))
    assert sorted(two_places.app.attempts) == [("127.0.0.1", 8001)] * 2 + [("127.0.0.1", 8002)] * 2


def test_a_place_that_cannot_be_reached_is_passed_over(two_places: Scene) -> None:
    """The other one answers, and the visitor sees nothing of it, with a body too: none of it was sent yet."""
    two_places.app.down.add(("127.0.0.1", 8001))
    for _ in range(2):
        alice = two_places.alice()
        alice.send(request("POST", "/", "Content-Length: 2", body=b"hi"))
        assert two_places.app.last.read().endswith(b"\r\n\r\nhi")
        assert two_places.serve(alice) == OK
    assert two_places.busy == 0


def test_a_closed_pool_closes_what_is_idle_and_connects_no_more(scene: Scene) -> None:
    """At the end of a worker."""
    idle, waiting = scene.alice(), scene.alice()
    idle.send(get("/"))
    scene.serve(idle)
    scene.app.hangs = True
    busy = scene.alice()
    busy.send(get("/busy"))
    waiting.send(get("/waiting"))
    scene.pool.close()
    scene.loop.settle()
    scene.app.recover()
    assert len(scene.app.connections) == 1
    assert scene.app.last.read().endswith(b"\r\n\r\n")


def test_counts_return_to_zero_however_connections_end(scene: Scene) -> None:
    """Each way at which an exchange can end; a count that drifts sends all requests to one place."""
    scene.app.hangs = True
    gone_early = scene.alice()
    gone_early.send(get("/"))
    gone_early.reset()
    scene.app.recover()
    for end in ("close", "reset"):
        cut = scene.alice()
        cut.send(get("/"))
        getattr(scene.app.last, end)()
    for end in ("leave", "reset", "say_goodbye"):
        left = scene.alice()
        left.send(get("/"))
        getattr(left, end)()
    slow = scene.alice()
    slow.send(get("/"))
    scene.loop.advance(60)
    kept = scene.alice()
    kept.send(get("/"))
    scene.serve(kept)
    scene.app.last.close()
    assert scene.busy == 0
    assert not scene.endpoints[0]._idle
