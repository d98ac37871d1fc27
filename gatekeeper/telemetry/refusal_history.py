"""How many visitors were refused in each half hour of the last day: 48 slots in memory that processes share."""

BUCKET_SECONDS = 1800
BUCKETS = 48

CELLS = 2 * BUCKETS
"""Cells of 8 bytes that a history takes: for each slot the number of its half hour since the epoch, and a count."""


class RefusalHistory:
    """One worker's history, in ``cells``, which only this worker writes. Times are seconds of the wall clock.

    A slot is used again after a day. Where the clock is set back, at most a day's counts are wrong.
    """

    __slots__ = ("_cells",)

    def __init__(self, cells: memoryview) -> None:
        self._cells = cells

    def add(self, now: float) -> None:
        """Count one refusal."""
        bucket = int(now) // BUCKET_SECONDS
        slot = bucket % BUCKETS * 2
        if self._cells[slot] != bucket:
            self._cells[slot + 1] = 0
            self._cells[slot] = bucket
        self._cells[slot + 1] += 1

    def counts(self, now: float) -> tuple[int, ...]:
        """The count of each half hour, the oldest first; the last one is the half hour of ``now``."""
        last = int(now) // BUCKET_SECONDS
        return tuple(self._count(bucket) for bucket in range(last - BUCKETS + 1, last + 1))

    def _count(self, bucket: int) -> int:
        slot = bucket % BUCKETS * 2
        return int(self._cells[slot + 1]) if self._cells[slot] == bucket else 0
