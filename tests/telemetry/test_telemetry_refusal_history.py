"""Refusals of the last day, by half hour."""

from gatekeeper.telemetry.refusal_history import BUCKET_SECONDS, BUCKETS, CELLS, RefusalHistory

NOW = 1_800_000_000.0
DAY = BUCKETS * BUCKET_SECONDS


def history() -> RefusalHistory:
    return RefusalHistory(memoryview(bytearray(CELLS * 8)).cast("Q"))


def test_the_last_count_is_of_this_half_hour() -> None:
    """A refusal moves to the left as time goes by."""
    one = history()
    one.add(NOW)
    one.add(NOW + 1)
    assert one.counts(NOW + 1) == (0,) * 47 + (2,)
    assert one.counts(NOW + BUCKET_SECONDS) == (0,) * 46 + (2, 0)


def test_a_day_later_nothing_is_left() -> None:
    """Also where the slot has not been used again."""
    one = history()
    one.add(NOW)
    assert one.counts(NOW + DAY) == (0,) * 48


def test_a_slot_that_is_used_again_begins_at_nothing() -> None:
    """Yesterday's count of the same half hour is not added."""
    one = history()
    one.add(NOW)
    one.add(NOW + DAY)
    assert one.counts(NOW + DAY) == (0,) * 47 + (1,)
