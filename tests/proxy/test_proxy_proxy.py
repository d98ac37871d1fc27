"""What one process knows of its exchanges: how long they took."""

from gatekeeper.telemetry.metrics import Cell
from tests.proxy.scene import Scene, get


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
