"""When a client may ask again."""

import pytest

from gatekeeper.telemetry.request_rates import BUCKETS, CELLS, SLOTS, RequestRates


def test_a_burst_is_taken_at_once_and_then_one_by_one() -> None:
    """Three at once; the fourth must wait for its part of a second, and what is refused costs nothing."""
    rates = RequestRates()
    assert [rates.wait("alice", 2.0, 3, 100.0) for _ in range(5)] == [0.0, 0.0, 0.0, 0.5, 0.5]
    assert [rates.wait("alice", 2.0, 3, 100.5) for _ in range(2)] == [0.0, 0.5]
    assert [rates.wait("alice", 2.0, 3, 900.0) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]


def test_each_client_counts_for_itself() -> None:
    """Whatever the others do."""
    rates = RequestRates()
    assert [rates.wait("alice", 1.0, 1, 5.0) for _ in range(2)] == [0.0, 1.0]
    assert rates.wait("bob", 1.0, 1, 5.0) == 0.0


def test_workers_count_together() -> None:
    """They see the same cells."""
    cells = memoryview(bytearray(CELLS * 8)).cast("Q")
    one, other = RequestRates(cells), RequestRates(cells)
    assert one.wait("alice", 1.0, 1, 5.0) == 0.0
    assert other.wait("alice", 1.0, 1, 5.0) == 1.0


def test_a_full_bucket_makes_room_for_who_comes() -> None:
    """The table is as large as ever, and nobody is refused because of others."""
    rates = RequestRates()
    crowd = [f"client {number}" for number in range(BUCKETS * SLOTS * 2)]
    assert {rates.wait(client, 1.0, 1, 5.0) for client in crowd} == {0.0}


@pytest.mark.parametrize("rate", [1 / 3600, 0.5, 1_000_000.0])
def test_slow_and_fast(rate: float) -> None:
    """From one in an hour to a million in a second."""
    rates = RequestRates()
    assert rates.wait("alice", rate, 1, 5.0) == 0.0
    assert rates.wait("alice", rate, 1, 5.0) == pytest.approx(1 / rate, abs=1e-6)
