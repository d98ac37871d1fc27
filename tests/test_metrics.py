"""What one process counts."""

import pytest

from gatekeeper.metrics import DURATION_BUCKETS, Metrics


@pytest.mark.parametrize(
    ("seconds", "slot"), [(0.0, 0), (0.005, 0), (0.0051, 1), (10.0, len(DURATION_BUCKETS) - 1), (11.0, -1)]
)
def test_durations_fall_into_the_bucket_that_holds_them(seconds: float, slot: int) -> None:
    """A bucket's bound belongs to it, as Prometheus has it (le)."""
    metrics = Metrics()
    metrics.answered(200, seconds)
    assert metrics.durations[slot] == 1
    assert sum(metrics.durations) == 1
    assert metrics.duration_sum == seconds


def test_requests_are_counted_by_status() -> None:
    """Each for itself."""
    metrics = Metrics()
    for status in (200, 200, 404):
        metrics.answered(status, 0.1)
    assert metrics.requests == {200: 2, 404: 1}
