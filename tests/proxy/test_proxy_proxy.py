"""What one process knows of its exchanges and connections: how long they took, and from where they come."""

from collections.abc import Callable
from typing import cast

import pytest

from gatekeeper.proxy.client.connection import ClientConnection
from gatekeeper.proxy.proxy import FREE_SECONDS
from gatekeeper.telemetry.metrics import Cell
from tests.proxy.scene import ADDRESS, Scene, get


def test_a_clock_that_is_set_back_makes_no_time_negative(scene: Scene) -> None:
    """In the log it would be nonsense, and Prometheus takes a sum that falls for a restart."""
    alice = scene.alice()
    alice.send(get("/"))
    scene.started -= 3600.0
    scene.serve(alice)
    (line,) = scene.log.records
    assert line["duration"] == 0.0
    assert line["upstream_time"] == 0.0
    assert scene.proxy.metrics.duration_sum == 0.0
    assert scene.proxy.metrics.count(Cell.CONNECTIONS) == 1


@pytest.fixture
def limited(make_scene: Callable[..., Scene]) -> Scene:
    return make_scene(limits={"connections_per_ip": 2})


def test_a_reservation_becomes_the_connection(limited: Scene) -> None:
    """It is counted once, before it is open and after."""
    proxy, address = limited.proxy, ADDRESS[0]
    proxy.reserve(address)
    limited.connect()
    assert not proxy.over_limit(address)
    proxy.reserve(address)
    assert proxy.over_limit(address)


def test_a_reservation_that_comes_to_nothing_is_given_back(limited: Scene) -> None:
    """Else an address would shut itself out by connections that fail."""
    proxy, address = limited.proxy, ADDRESS[0]
    for _ in range(3):
        proxy.reserve(address)
        proxy.cancel_reservation(address)
    limited.connect()
    assert not proxy.over_limit(address)
    proxy.cancel_reservation(address)  # none is left: the open one still counts
    limited.connect()
    assert proxy.over_limit(address)


def test_buffers_that_have_grown_are_freed_within_a_second(scene: Scene) -> None:
    """An idle connection would keep 170 KiB, and 3 of its handshake. What follows is whole all the same."""
    alice, proxy = scene.alice(), scene.proxy
    (connection,) = cast(set[ClientConnection], proxy.connections)
    for _ in range(2):
        alice.send(get("/"))
        assert len(scene.serve(alice, b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + bytes(300_000))) > 300_000
        assert proxy.grown == {connection.tls}
        scene.loop.advance(FREE_SECONDS)
        assert not proxy.grown


def test_who_has_left_is_not_looked_at(scene: Scene) -> None:
    """Neither the connection nor a timer is left of the last one; the next begins anew."""
    for _ in range(2):
        alice = scene.alice()
        alice.leave()
        assert not scene.proxy.grown
        scene.loop.advance(FREE_SECONDS)
    bob = scene.alice()
    assert scene.proxy.grown
    scene.loop.advance(FREE_SECONDS)
    assert not scene.proxy.grown
    assert not bob.is_gone


def test_many_buffers_are_freed_in_slices(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Traffic gets its turn in between; in the end all are freed."""
    monkeypatch.setattr("gatekeeper.proxy.proxy.SLICE_SECONDS", 0.0)
    for _ in range(3):
        scene.alice()
    assert len(scene.proxy.grown) == 3
    scene.loop.advance(FREE_SECONDS)
    assert not scene.proxy.grown
