"""The counters of all workers: readers add the rows that `metrics` describes.

When a worker dies, its replacement takes over the row, so a counter never decreases.
"""

import mmap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from gatekeeper.telemetry import request_rates
from gatekeeper.telemetry.address_counts import count_in_all
from gatekeeper.telemetry.metrics import (
    CRL_FETCHES,
    HANDSHAKES,
    INVITATIONS,
    REASONS,
    ROW_CELLS,
    SLOTS,
    Cell,
    Metrics,
    RowState,
)
from gatekeeper.telemetry.request_rates import RequestRates
from gatekeeper.telemetry.upstream_times import Latency, latency

Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class Totals:
    """The sum of all rows. ``durations`` are counts per bucket, not cumulative; ``requests`` are counts by status, of
    which ``http2_requests`` came by HTTP/2.
    """

    requests: Mapping[int, int]
    http2_requests: Mapping[int, int]
    durations: tuple[int, ...]
    duration_sum: float
    refusals: Mapping[str, int]
    handshakes: Mapping[str, int]
    groups: Mapping[str, int]
    resumed: int
    invitations: Mapping[str, int]
    crl_fetches: Mapping[str, int]
    connections: int
    http2_connections: int
    http2_streams: int
    tunnels: int
    lost_lines: int
    rate_limited: int
    restarts: int
    expiring_clients: int


class Ledger:
    """The rows of all workers and one for the supervisor, ``own``, which counts no requests. Created before the first
    worker is forked, with place for ``most`` rows: those that are not in use take address space and no memory.
    """

    def __init__(self, rows: int, most: int = 0) -> None:
        self.most = max(rows, most)
        self._memory = memoryview(mmap.mmap(-1, ROW_CELLS * 8 * (self.most + 1)))
        self.own = Metrics(self._memory[: ROW_CELLS * 8])
        self._rows: list[Metrics] = []
        self.grow(rows)
        # Of its own, so that a gate without limits never touches it.
        self.request_rates = RequestRates(memoryview(mmap.mmap(-1, request_rates.CELLS * 8)).cast("Q"))

    def grow(self, rows: int) -> None:
        """Have at least so many rows in use, in every process; at most ``most``. For the supervisor."""
        self.own.set(Cell.ROWS, max(self.own.count(Cell.ROWS), min(rows, self.most)))

    @property
    def rows(self) -> Sequence[Metrics]:
        """The rows in use: a worker has or had them, or can get them."""
        while (used := len(self._rows)) < self.own.count(Cell.ROWS):
            self._rows.append(Metrics(self._memory[(used + 1) * ROW_CELLS * 8 : (used + 2) * ROW_CELLS * 8]))
        return self._rows

    @property
    def started(self) -> float:
        """When the gate started, in seconds since the epoch."""
        return self.own.time(Cell.STARTED)

    @started.setter
    def started(self, wall: float) -> None:
        self.own.set_time(Cell.STARTED, wall)

    @property
    def stopping(self) -> bool:
        """Whether the gate is shutting down."""
        return self.own.count(Cell.STATE) == RowState.DRAINING

    def stop(self) -> None:
        """Mark the gate as shutting down: readiness fails from now on."""
        self.own.set(Cell.STATE, RowState.DRAINING)

    def restarted(self) -> None:
        """Count a worker that was replaced because it had ended by itself."""
        self.own.change(Cell.RESTARTS, 1)

    @property
    def reload_failed(self) -> bool:
        """Whether the last reload failed in any process, so that the configuration in force is not the one on disk."""
        return any(row.count(Cell.RELOAD_FAILED) for row in (self.own, *self.workers))

    @property
    def last_reload(self) -> float:
        """When a worker has reloaded last, with or without success (seconds since the epoch); 0 if none has. A worker
        that ended counts: its successor began with what was on disk.
        """
        return max(row.time(Cell.RELOADED) for row in self.rows)

    @property
    def workers(self) -> Iterator[Metrics]:
        """The rows of running workers."""
        return (row for row in self.rows if row.count(Cell.PID))

    @property
    def connections(self) -> int:
        """The open connections of all workers."""
        return self._sum(Cell.CONNECTIONS)

    def _sum(self, cell: Cell) -> int:
        return sum(row.count(cell) for row in self.rows)

    def connections_from(self, address: str) -> int:
        """The open connections from one address, to all workers."""
        return count_in_all((row.address_counts for row in self.rows), address)

    def refusal_history(self, now: float) -> list[int]:
        """The refusals of all workers in each half hour of the last day, the oldest first."""
        return _add(row.refusal_history.counts(now) for row in self.rows)

    def upstream_times(self, name: str) -> tuple[list[int], float]:
        """The responses of an app by bucket of `upstream_times.BOUNDS`, and the sum of their times in seconds."""
        found = [row.upstream_times.total(name) for row in self.rows]
        return _add(counts for counts, _ in found), sum(seconds for _, seconds in found)

    def latency(self, name: str, now: float) -> Latency | None:
        """How long an app took to respond in the last `upstream_times.WINDOW_SECONDS`; ``now`` is monotonic."""
        return latency(_add(row.upstream_times.recent(name, now) for row in self.rows))

    def totals(self) -> Totals:
        """The sum of all rows."""
        used = [row for row in self.rows if row.time(Cell.STARTED)]  # no worker ever had the others
        answers = [answer for row in used for answer in row.answers()]
        return Totals(
            requests=_add_by_key({status: sum(slots)} for status, slots in answers),
            durations=tuple(_add([[0] * SLOTS, *(slots for _, slots in answers)])),
            duration_sum=sum(row.time(Cell.DURATION_SUM) for row in self.rows),
            refusals=_add_by_key((row.refusals for row in used), REASONS),
            handshakes=_add_by_key((row.handshakes for row in used), HANDSHAKES),
            groups=_add_by_key(row.groups for row in used),
            resumed=self._sum(Cell.RESUMED),
            invitations=_add_by_key((row.invitations for row in used), INVITATIONS),
            crl_fetches=_add_by_key((row.crl_fetches for row in used), CRL_FETCHES),
            http2_requests=_add_by_key(dict(row.http2_answers()) for row in used),
            connections=self.connections,
            http2_connections=self._sum(Cell.HTTP2_CONNECTIONS),
            http2_streams=self._sum(Cell.HTTP2_STREAMS),
            tunnels=self._sum(Cell.TUNNELS),
            lost_lines=self._sum(Cell.LOST_LINES),
            rate_limited=self._sum(Cell.RATE_LIMITED),
            expiring_clients=self._sum(Cell.EXPIRING_CLIENTS),
            restarts=self.own.count(Cell.RESTARTS),
        )


def _add_by_key(counts: Iterable[Mapping[Key, int]], keys: Sequence[Key] = ()) -> dict[Key, int]:
    """The sum for each key, also for ``keys`` that were never counted."""
    sums: Counter[Key] = Counter(dict.fromkeys(keys, 0))
    for one in counts:
        sums.update(one)
    return dict(sums)


def _add(rows: Iterable[Sequence[int]]) -> list[int]:
    """The sum of each column."""
    return [sum(column) for column in zip(*rows, strict=True)]
