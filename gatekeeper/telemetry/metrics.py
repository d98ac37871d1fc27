"""The counters of one worker: a row of memory that all processes of the gate share, and that only this worker writes.

A cell is 8 bytes, aligned, and written atomically: a reader sees the old value or the new one. `ledger` has the rows of
all workers.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import Final

from gatekeeper.gate.verdict import Reason
from gatekeeper.telemetry import refusal_history, upstream_times
from gatekeeper.telemetry.address_counts import CELLS, AddressCounts
from gatekeeper.telemetry.refusal_history import RefusalHistory
from gatekeeper.telemetry.upstream_times import UpstreamTimes

# Seconds; the buckets that Prometheus' own client libraries begin with. One more counts what is longer.
DURATION_BUCKETS: Final[tuple[float, ...]] = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SLOTS: Final = len(DURATION_BUCKETS) + 1
_SHORTEST: Final = DURATION_BUCKETS[0]
_STATUSES: Final = 1000
REASONS: Final = tuple(reason.value for reason in Reason)
HANDSHAKES: Final[tuple[str, ...]] = ("ok", "failed", "refused")
# As in `gatekeeper.local.request.InvitationEvent`, which stands above this module.
INVITATIONS: Final = ("shown", "downloaded", "requested", "interrupted", "refused", "unknown", "limited")
CRL_FETCHES: Final[tuple[str, ...]] = ("fetched", "unchanged", "failed")
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
_NAMED: Final = _STATUSES * SLOTS
_REFUSALS: Final = _NAMED + 24
_HANDSHAKE: Final = _REFUSALS + 32
_INVITED: Final = _HANDSHAKE + 8
_CRL_FETCHED: Final = _INVITED + 12
_GROUPED: Final = _INVITED + 16
_HTTP2: Final = _GROUPED + 16
_HISTORY: Final = _HTTP2 + _STATUSES
_ADDRESS_COUNTS: Final = (_HISTORY + refusal_history.CELLS + 511) // 512 * 512  # whole pages
_UPSTREAM_TIMES: Final = _ADDRESS_COUNTS + CELLS
ROW_CELLS: Final = _UPSTREAM_TIMES + (upstream_times.CELLS + 511) // 512 * 512
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
    RESUMED = _NAMED + 16
    RELOADED = _NAMED + 17


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
        row = memory if memory is not None else memoryview(bytearray(ROW_CELLS * 8))
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
        self._counts[status * SLOTS + slot] += 1
        self.duration_sum += duration

    def answered_http2(self, status: int) -> None:
        """Count a response by HTTP/2, which `answered` counts too."""
        self._counts[_HTTP2 + status] += 1

    def refused(self, reason: Reason, now: float) -> None:
        """Count a refusal at ``now``, seconds since the epoch."""
        self._counts[_REFUSALS + REASONS.index(reason)] += 1
        self.refusal_history.add(now)

    def key_exchanged(self, group: str) -> None:
        """A handshake was completed with this group of the key exchange."""
        self._counts[_GROUPED + _GROUP_INDEX.get(group, len(_GROUPS) - 1)] += 1

    def handshake_ended(self, result: str) -> None:
        """Count a TLS handshake: "ok", "failed", or "refused" because of its certificate."""
        self._counts[_HANDSHAKE + HANDSHAKES.index(result)] += 1

    def invitation_event(self, event: str) -> None:
        """Count an event of `gatekeeper.local.request.InvitationEvent`."""
        self._counts[_INVITED + INVITATIONS.index(event)] += 1

    def crl_fetched(self, result: str) -> None:
        """A revocation list was asked for by HTTP: "fetched", "unchanged", or "failed"."""
        self._counts[_CRL_FETCHED + CRL_FETCHES.index(result)] += 1

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
        """Take over the row for a new worker: gauges start at 0, counters continue. ``pid`` is 0 before the fork."""
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
        return {name: count for name, count in self._named(_REFUSALS, REASONS) if count}

    @property
    def handshakes(self) -> Mapping[str, int]:
        """The handshakes by result, without zeros."""
        return {name: count for name, count in self._named(_HANDSHAKE, HANDSHAKES) if count}

    @property
    def invitations(self) -> Mapping[str, int]:
        """The events of invitations, without zeros."""
        return {name: count for name, count in self._named(_INVITED, INVITATIONS) if count}

    @property
    def crl_fetches(self) -> Mapping[str, int]:
        """Fetches of revocation lists by result."""
        return dict(self._named(_CRL_FETCHED, CRL_FETCHES))

    @property
    def groups(self) -> Mapping[str, int]:
        """Completed handshakes by the group of their key exchange, as far as there were any."""
        return {name: count for name, count in self._named(_GROUPED, _GROUPS) if count}

    def answers(self) -> Iterator[tuple[int, tuple[int, ...]]]:
        """Each status that was sent, with the counts of its duration buckets."""
        for status in range(100, _STATUSES):
            slots = tuple(self._counts[status * SLOTS : (status + 1) * SLOTS])
            if any(slots):
                yield status, slots

    def http2_answers(self) -> Iterator[tuple[int, int]]:
        """Each status that was sent by HTTP/2, and how often."""
        return ((status, count) for status in range(100, _STATUSES) if (count := self._counts[_HTTP2 + status]))

    def _named(self, start: int, names: tuple[str, ...]) -> Iterator[tuple[str, int]]:
        return ((name, self._counts[start + index]) for index, name in enumerate(names))
