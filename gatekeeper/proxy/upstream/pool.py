"""All endpoints of an app. Choosing one is synchronous; only connecting takes time."""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from dataclasses import fields, replace
from enum import Enum, auto
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gatekeeper.errors import UnreachableError
from gatekeeper.proxy.deadline import Timeouts
from gatekeeper.proxy.streams import EndpointHealth, UpstreamStream, Waiter
from gatekeeper.proxy.upstream.endpoint import KEEP_SECONDS, Endpoint, PlaceOnConnection
from gatekeeper.proxy.upstream.endpoints import make_endpoints
from gatekeeper.proxy.upstream.http2_check import ask_http2
from gatekeeper.settings.addresses import Address, ListenAddress, SocketPath, UpstreamURL
from gatekeeper.settings.files import OPEN_DIRECTLY, FileReader, FileStamp, stat_all, upstream_files
from gatekeeper.wire.rewriting import Rewriting

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from gatekeeper.settings.upstream import UpstreamSettings

    # What is wrong with the answer of an endpoint to a path, asked within so many seconds; "" if nothing is.
    Ask = Callable[[Endpoint, str, float], Awaitable[str]]

# Who comes behind so many others is told at once to come again: queue_timeout would pass before its turn.
MAX_WAITING = 1024
# A check must be answered within this time, or within health_interval if that is shorter.
CHECK_SECONDS = 5.0
UNAVAILABLE = "The app is not available at the moment."


class Plan(Enum):
    """What to do with an exchange that no endpoint can take now."""

    WAIT = auto()  # until one of max_connections is free
    REFUSE = auto()  # no endpoint may be asked


class _Waiting(NamedTuple):
    """An exchange in the queue: its queue timer, and how long connecting may take after that."""

    timer: asyncio.TimerHandle
    seconds: float


class Pool:
    """All endpoints of one app. ``host`` is the Host that it gets, b"" for the visitor's. ``upgrades`` are the
    protocols that a visitor may switch to, in lower case. ``made_of`` are the files that its settings name, as they
    were when it was made."""

    def __init__(
        self,
        settings: "UpstreamSettings",
        endpoints: Iterable[Endpoint],
        loop: asyncio.AbstractEventLoop,
        made_of: Mapping[Path, FileStamp] | None = None,
    ) -> None:
        self.settings = settings
        self.made_of = made_of or {}
        self.endpoints = tuple(endpoints)
        address = authority(settings.endpoints[0])
        self.host = host_for(settings)
        self.authority = self.host or address
        self._address = address
        self.upgrades = frozenset(protocol.lower().encode("ascii") for protocol in settings.upgrades)
        self.serves_files = settings.endpoints[0].scheme == "static"
        self.rewrites = bool(self.host) or self.serves_files
        self._rewritings: dict[bytes, Rewriting] = {}
        self.timeouts: Timeouts  # set with the snapshot that uses the pool
        self.request_body: int | None = None
        self.times: list[float] = []  # of responses, in seconds; `UpstreamTimes` reads and empties it
        self._only = self.endpoints[0] if len(self.endpoints) == 1 else None
        self._shared = settings.endpoints[0].is_http2
        self._loop = loop
        self._connecting: dict[Waiter, asyncio.Task[None]] = {}
        self._waiting: dict[Waiter, _Waiting] = {}
        self._checks: list[asyncio.Task[None]] = []
        self._sweep: asyncio.TimerHandle | None = None
        self._turns = 0
        for endpoint in self.endpoints:
            endpoint.freed = self._slot_freed

    def adopt(self, timeouts: Timeouts, request_body: int | None, *, strips: bool) -> None:
        """Take over what holds for every app, where its own settings do not say otherwise; and whether a route takes
        something from the path, once and for all: a request under way keeps the route that it came by."""
        self.rewrites = self.rewrites or strips
        own = self.settings.timeouts
        given = {one.name: getattr(own, one.name, None) for one in fields(timeouts)}
        self.timeouts = replace(timeouts, **{name: value for name, value in given.items() if value is not None})
        has_own = "request_body" in self.settings.model_fields_set
        self.request_body = self.settings.request_body if has_own else request_body

    def rewriting(self, prefix: bytes) -> Rewriting:
        """What is changed between a visitor and this app, on a route that takes ``prefix`` from the path."""
        found = self._rewritings.get(prefix)
        if found is None:
            found = self._rewritings[prefix] = Rewriting(prefix, self.host, self._address, files=self.serves_files)
        return found

    @property
    def up(self) -> bool:
        """Whether any endpoint is up, for readiness and metrics."""
        now = self._loop.time()
        return any(endpoint.health.up(now) for endpoint in self.endpoints)

    def start(self, ask: "Ask | None" = None) -> None:
        """Start the health checks, if they are configured; ``ask`` does one check. Further calls do nothing."""
        path = self.settings.health_path
        if path is None or self._checks:
            return
        check = ask or (ask_http2 if self.settings.endpoints[0].is_http2 else _by_aiohttp())
        self._checks = [
            self._loop.create_task(self._keep_checking(endpoint, path, check)) for endpoint in self.endpoints
        ]

    # -- called by the exchange

    def acquire(self) -> PlaceOnConnection | None:
        """An idle connection to the endpoint with the fewest busy ones, None if `connect` must be asked."""
        only = self._only
        if only is not None:
            return only.acquire()
        endpoint = self._choose(())
        return self._acquire_from(endpoint) if endpoint is not None else None

    def connect(self, waiter: Waiter, seconds: float) -> None:
        """Open a connection within ``seconds``, or queue for one. Calls ``connected`` or ``fail`` of the exchange."""
        plan = self._plan(waiter.tried)
        if isinstance(plan, Endpoint):
            self._begin(waiter, plan, seconds)
        elif plan is Plan.REFUSE:
            waiter.fail(503, UNAVAILABLE, waiter.detail)
        elif len(self._waiting) >= MAX_WAITING:
            waiter.fail(503, "Too many requests are waiting for the app.")
        else:
            timer = self._loop.call_later(self.settings.queue_timeout, self._queue_timeout, waiter)
            self._waiting[waiter] = _Waiting(timer, seconds)

    def has_another(self, tried: tuple[EndpointHealth, ...]) -> bool:
        """Whether a request can go to an endpoint other than these now."""
        return self._only is None and self._choose(tried) is not None

    async def is_reachable(self, seconds: float) -> bool:
        """Whether any endpoint of the app takes a connection now: one that is open says so, else it is tried."""
        if self.settings.health_path is not None:
            return self.up
        now = self._loop.time()
        if any(endpoint.health.up(now) and (endpoint.idle or endpoint.busy) for endpoint in self.endpoints):
            return True
        for endpoint in self.endpoints:
            connection = endpoint.reserve()
            try:
                await endpoint.connect(self._loop, connection, seconds)
            except UnreachableError:
                continue
            connection.reset()
            return True
        return False

    def forget(self, waiter: Waiter) -> None:
        """The exchange ended before it got a connection."""
        task = self._connecting.pop(waiter, None)
        if task is not None:
            task.cancel()
        waiting = self._waiting.pop(waiter, None)
        if waiting is not None:
            waiting.timer.cancel()

    def release(self, stream: UpstreamStream) -> None:
        """The exchange is over: its connection, if it can be used again, goes to the queue or is kept."""
        stream.release(self._loop.time())
        if self._waiting:
            self._serve_waiting()
        if self._sweep is None:
            self._sweep_later()

    # -- the plan

    def _choose(self, tried: tuple[EndpointHealth, ...]) -> Endpoint | None:
        """The endpoint that a request goes to: of those with the least load, the one whose turn is longest ago."""
        now = self._loop.time()
        chosen, least = None, (0.0, 0)
        for endpoint in self.endpoints:
            health = endpoint.health
            if endpoint in tried or not endpoint.has_capacity or not health.usable(now):
                continue
            # An endpoint that is due for a trial comes first: it failed while nothing was sent, so it costs a moment.
            load = (0.0 if health.half_open else (endpoint.busy + 1) / health.share(now), endpoint.turn)
            if chosen is None or load < least:
                chosen, least = endpoint, load
        return chosen

    def _plan(self, tried: tuple[EndpointHealth, ...]) -> Endpoint | Plan:
        endpoint = self._choose(tried)
        if endpoint is not None:
            return endpoint
        now = self._loop.time()
        fit = [endpoint for endpoint in self.endpoints if not endpoint.health.failed_check and endpoint not in tried]
        if any(endpoint.health.usable(now) for endpoint in fit):
            return Plan.WAIT
        if not fit:
            return Plan.REFUSE
        # All of them failed lately. Nobody but the requests can find out whether the app is back, so one is tried.
        resting = min(fit, key=lambda endpoint: endpoint.health.retry_at)
        return resting if resting.has_capacity else Plan.WAIT

    def _acquire_from(self, endpoint: Endpoint) -> PlaceOnConnection | None:
        """An idle connection; for a trial only a fresh one will do."""
        if endpoint.health.half_open:
            return None
        connection = endpoint.acquire()
        if connection is not None:
            self._chosen(endpoint)
        return connection

    def _chosen(self, endpoint: Endpoint) -> None:
        self._turns += 1
        endpoint.turn = self._turns

    # -- connecting

    def _begin(self, waiter: Waiter, endpoint: Endpoint, seconds: float) -> None:
        self._chosen(endpoint)
        if not endpoint.may_open and (kept := endpoint.acquire()) is not None:
            waiter.connected(kept)
            return
        # Counted from now on, not from when the task runs: the next plan is made before that.
        connection = endpoint.reserve()
        task = self._loop.create_task(self._connect(waiter, endpoint, connection, seconds))
        task.add_done_callback(lambda _: endpoint.unreserve(connection))  # a task may be cancelled before it ever runs
        self._connecting[waiter] = task

    async def _connect(self, waiter: Waiter, endpoint: Endpoint, reserved: PlaceOnConnection, seconds: float) -> None:
        """Connect to one endpoint after the other, as long as nothing is sent and there is another one."""
        failure = UnreachableError(502, "The app cannot be reached.", "")
        connection: PlaceOnConnection | None = reserved
        try:
            while connection is not None:
                try:
                    await endpoint.connect(self._loop, connection, seconds)
                    break
                except UnreachableError as error:
                    failure = error
                waiter.tried, waiter.detail = (*waiter.tried, endpoint), failure.why
                another = self._choose(waiter.tried)
                connection = None
                if another is not None:
                    endpoint = another
                    self._chosen(another)
                    if not another.may_open and (connection := another.acquire()) is not None:
                        break
                    connection = another.reserve()
        finally:
            self._connecting.pop(waiter, None)
        if connection is not None:
            waiter.connected(connection)
        else:
            waiter.fail(failure.status, failure.sentence, failure.why)
        self._slot_freed()  # it may be back

    # -- the queue for max_connections

    def _slot_freed(self) -> None:
        if self._waiting:
            self._serve_waiting()
        # A request that was given up leaves a connection of HTTP/2 behind.
        if self._sweep is None and self._shared and any(endpoint.idle for endpoint in self.endpoints):
            self._sweep_later()

    def _serve_waiting(self) -> None:
        """Give free connections to the queue, first come, first served."""
        while self._waiting:
            waiter = next(iter(self._waiting))
            plan = self._plan(waiter.tried)
            if plan is Plan.WAIT:
                return
            waiting = self._waiting.pop(waiter)
            waiting.timer.cancel()
            if not isinstance(plan, Endpoint):
                waiter.fail(503, UNAVAILABLE, waiter.detail)
            elif connection := self._acquire_from(plan):
                waiter.connected(connection)
            else:
                self._begin(waiter, plan, waiting.seconds)

    def _queue_timeout(self, waiter: Waiter) -> None:
        del self._waiting[waiter]
        waiter.fail(503, "The app is busy.", f"all connections were busy for {self.settings.queue_timeout:g} s")

    # -- upkeep

    async def _keep_checking(self, endpoint: Endpoint, path: str, ask: "Ask") -> None:
        interval = self.settings.health_interval
        while True:
            wrong = await ask(endpoint, path, min(interval, CHECK_SECONDS))
            endpoint.checked(wrong, self._loop.time())
            self._slot_freed()
            await asyncio.sleep(interval)

    def _close_idle(self) -> None:
        self._sweep = None
        left = sum(endpoint.close_idle(self._loop.time() - KEEP_SECONDS) for endpoint in self.endpoints)
        if left:
            self._sweep_later()

    def _sweep_later(self) -> None:
        self._sweep = self._loop.call_later(KEEP_SECONDS / 2, self._close_idle)

    def retire(self) -> None:
        """A reload replaced this pool: exchanges go on, and idle connections are closed, later ones by the sweep."""
        for check in self._checks:
            check.cancel()
        for endpoint in self.endpoints:
            endpoint.close_idle(float("inf"))

    def close(self) -> None:
        """Close idle connections, stop connecting and checking. Busy connections close after their exchanges."""
        if self._sweep is not None:
            self._sweep.cancel()
        for waiting in self._waiting.values():
            waiting.timer.cancel()
        for task in list(self._connecting.values()):
            task.cancel()
        self.retire()


def _by_aiohttp() -> "Ask":
    from gatekeeper.proxy.upstream.check import ask  # brings aiohttp's client, which most configurations never need

    return ask


def make_pools(
    upstreams: "Mapping[str, UpstreamSettings]",
    folders: "Mapping[UpstreamSettings, SocketPath]",
    loop: asyncio.AbstractEventLoop,
    before: Mapping[str, Pool],
    files: FileReader = OPEN_DIRECTLY,
    own_listeners: Collection[ListenAddress] = (),
) -> dict[str, Pool]:
    """A pool for each upstream; the one of ``before``, with its connections, where nothing about it has changed.

    ``folders`` says where static folders are served, ``own_listeners`` where the gate itself listens, which no upstream
    may lead to. ConfigurationError if a file cannot be used.
    """
    pools = {}
    for name, settings in upstreams.items():
        made_of, old = stat_all(upstream_files(settings)), before.get(name)
        unchanged = old is not None and old.settings == settings and old.made_of == made_of
        if old is not None and unchanged:
            pools[name] = old
        else:
            endpoints = make_endpoints(name, settings, folders, files)
            for endpoint in endpoints:
                endpoint.own_listeners = own_listeners
            pools[name] = Pool(settings, endpoints, loop, made_of)
    return pools


def host_for(settings: "UpstreamSettings") -> bytes:
    """The Host that the app gets, b"" for the visitor's own (``upstream.host``)."""
    address = authority(settings.endpoints[0])
    return {"visitor": b"", "upstream": address}.get(settings.host, settings.host.encode("ascii"))


def authority(url: UpstreamURL) -> bytes:
    """What Host says to an app where the client named none (HTTP/1.0)."""
    return str(Address(url.host, url.port)).encode("ascii") if url.host else b"localhost"
