"""How long each app takes to begin its responses: a histogram for each, in memory shared by the workers.

While it serves requests, a worker only collects the times: to count each at once would make an exchange 1.2 % dearer.
Once a minute it copies its counts, so that a reader can subtract what was counted before the last minutes.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds in seconds; one more bucket counts what is longer."""

# The first place belongs to no app: it counts those that find no other one, and is not reported.
PLACES = 256
MARKS = 5
MARK_SECONDS = 60
WINDOW_SECONDS = MARKS * MARK_SECONDS
"""What `UpstreamTimes.recent` covers, up to a minute less."""

_BUCKETS = len(BOUNDS) + 1
_STRIDE = _BUCKETS + 1  # a key, and then the buckets
_BLOCK = PLACES * _STRIDE
CELLS = _BLOCK * (MARKS + 1) + PLACES
"""Cells of 8 bytes that the times take: the counts, their marks, and the sums."""
_SUMS = _BLOCK * (MARKS + 1)
_NOTHING = memoryview(bytes(_STRIDE * 8)).cast("Q")


class UpstreamTimes:
    """One worker's times, in ``cells``, which only this worker writes. Apps are known by name.

    Python's hash of a name stands for it: it is the same in every worker, since they are forked.
    """

    __slots__ = ("_cells", "_minute", "_places", "_reals", "_used")

    def __init__(self, cells: memoryview) -> None:
        self._cells = cells
        self._reals = cells.cast("B").cast("d")
        self._places: dict[int, list[float]] = {0: []}
        self._minute = -1
        self._used = 1

    def assign(self, names: Iterable[str]) -> dict[str, list[float]]:
        """For each app a list to which the seconds of each response are appended; `publish` empties it.

        An app keeps its place, or gets a free one, or that of an app that is none any more. Where all are taken, its
        times are not counted.
        """
        keys = {name: _key(name) for name in names}
        places = {name: self._find(key) or self._take(key, set(keys.values())) for name, key in keys.items()}
        self._used = max((place for place, key in enumerate(self._keys()) if key), default=0) + 1
        return {name: self._places.setdefault(place, []) for name, place in places.items()}

    def _keys(self) -> list[int]:
        """What stands for the app at each place; 0 at a free one."""
        return self._cells[:_BLOCK:_STRIDE].tolist()

    def _find(self, key: int) -> int:
        """The place of an app; 0 if it has none."""
        keys = self._keys()
        return keys.index(key) if key in keys else 0

    def _take(self, key: int, wanted: set[int]) -> int:
        """The first free place, else the first whose app is not ``wanted``, for this app; 0 if there is none."""
        keys = self._keys()[1:]
        place = 1 + keys.index(0) if 0 in keys else next((at for at, old in enumerate(keys, 1) if old not in wanted), 0)
        if place:
            for start in range(place * _STRIDE, _SUMS, _BLOCK):
                self._cells[start : start + _STRIDE] = _NOTHING
            self._reals[_SUMS + place] = 0.0
            self._places[place] = []
            self._cells[place * _STRIDE] = key
        return place

    def publish(self, now: float) -> None:
        """Count the times that have come since the last call, at ``now`` (monotonic). To be called every few seconds.

        If a minute has begun, the counts are copied. The first call sets all copies: what a worker counted that is gone
        is not recent.
        """
        for place, times in self._places.items():
            if place:
                self._count(place, times)
            times.clear()
        minute, end = int(now) // MARK_SECONDS, self._used * _STRIDE
        for missed in range(max(self._minute + 1, minute - MARKS + 1), minute + 1):
            start = _mark(missed)
            self._cells[start : start + end] = self._cells[:end]
        self._minute = minute

    def _count(self, place: int, times: list[float]) -> None:
        """Sorting takes two fifths of the time that it takes to find the bucket of each by itself."""
        self._reals[_SUMS + place] += sum(times)
        times.sort()
        ends = [*(bisect_right(times, bound) for bound in BOUNDS), len(times)]
        for bucket, (start, end) in enumerate(pairwise((0, *ends)), place * _STRIDE + 1):
            self._cells[bucket] += end - start

    # -- reading, from any process

    def total(self, name: str) -> tuple[list[int], float]:
        """The counts of an app by bucket since the gate's start, and the sum of all times in seconds."""
        place = self._find(_key(name))
        return (self._buckets(0, place), self._reals[_SUMS + place]) if place else ([0] * _BUCKETS, 0.0)

    def recent(self, name: str, now: float) -> list[int]:
        """The counts of an app by bucket in the last `WINDOW_SECONDS`, up to a minute less."""
        place = self._find(_key(name))
        counts = self._buckets(0, place), self._buckets(_mark(int(now) // MARK_SECONDS + 1), place)
        # The worker may copy them between the two readings.
        return [max(0, all_in_all - before) if place else 0 for all_in_all, before in zip(*counts, strict=True)]

    def _buckets(self, block: int, place: int) -> list[int]:
        start = block + place * _STRIDE + 1
        return self._cells[start : start + _BUCKETS].tolist()


def _mark(minute: int) -> int:
    """Where the copy of this minute begins."""
    return _BLOCK * (1 + minute % MARKS)


def _key(name: str) -> int:
    """What stands for a name; never 0, which is a free place."""
    return hash(name) & (1 << 64) - 1 or 1


@dataclass(frozen=True, slots=True)
class Latency:
    """How long ``responses`` took, in seconds: half of them at most ``median``, 95 % at most ``p95``.

    Both are estimated from buckets, as Prometheus' histogram_quantile does: what is longer than the highest bound
    counts as that bound.
    """

    responses: int
    median: float
    p95: float


def latency(counts: Sequence[int]) -> Latency | None:
    """The latency that counts by bucket show; None if there was no response."""
    responses = sum(counts)
    return Latency(responses, _quantile(counts, 0.5), _quantile(counts, 0.95)) if responses else None


def _quantile(counts: Sequence[int], share: float) -> float:
    """Within a bucket, the times are taken to be spread evenly."""
    wanted, so_far = share * sum(counts), 0
    for (low, high), count in zip(pairwise((0.0, *BOUNDS)), counts, strict=False):
        if count and so_far + count >= wanted:
            return low + (high - low) * (wanted - so_far) / count
        so_far += count
    return BOUNDS[-1]
