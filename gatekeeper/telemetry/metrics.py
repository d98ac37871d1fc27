"""What is counted, in memory that every process of the gate shares.

Each worker has a row of its own and is the only one to write there; readers add the rows up. A worker that dies leaves
its row to its replacement, so a counter never goes backwards. A cell is 8 bytes, aligned, and written at once: a reader
sees the old number or the new one.
"""

import mmap
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum

from gatekeeper.gate.verdict import Reason
from gatekeeper.telemetry import refusal_history
from gatekeeper.telemetry.address_counts import CELLS, AddressCounts, count_in_all
from gatekeeper.telemetry.refusal_history import RefusalHistory

# Seconds; the buckets that Prometheus' own client libraries begin with. One more counts what is longer.
DURATION_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SLOTS = len(DURATION_BUCKETS) + 1
_SHORTEST = DURATION_BUCKETS[0]
_STATUSES = 1000
_REASONS = tuple(reason.value for reason in Reason)
_HANDSHAKES = ("ok", "failed", "refused")
# As in `gatekeeper.local.request.Event`, which stands above this module.
_INVITATIONS = ("shown", "downloaded", "requested", "interrupted", "refused", "unknown", "limited")

# The cells of a row. First a square of status and duration, so that an answered request is one addition.
_NAMED = _STATUSES * _SLOTS
_REFUSALS = _NAMED + 16
_HANDSHAKE = _REFUSALS + 32
_INVITED = _HANDSHAKE + 8
_HISTORY = _INVITED + 16
_ADDRESS_COUNTS = (_HISTORY + refusal_history.CELLS + 511) // 512 * 512  # whole pages
_ROW = _ADDRESS_COUNTS + CELLS
# More are not counted: a number that large says enough.
MAX_EXPIRING_CLIENTS = 10_000


class Cell(IntEnum):
    """The single numbers of a row. Times are seconds, of the wall clock unless ``BEAT``, which is monotonic."""

    DURATION_SUM = _NAMED
    CONNECTIONS = _NAMED + 1
    TUNNELS = _NAMED + 2
    LOST_LINES = _NAMED + 3
    BEAT = _NAMED + 4
    PID = _NAMED + 5
    STARTED = _NAMED + 6
    STATE = _NAMED + 7
    RELOAD_FAILED = _NAMED + 8
    RESTARTS = _NAMED + 9
    EXPIRING_CLIENTS = _NAMED + 10
    UPGRADES_FAILED = _NAMED + 11
    HTTP2_REQUESTS = _NAMED + 12
    HTTP2_CONNECTIONS = _NAMED + 13


# What is open at the moment: none of it is when the worker is gone.
_OPEN = (Cell.CONNECTIONS, Cell.TUNNELS, Cell.HTTP2_CONNECTIONS)


class RowState(IntEnum):
    """What the worker of a row is doing."""

    NONE = 0
    STARTING = 1
    SERVING = 2
    DRAINING = 3


class Metrics:
    """One worker's row; without ``memory`` nobody else sees it. ``address_counts`` are its connections by address."""

    __slots__ = ("_counts", "_reals", "address_counts", "duration_sum", "expiring_clients", "refusal_history")

    def __init__(self, memory: memoryview | None = None) -> None:
        row = memory if memory is not None else memoryview(bytearray(_ROW * 8))
        self._counts = row.cast("B").cast("Q")
        self._reals = row.cast("B").cast("d")
        self.address_counts = AddressCounts(self._counts[_ADDRESS_COUNTS:])
        self.refusal_history = RefusalHistory(self._counts[_HISTORY : _HISTORY + refusal_history.CELLS])
        # Published by `beat`: adding to shared memory would double the cost of `answered`.
        self.duration_sum = self._reals[Cell.DURATION_SUM]
        self.expiring_clients: set[str] = set()

    def expiring(self, sha256: str) -> None:
        """A client was warned that its certificate ends soon; each certificate is counted once."""
        if len(self.expiring_clients) < MAX_EXPIRING_CLIENTS and sha256 not in self.expiring_clients:
            self.expiring_clients.add(sha256)
            self._counts[Cell.EXPIRING_CLIENTS] = len(self.expiring_clients)

    def answered(self, status: int, duration: float) -> None:
        """A request got this status after ``duration`` seconds."""
        slot = bisect_left(DURATION_BUCKETS, duration) if duration > _SHORTEST else 0
        self._counts[status * _SLOTS + slot] += 1
        self.duration_sum += duration

    def refused(self, reason: Reason, now: float) -> None:
        """A visitor was told no, at this time of the wall clock."""
        self._counts[_REFUSALS + _REASONS.index(reason)] += 1
        self.refusal_history.add(now)

    def handshake_ended(self, result: str) -> None:
        """A TLS handshake ended: "ok", "failed", or "refused" for its certificate."""
        self._counts[_HANDSHAKE + _HANDSHAKES.index(result)] += 1

    def invitation_event(self, event: str) -> None:
        """Something happened to an invitation, see `gatekeeper.local.request.Event`."""
        self._counts[_INVITED + _INVITATIONS.index(event)] += 1

    def change(self, cell: Cell, by: int) -> None:
        """Add to a number."""
        self._counts[cell] += by

    def set(self, cell: Cell, value: int) -> None:
        """Set a number."""
        self._counts[cell] = value

    def set_time(self, cell: Cell, value: float) -> None:
        """Set a time."""
        self._reals[cell] = value

    def beat(self, now: float) -> None:
        """Say that the worker lives, at this time of the monotonic clock, and publish what is not yet."""
        self._reals[Cell.BEAT] = now
        self._reals[Cell.DURATION_SUM] = self.duration_sum

    def begin(self, pid: int, now: float, wall: float) -> None:
        """A new worker takes the row over: what is open starts at 0, what is counted goes on."""
        for cell in (*_OPEN, Cell.RELOAD_FAILED, Cell.EXPIRING_CLIENTS):
            self._counts[cell] = 0
        self._counts[Cell.PID] = pid
        self._counts[Cell.STATE] = RowState.STARTING
        self._reals[Cell.STARTED] = wall
        self._reals[Cell.BEAT] = now

    def end(self) -> None:
        """The worker is gone."""
        for cell in _OPEN:
            self._counts[cell] = 0
        self.address_counts.clear()
        self._counts[Cell.PID] = 0
        self._counts[Cell.STATE] = RowState.NONE

    # -- reading

    def count(self, cell: Cell) -> int:
        """A number."""
        return self._counts[cell]

    def time(self, cell: Cell) -> float:
        """A time, or another number that is not whole."""
        return self._reals[cell]

    @property
    def refusals(self) -> Mapping[str, int]:
        """Refusals by reason, as far as there were any."""
        return {name: count for name, count in self._named(_REFUSALS, _REASONS) if count}

    @property
    def handshakes(self) -> Mapping[str, int]:
        """Handshakes by result, as far as there were any."""
        return {name: count for name, count in self._named(_HANDSHAKE, _HANDSHAKES) if count}

    @property
    def invitations(self) -> Mapping[str, int]:
        """What happened to invitations, as far as anything did."""
        return {name: count for name, count in self._named(_INVITED, _INVITATIONS) if count}

    def answers(self) -> Iterator[tuple[int, tuple[int, ...]]]:
        """Each status that was answered, and how often in each bucket of duration."""
        for status in range(100, _STATUSES):
            start = status * _SLOTS
            slots = tuple(self._counts[start : start + _SLOTS])
            if any(slots):
                yield status, slots

    def _named(self, start: int, names: tuple[str, ...]) -> Iterator[tuple[str, int]]:
        return ((name, self._counts[start + index]) for index, name in enumerate(names))


@dataclass(frozen=True, slots=True)
class Totals:
    """All rows together. ``durations`` counts the answers of each bucket alone, not those of the shorter ones too."""

    requests: Mapping[int, int]
    durations: tuple[int, ...]
    duration_sum: float
    refusals: Mapping[str, int]
    handshakes: Mapping[str, int]
    invitations: Mapping[str, int]
    http2_requests: int
    connections: int
    http2_connections: int
    tunnels: int
    lost_lines: int
    restarts: int
    expiring_clients: int


class Ledger:
    """The rows of all workers, and a few numbers of the supervisor's. Made before the first worker is."""

    def __init__(self, rows: int) -> None:
        self._memory = mmap.mmap(-1, _ROW * 8 * (rows + 1))
        view = memoryview(self._memory)
        every = [Metrics(view[start * _ROW * 8 : (start + 1) * _ROW * 8]) for start in range(rows + 1)]
        self._own, self.rows = every[0], tuple(every[1:])

    @property
    def started(self) -> float:
        """When the gate started, in seconds since the epoch."""
        return self._own.time(Cell.STARTED)

    @started.setter
    def started(self, wall: float) -> None:
        self._own.set_time(Cell.STARTED, wall)

    @property
    def stopping(self) -> bool:
        """Whether the gate as a whole is on its way out."""
        return self._own.count(Cell.STATE) == RowState.DRAINING

    def stop(self) -> None:
        """The gate is on its way out: nobody is ready any more."""
        self._own.set(Cell.STATE, RowState.DRAINING)

    def restarted(self) -> None:
        """A worker that had ended by itself was replaced."""
        self._own.change(Cell.RESTARTS, 1)

    @property
    def own(self) -> Metrics:
        """The supervisor's own row, which counts no requests."""
        return self._own

    @property
    def reload_failed(self) -> bool:
        """Whether the state in force is not the one on disk, in any process."""
        return any(row.count(Cell.RELOAD_FAILED) for row in (self._own, *self.workers))

    @property
    def workers(self) -> Iterator[Metrics]:
        """The rows that belong to a living worker."""
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
        return [sum(counts) for counts in zip(*(row.refusal_history.counts(now) for row in self.rows), strict=True)]

    def totals(self) -> Totals:
        """Add everything up."""
        requests: dict[int, int] = {}
        durations = [0] * _SLOTS
        refusals, handshakes = dict.fromkeys(_REASONS, 0), dict.fromkeys(_HANDSHAKES, 0)
        invitations = dict.fromkeys(_INVITATIONS, 0)
        for row in self.rows:
            if not row.time(Cell.STARTED):
                continue  # no worker ever had it
            for status, slots in row.answers():
                requests[status] = requests.get(status, 0) + sum(slots)
                durations = [one + more for one, more in zip(durations, slots, strict=True)]
            for reason, count in row.refusals.items():
                refusals[reason] += count
            for result, count in row.handshakes.items():
                handshakes[result] += count
            for event, count in row.invitations.items():
                invitations[event] += count
        return Totals(
            requests=requests,
            durations=tuple(durations),
            duration_sum=sum(row.time(Cell.DURATION_SUM) for row in self.rows),
            refusals=refusals,
            handshakes=handshakes,
            invitations=invitations,
            http2_requests=self._sum(Cell.HTTP2_REQUESTS),
            connections=self.connections,
            http2_connections=self._sum(Cell.HTTP2_CONNECTIONS),
            tunnels=self._sum(Cell.TUNNELS),
            lost_lines=self._sum(Cell.LOST_LINES),
            expiring_clients=self._sum(Cell.EXPIRING_CLIENTS),
            restarts=self._own.count(Cell.RESTARTS),
        )
