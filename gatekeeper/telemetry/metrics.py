"""Counters in memory that all processes of the gate share.

Each worker has a row that only it writes; readers add the rows. When a worker dies, its replacement takes over the row,
so a counter never decreases. A cell is 8 bytes, aligned, and written atomically: a reader sees the old value or the new
one.
"""

import mmap
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from gatekeeper.gate.verdict import Reason
from gatekeeper.telemetry import refusal_history, request_rates, upstream_times
from gatekeeper.telemetry.address_counts import CELLS, AddressCounts, count_in_all
from gatekeeper.telemetry.refusal_history import RefusalHistory
from gatekeeper.telemetry.request_rates import RequestRates
from gatekeeper.telemetry.upstream_times import Latency, UpstreamTimes, latency

# Seconds; the buckets that Prometheus' own client libraries begin with. One more counts what is longer.
DURATION_BUCKETS: Final[tuple[float, ...]] = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SLOTS: Final = len(DURATION_BUCKETS) + 1
_SHORTEST: Final = DURATION_BUCKETS[0]
_STATUSES: Final = 1000
_REASONS: Final = tuple(reason.value for reason in Reason)
_HANDSHAKES: Final[tuple[str, ...]] = ("ok", "failed", "refused")
# As in `gatekeeper.local.request.InvitationEvent`, which stands above this module.
_INVITATIONS: Final = ("shown", "downloaded", "requested", "interrupted", "refused", "unknown", "limited")
_CRL_FETCHES: Final[tuple[str, ...]] = ("fetched", "unchanged", "failed")
# RFC 8446, 4.2.7, and the hybrids with ML-KEM (draft-ietf-tls-ecdhe-mlkem); the last stands for all others.
_GROUPS: Final[tuple[str, ...]] = (
    "X25519MLKEM768",
    "SecP256r1MLKEM768",
    "SecP384r1MLKEM1024",
    "x25519",
    "x448",
    "secp256r1",
    "secp384r1",
    "secp521r1",
    "other",
)
_GROUP_INDEX: Final = {name: index for index, name in enumerate(_GROUPS)}

# The cells of a row. First a square of status and duration, so that an answered request is one addition.
_NAMED: Final = _STATUSES * _SLOTS
_REFUSALS: Final = _NAMED + 16
_HANDSHAKE: Final = _REFUSALS + 32
_INVITED: Final = _HANDSHAKE + 8
_CRL_FETCHED: Final = _INVITED + 12
_GROUPED: Final = _INVITED + 16
_HTTP2: Final = _GROUPED + 16
_HISTORY: Final = _HTTP2 + _STATUSES
_ADDRESS_COUNTS: Final = (_HISTORY + refusal_history.CELLS + 511) // 512 * 512  # whole pages
_UPSTREAM_TIMES: Final = _ADDRESS_COUNTS + CELLS
_ROW: Final = _UPSTREAM_TIMES + (upstream_times.CELLS + 511) // 512 * 512
# More are not counted: a number that large says enough.
MAX_EXPIRING_CLIENTS: Final = 10_000


class Cell(IntEnum):
    """The single values of a row. Times are seconds since the epoch, except ``BEAT``, which is monotonic."""

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
    HTTP2_STREAMS = _NAMED + 12
    HTTP2_CONNECTIONS = _NAMED + 13
    RATE_LIMITED = _NAMED + 14
    ROWS = _NAMED + 15


# What is open at the moment: none of it is when the worker is gone.
_OPEN: Final[tuple[Cell, ...]] = (Cell.CONNECTIONS, Cell.TUNNELS, Cell.HTTP2_CONNECTIONS, Cell.HTTP2_STREAMS)


class RowState(IntEnum):
    """The state of a row's worker."""

    NONE = 0
    STARTING = 1
    SERVING = 2
    DRAINING = 3


class Metrics:
    """The row of one worker; without ``memory`` it is private. ``address_counts`` are its connections by address."""

    __slots__ = (
        "_counts",
        "_reals",
        "address_counts",
        "duration_sum",
        "expiring_clients",
        "http2_streams",
        "refusal_history",
        "upstream_times",
    )

    def __init__(self, memory: memoryview | None = None) -> None:
        row = memory if memory is not None else memoryview(bytearray(_ROW * 8))
        self._counts = row.cast("B").cast("Q")
        self._reals = row.cast("B").cast("d")
        self.address_counts = AddressCounts(self._counts[_ADDRESS_COUNTS:_UPSTREAM_TIMES])
        self.refusal_history = RefusalHistory(self._counts[_HISTORY : _HISTORY + refusal_history.CELLS])
        self.upstream_times = UpstreamTimes(self._counts[_UPSTREAM_TIMES : _UPSTREAM_TIMES + upstream_times.CELLS])
        # Since the last `beat`: adding to shared memory each time would double the cost of `answered`.
        self.duration_sum = 0.0
        self.http2_streams = 0  # what is under way; for the same reason
        self.expiring_clients: set[str] = set()

    def expiring(self, sha256: str) -> None:
        """Count a client that was warned that its certificate expires soon, once for each certificate."""
        if len(self.expiring_clients) < MAX_EXPIRING_CLIENTS and sha256 not in self.expiring_clients:
            self.expiring_clients.add(sha256)
            self._counts[Cell.EXPIRING_CLIENTS] = len(self.expiring_clients)

    def answered(self, status: int, duration: float) -> None:
        """Count a response with this status after ``duration`` seconds."""
        slot = bisect_left(DURATION_BUCKETS, duration) if duration > _SHORTEST else 0
        self._counts[status * _SLOTS + slot] += 1
        self.duration_sum += duration

    def answered_http2(self, status: int) -> None:
        """Count a response by HTTP/2, which `answered` counts too."""
        self._counts[_HTTP2 + status] += 1

    def refused(self, reason: Reason, now: float) -> None:
        """Count a refusal at ``now``, seconds since the epoch."""
        self._counts[_REFUSALS + _REASONS.index(reason)] += 1
        self.refusal_history.add(now)

    def key_exchanged(self, group: str) -> None:
        """A handshake was completed with this group of the key exchange."""
        self._counts[_GROUPED + _GROUP_INDEX.get(group, len(_GROUPS) - 1)] += 1

    def handshake_ended(self, result: str) -> None:
        """Count a TLS handshake: "ok", "failed", or "refused" because of its certificate."""
        self._counts[_HANDSHAKE + _HANDSHAKES.index(result)] += 1

    def invitation_event(self, event: str) -> None:
        """Count an event of `gatekeeper.local.request.InvitationEvent`."""
        self._counts[_INVITED + _INVITATIONS.index(event)] += 1

    def crl_fetched(self, result: str) -> None:
        """A revocation list was asked for by HTTP: "fetched", "unchanged", or "failed"."""
        self._counts[_CRL_FETCHED + _CRL_FETCHES.index(result)] += 1

    def change(self, cell: Cell, by: int) -> None:
        """Add to a value."""
        self._counts[cell] += by

    def set(self, cell: Cell, value: int) -> None:
        """Set a value."""
        self._counts[cell] = value

    def set_time(self, cell: Cell, value: float) -> None:
        """Set a time."""
        self._reals[cell] = value

    def beat(self, now: float) -> None:
        """Record that the worker is alive at ``now`` (monotonic), and publish values that are kept outside the shared
        memory.
        """
        self._reals[Cell.BEAT] = now
        self._reals[Cell.DURATION_SUM] += self.duration_sum
        self.duration_sum = 0.0
        self._counts[Cell.HTTP2_STREAMS] = self.http2_streams
        self.upstream_times.publish(now)

    def begin(self, pid: int, now: float, wall: float) -> None:
        """Take over the row for a new worker: gauges start at 0, counters continue."""
        for cell in (*_OPEN, Cell.RELOAD_FAILED, Cell.EXPIRING_CLIENTS):
            self._counts[cell] = 0
        self._counts[Cell.PID] = pid
        self._counts[Cell.STATE] = RowState.STARTING
        self._reals[Cell.STARTED] = wall
        self._reals[Cell.BEAT] = now

    def end(self) -> None:
        """Mark the row as free: its worker has ended."""
        for cell in _OPEN:
            self._counts[cell] = 0
        self.address_counts.clear()
        self._counts[Cell.PID] = 0
        self._counts[Cell.STATE] = RowState.NONE

    # -- reading

    def count(self, cell: Cell) -> int:
        """A value."""
        return self._counts[cell]

    def time(self, cell: Cell) -> float:
        """A time, or another value that is not an integer."""
        return self._reals[cell]

    @property
    def refusals(self) -> Mapping[str, int]:
        """The refusals by reason, without zeros."""
        return {name: count for name, count in self._named(_REFUSALS, _REASONS) if count}

    @property
    def handshakes(self) -> Mapping[str, int]:
        """The handshakes by result, without zeros."""
        return {name: count for name, count in self._named(_HANDSHAKE, _HANDSHAKES) if count}

    @property
    def invitations(self) -> Mapping[str, int]:
        """The events of invitations, without zeros."""
        return {name: count for name, count in self._named(_INVITED, _INVITATIONS) if count}

    @property
    def crl_fetches(self) -> Mapping[str, int]:
        """Fetches of revocation lists by result."""
        return dict(self._named(_CRL_FETCHED, _CRL_FETCHES))

    @property
    def groups(self) -> Mapping[str, int]:
        """Completed handshakes by the group of their key exchange, as far as there were any."""
        return {name: count for name, count in self._named(_GROUPED, _GROUPS) if count}

    def answers(self) -> Iterator[tuple[int, tuple[int, ...]]]:
        """Each status that was sent, with the counts of its duration buckets."""
        for status in range(100, _STATUSES):
            slots = tuple(self._counts[status * _SLOTS : (status + 1) * _SLOTS])
            if any(slots):
                yield status, slots

    def http2_answers(self) -> Iterator[tuple[int, int]]:
        """Each status that was sent by HTTP/2, and how often."""
        return ((status, count) for status in range(100, _STATUSES) if (count := self._counts[_HTTP2 + status]))

    def _named(self, start: int, names: tuple[str, ...]) -> Iterator[tuple[str, int]]:
        return ((name, self._counts[start + index]) for index, name in enumerate(names))


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
        self._memory = memoryview(mmap.mmap(-1, _ROW * 8 * (self.most + 1)))
        self.own = Metrics(self._memory[: _ROW * 8])
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
            self._rows.append(Metrics(self._memory[(used + 1) * _ROW * 8 : (used + 2) * _ROW * 8]))
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
        requests: dict[int, int] = {}
        http2_requests: Counter[int] = Counter()
        durations = [0] * _SLOTS
        refusals, handshakes = dict.fromkeys(_REASONS, 0), dict.fromkeys(_HANDSHAKES, 0)
        groups: Counter[str] = Counter()
        invitations, crl_fetches = dict.fromkeys(_INVITATIONS, 0), dict.fromkeys(_CRL_FETCHES, 0)
        for row in self.rows:
            if not row.time(Cell.STARTED):
                continue  # no worker ever had it
            for status, slots in row.answers():
                requests[status] = requests.get(status, 0) + sum(slots)
                durations = [one + more for one, more in zip(durations, slots, strict=True)]
            http2_requests.update(dict(row.http2_answers()))
            for reason, count in row.refusals.items():
                refusals[reason] += count
            for result, count in row.handshakes.items():
                handshakes[result] += count
            groups.update(row.groups)
            for event, count in row.invitations.items():
                invitations[event] += count
            for result, count in row.crl_fetches.items():
                crl_fetches[result] += count
        return Totals(
            requests=requests,
            durations=tuple(durations),
            duration_sum=sum(row.time(Cell.DURATION_SUM) for row in self.rows),
            refusals=refusals,
            handshakes=handshakes,
            groups=groups,
            invitations=invitations,
            crl_fetches=crl_fetches,
            http2_requests=http2_requests,
            connections=self.connections,
            http2_connections=self._sum(Cell.HTTP2_CONNECTIONS),
            http2_streams=self._sum(Cell.HTTP2_STREAMS),
            tunnels=self._sum(Cell.TUNNELS),
            lost_lines=self._sum(Cell.LOST_LINES),
            rate_limited=self._sum(Cell.RATE_LIMITED),
            expiring_clients=self._sum(Cell.EXPIRING_CLIENTS),
            restarts=self.own.count(Cell.RESTARTS),
        )


def _add(rows: Iterable[Sequence[int]]) -> list[int]:
    """The sum of each column."""
    return [sum(column) for column in zip(*rows, strict=True)]
