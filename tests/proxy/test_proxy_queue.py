"""``max_connections``: who waits for a connection to the app, in which order, and for how long."""

import pytest

from gatekeeper.proxy.upstream.pool import MAX_WAITING
from tests.proxy.balanced import ONE, TWO, MakeScene, ask, endpoints, status
from tests.proxy.scene import OK, Scene, get

# -- max_connections


@pytest.fixture
def narrow(make_scene: MakeScene) -> Scene:
    return make_scene(upstream={"url": "http://127.0.0.1:8000", "max_connections": 1, "queue_timeout": "3s"})


def test_a_request_waits_for_its_turn(narrow: Scene) -> None:
    """First come, first served, each on the connection that the one before had."""
    visitors = []
    for number in range(3):
        visitors.append(narrow.alice())
        visitors[-1].send(get(f"/{number}"))
    for number, visitor in enumerate(visitors):
        assert narrow.app.last.read().startswith(b"GET /%d " % number)
        assert narrow.serve(visitor) == OK
    assert len(narrow.app.connections) == 1


def test_who_waits_gets_a_new_connection_if_the_old_one_is_gone(narrow: Scene) -> None:
    """The app closes after each answer, or without one."""
    first, second, third = ask(narrow), ask(narrow), ask(narrow)
    narrow.serve(first, b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    narrow.loop.settle()
    assert len(narrow.app.connections) == 2
    narrow.app.last.reset()
    assert status(second) == 502
    assert narrow.serve(third) == OK


def test_who_waits_too_long_gets_503(narrow: Scene) -> None:
    """queue_timeout, with Retry-After; who is being served is not touched."""
    first, second = ask(narrow), ask(narrow)
    narrow.loop.advance(2.9)
    assert second.read() == b""
    narrow.loop.advance(0.2)
    answer = second.read()
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nRetry-After: 1\r\n" in answer
    assert narrow.serve(first) == OK


def test_who_leaves_the_queue_loses_the_place_in_it(narrow: Scene) -> None:
    """And nothing is sent for who is gone."""
    first, second, third = ask(narrow), ask(narrow), ask(narrow)
    second.reset()
    narrow.loop.settle()
    narrow.serve(first)
    assert narrow.serve(third) == OK
    assert len(narrow.app.connections) == 1


def test_the_queue_is_bounded(narrow: Scene) -> None:
    """Who comes behind so many is told at once."""
    ask(narrow)
    waiting = {object(): narrow.pool._waiting for _ in range(MAX_WAITING)}
    narrow.pool._waiting.update(waiting)  # type: ignore[arg-type]
    assert status(ask(narrow)) == 503
    for one in waiting:
        del narrow.pool._waiting[one]  # type: ignore[arg-type]


def test_connections_being_made_count(narrow: Scene) -> None:
    """Or a burst would open one for each request."""
    narrow.app.hangs = True
    for _ in range(3):
        ask(narrow)
    assert len(narrow.app.attempts) == 1


def test_who_waits_goes_on_when_connecting_fails(narrow: Scene) -> None:
    """The first gets 502, and the next one tries."""
    narrow.app.hangs = True
    first, second = ask(narrow), ask(narrow)
    narrow.loop.advance(2.0)
    first.reset()
    narrow.loop.settle()
    narrow.app.recover()
    assert narrow.serve(second) == OK


def test_the_bound_is_each_places_own(make_scene: MakeScene) -> None:
    """Two endpoints with two connections each serve four at a time."""
    scene = endpoints(make_scene, max_connections=2)
    for _ in range(6):
        ask(scene)
    assert sorted(scene.app.attempts) == [ONE, ONE, TWO, TWO]
