"""What is counted, in memory that all processes share."""

import pytest

from gatekeeper.gate.verdict import Reason
from gatekeeper.telemetry.metrics import DURATION_BUCKETS, Metrics


@pytest.mark.parametrize(
    ("seconds", "slot"), [(0.0, 0), (0.005, 0), (0.0051, 1), (10.0, len(DURATION_BUCKETS) - 1), (11.0, -1)]
)
def test_durations_fall_into_the_bucket_that_holds_them(seconds: float, slot: int) -> None:
    """A bucket's bound belongs to it, as Prometheus has it (le)."""
    metrics = Metrics()
    metrics.answered(200, seconds)
    ((status, slots),) = metrics.answers()
    assert status == 200
    assert slots[slot] == 1
    assert sum(slots) == 1
    assert metrics.duration_sum == seconds


def test_requests_are_counted_by_status() -> None:
    """Each for itself, up to the largest that HTTP can write."""
    metrics = Metrics()
    for status in (200, 200, 404, 999):
        metrics.answered(status, 0.1)
    assert {status: sum(slots) for status, slots in metrics.answers()} == {200: 2, 404: 1, 999: 1}


def test_every_reason_and_result_has_a_place_of_its_own() -> None:
    """None is counted as another."""
    metrics = Metrics()
    for count, reason in enumerate(Reason, 1):
        for _ in range(count):
            metrics.refused(reason, 0.0)
    metrics.handshake_ended("ok")
    assert metrics.refusals == {reason.value: count for count, reason in enumerate(Reason, 1)}
    assert metrics.handshakes == {"ok": 1}
