"""What all connections of a process share: the current snapshot, the registry of connections, and their limits."""

import array
import asyncio
import fcntl
import logging
import termios
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar

from gatekeeper.local.handler import LocalHandler
from gatekeeper.proxy.expiry import Expiry
from gatekeeper.proxy.journal import Journal
from gatekeeper.proxy.judge import Judge
from gatekeeper.proxy.request_limits import RequestCounts
from gatekeeper.proxy.snapshot import Snapshot
from gatekeeper.telemetry.access_log import ExchangeLog
from gatekeeper.telemetry.metrics import Cell, Metrics
from gatekeeper.telemetry.request_rates import RequestRates
from gatekeeper.tls.connection import TLSConnection

# How long open connections may be judged anew before traffic gets its turn.
SLICE_SECONDS = 0.005

# How often buffers that have grown are freed. At the end of each exchange it would make a MiB 3 % dearer.
FREE_SECONDS = 1.0


_Each = TypeVar("_Each")


@dataclass(frozen=True, slots=True)
class Reload:
    """The result of a reload: when (seconds since the epoch), whether the new state is in force, and if not, why."""

    time: float
    ok: bool
    message: str = ""


_log = logging.getLogger("gatekeeper")


class Connection(Protocol):
    """A client's connection, as far as the proxy knows it."""

    __slots__ = ()

    address: str

    def judge_anew(self) -> None:
        """The snapshot or the time has changed: end the requests that would be refused now."""

    def drain(self) -> None:
        """The gate is stopping: close soon if no request is under way."""

    def abort(self) -> None:
        """Close at once, whatever is under way."""


class PendingConnection(Protocol):
    """A load balancer's connection whose PROXY header has not arrived yet."""

    def abort(self) -> None:
        """Close at once."""


class AllProcesses(Protocol):
    """What is counted in all processes together: `telemetry.ledger.Ledger`."""

    request_rates: RequestRates

    @property
    def connections(self) -> int:
        """Open connections."""

    def connections_from(self, address: str) -> int:
        """Open connections from that address."""


class OneProcess:
    """The same where there is one process. ``metrics`` are its own."""

    def __init__(self, metrics: Metrics) -> None:
        self.request_rates = RequestRates()
        self._metrics = metrics

    @property
    def connections(self) -> int:
        """Open connections."""
        return self._metrics.count(Cell.CONNECTIONS)

    def connections_from(self, address: str) -> int:
        """Open connections from that address."""
        return self._metrics.address_counts.count(address)


class Proxy:
    """The running proxy. ``snapshot`` is replaced by a reload; ``wall`` is the wall clock.

    ``last_reload`` is None before the first reload. ``everywhere`` counts in all processes, None if this is the only
    one. ``unacknowledged`` returns how many bytes of a transport the peer's kernel has not acknowledged, None if that
    is unknown.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        *,
        loop: asyncio.AbstractEventLoop,
        log: ExchangeLog,
        metrics: Metrics,
        wall: Callable[[], float] = time.time,
        everywhere: AllProcesses | None = None,
        unacknowledged: Callable[[asyncio.BaseTransport], int | None] | None = None,
    ) -> None:
        self.snapshot = snapshot
        self.loop = loop
        self.wall = wall
        self.metrics = metrics
        self.unacknowledged = unacknowledged or unacknowledged_bytes
        self.journal = Journal(log, metrics, wall)
        self.judge = Judge(loop, wall)
        self.local = LocalHandler(loop, wall, lambda: self.snapshot.invitations)
        self.expiry: Expiry[Connection] = Expiry(loop, wall, _judge_anew)
        self._everywhere = everywhere or OneProcess(metrics)
        self.requests = RequestCounts(self._everywhere.request_rates)
        self.draining = False
        self.last_reload: Reload | None = None
        self.connections: set[Connection] = set()
        self.pending: set[PendingConnection] = set()
        self.grown: set[TLSConnection] = set()
        self._free: asyncio.TimerHandle | None = None
        self._reserved: dict[str, int] = {}
        self._drained = asyncio.Event()
        self._start_pools(snapshot)
        self.local.open()

    def renew(self, snapshot: Snapshot) -> None:
        """Replace the snapshot, for new connections and for further requests on open ones. Ends the requests under way
        that it would refuse.
        """
        old, self.snapshot = self.snapshot, snapshot
        try:
            self._replace_pools(old, snapshot)
            self.local.open()
        finally:  # whatever fails above, a visitor who would be refused now must not stay
            self._in_slices(iter(list(self.connections)), _judge_anew)

    def _replace_pools(self, old: Snapshot, new: Snapshot) -> None:
        kept = set(map(id, new.upstreams.values()))
        for pool in old.upstreams.values():
            if id(pool) not in kept:
                pool.retire()
        self._start_pools(new)

    def _start_pools(self, snapshot: Snapshot) -> None:
        times = self.metrics.upstream_times.assign(snapshot.upstreams)
        for name, pool in snapshot.upstreams.items():
            pool.times = times[name]
            pool.start()

    def _in_slices(self, left: Iterator[_Each], do: Callable[[_Each], None]) -> None:
        """In slices of `SLICE_SECONDS`: after a change of the CA, verifying a certificate takes a fifth of a
        millisecond.
        """
        end = self.loop.time() + SLICE_SECONDS
        for one in left:
            do(one)
            if self.loop.time() >= end:
                self.loop.call_soon(self._in_slices, left, do)
                return

    def _free_buffers(self) -> None:
        """Once in `FREE_SECONDS`, as long as somebody is connected."""
        again = bool(self.connections)
        self._free = self.loop.call_later(FREE_SECONDS, self._free_buffers) if again else None
        self._in_slices(iter(list(self.grown)), TLSConnection.free_buffers)

    # -- connections

    def opened(self, connection: Connection) -> None:
        """A client connected."""
        self.connections.add(connection)
        if self._free is None:
            self._free = self.loop.call_later(FREE_SECONDS, self._free_buffers)
        if not self._unreserve(connection.address):
            self.metrics.address_counts.change(connection.address, 1)
        self.metrics.change(Cell.CONNECTIONS, 1)

    def closed(self, connection: Connection) -> None:
        """A client's connection is closed."""
        self.connections.discard(connection)
        self.metrics.address_counts.change(connection.address, -1)
        self.metrics.change(Cell.CONNECTIONS, -1)
        if self.draining:
            self._settle()

    def pending_added(self, connection: PendingConnection) -> None:
        """A load balancer has connected, and its PROXY header is still to come."""
        self.pending.add(connection)

    def pending_removed(self, connection: PendingConnection) -> None:
        """The header has come, or the connection is closed."""
        self.pending.discard(connection)
        if self.draining:
            self._settle()

    @property
    def idle(self) -> bool:
        """Whether nobody is connected."""
        return not self.connections and not self.pending

    def _settle(self) -> None:
        if self.idle:
            self._drained.set()

    def capacity(self, coming: int) -> int:
        """How many more connections ``limits.connections`` allows; ``coming`` are accepted but not yet opened."""
        return self.snapshot.settings.limits.connections - self._everywhere.connections - coming - len(self.pending)

    def reserve(self, address: str) -> None:
        """Count a connection from this address that was accepted but is not yet `opened`. Without this, all connections
        that are accepted in one turn of the loop would pass `over_limit`.
        """
        self._reserved[address] = self._reserved.get(address, 0) + 1
        self.metrics.address_counts.change(address, 1)

    def cancel_reservation(self, address: str) -> None:
        """Undo `reserve` for a connection that was never `opened`."""
        if self._unreserve(address):
            self.metrics.address_counts.change(address, -1)

    def _unreserve(self, address: str) -> bool:
        left = self._reserved.pop(address, 0) - 1
        if left > 0:
            self._reserved[address] = left
        return left >= 0

    def over_limit(self, address: str) -> bool:
        """Whether ``limits.connections_per_ip`` forbids one more from there. A Unix socket is not an address."""
        most = self.snapshot.settings.limits.connections_per_ip
        if most == 0 or address == "unix":
            return False
        return max(self.metrics.address_counts.own(address), self._everywhere.connections_from(address)) >= most

    async def drain(self, seconds: float) -> None:
        """Close idle connections, wait for requests under way, and close what is left after ``seconds``."""
        self.draining = True
        for connection in list(self.connections):
            connection.drain()
        self._settle()
        try:
            await asyncio.wait_for(self._drained.wait(), seconds)
        except TimeoutError:
            self.cut()

    def cut(self) -> None:
        """Close every connection at once, whatever is under way."""
        for connection in (*self.pending, *self.connections):
            connection.abort()


def _judge_anew(connection: Connection) -> None:
    """Fails closed: a connection that cannot be judged is closed, and the others are still judged."""
    try:
        connection.judge_anew()
    except Exception:
        _log.exception("closed: a connection could not be judged anew")
        connection.abort()


def unacknowledged_bytes(transport: asyncio.BaseTransport) -> int | None:
    """How many bytes of a connection the other side has not acknowledged yet; None if the kernel cannot say.

    SIOCOUTQ (tcp(7)), which for a socket is the number of TIOCOUTQ.
    """
    socket = transport.get_extra_info("socket")
    count = array.array("i", [0])
    try:
        fcntl.ioctl(socket.fileno(), termios.TIOCOUTQ, count)
    except (OSError, ValueError, AttributeError):
        return None
    return count[0]
