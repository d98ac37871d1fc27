"""What one process knows of its exchanges and connections: how long they took, and from where they come."""

from collections.abc import Callable

import pytest

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
