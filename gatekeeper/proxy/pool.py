"""All places of an app. What to do is planned at once; only connecting takes time."""

import asyncio
from collections.abc import Iterable, Mapping
from enum import Enum, auto
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gatekeeper.errors import UnreachableError
from gatekeeper.proxy.place import KEEP_SECONDS, Place, make_places
from gatekeeper.proxy.upstream import UpstreamConnection
from gatekeeper.settings.addresses import Address, SocketPath, UpstreamURL
from gatekeeper.settings.files import OPEN_DIRECTLY, FileReader, FileStamp, stat_all, upstream_files
from gatekeeper.settings.tables import UpstreamSettings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from gatekeeper.proxy.exchange import Exchange

    # What is wrong with the answer of a place to a path, asked within so many seconds; "" if nothing is.
    Ask = Callable[[Place, str, float], Awaitable[str]]

# Who comes behind so many others is told at once to come again: queue_timeout would pass before its turn.
MAX_WAITING = 1024
# A check must be answered within this time, or within health_interval if that is shorter.
CHECK_SECONDS = 5.0
UNAVAILABLE = "The app is not available at the moment."


class Plan(Enum):
    """What to do for an exchange where there is no place to go to."""

    WAIT = auto()  # until one of max_connections is free
    REFUSE = auto()  # no place may be asked


class _Waiting(NamedTuple):
    """An exchange in the queue: what ends its patience, and how long connecting may take after that."""

    timer: asyncio.TimerHandle
    seconds: float


class Pool:
    """All places of one app. ``made_of`` are the files that its settings name, as they were when it was made."""

    def __init__(
        self,
        settings: UpstreamSettings,
        places: Iterable[Place],
        loop: asyncio.AbstractEventLoop,
        made_of: Mapping[Path, FileStamp] | None = None,
    ) -> None:
        self.settings = settings
        self.made_of = made_of or {}
        self.places = tuple(places)
        self.authority = authority(settings.places[0])
        self._only = self.places[0] if len(self.places) == 1 else None
        self._loop = loop
        self._connecting: dict[Exchange, asyncio.Task[None]] = {}
        self._waiting: dict[Exchange, _Waiting] = {}
        self._checks: list[asyncio.Task[None]] = []
        self._sweep: asyncio.TimerHandle | None = None
        self._turns = 0
        for place in self.places:
            place.freed = self._room_made

    @property
    def up(self) -> bool:
        """Whether any place may be worth asking, for readiness and metrics."""
        now = self._loop.time()
        return any(place.health.up(now) for place in self.places)

    def start(self, ask: "Ask | None" = None) -> None:
        """Begin to check the places, if that is configured; ``ask`` does one check. Nothing happens a second time."""
        path = self.settings.health_path
        if path is None or self._checks:
            return
        check = ask or _by_aiohttp()
        self._checks = [self._loop.create_task(self._keep_checking(place, path, check)) for place in self.places]

    # -- called by the exchange

    def take(self) -> UpstreamConnection | None:
        """An idle connection to the place with the fewest busy ones, None if `connect` must be asked."""
        only = self._only
        if only is not None:
            return only.take()
        place = self._choose(())
        return self._take_from(place) if place is not None else None

    def connect(self, exchange: "Exchange", seconds: float) -> None:
        """Make a connection within ``seconds``, or wait for one; the exchange is told by ``connected`` or ``fail``."""
        plan = self._plan(exchange.tried)
        if isinstance(plan, Place):
            self._begin(exchange, plan, seconds)
        elif plan is Plan.REFUSE:
            exchange.fail(503, UNAVAILABLE)
        elif len(self._waiting) >= MAX_WAITING:
            exchange.fail(503, "Too many requests wait for the app.")
        else:
            timer = self._loop.call_later(self.settings.queue_timeout, self._waited_in_vain, exchange)
            self._waiting[exchange] = _Waiting(timer, seconds)

    def has_another(self, tried: tuple[Place, ...]) -> bool:
        """Whether a request may be tried at a place beyond these, now."""
        return self._only is None and self._choose(tried) is not None

    async def is_reachable(self, seconds: float) -> bool:
        """Whether any place of the app takes a connection now: one that is open says so, else it is tried."""
        if self.settings.health_path is not None:
            return self.up
        now = self._loop.time()
        if any(place.health.up(now) and (place.idle or place.busy) for place in self.places):
            return True
        for place in self.places:
            connection = place.expect()
            try:
                await place.connect(self._loop, connection, seconds)
            except UnreachableError:
                continue
            connection.close()
            return True
        return False

    def forget(self, exchange: "Exchange") -> None:
        """The exchange ended before its connection was there."""
        task = self._connecting.pop(exchange, None)
        if task is not None:
            task.cancel()
        waiting = self._waiting.pop(exchange, None)
        if waiting is not None:
            waiting.timer.cancel()

    def give_back(self, connection: UpstreamConnection) -> None:
        """Keep a connection after its exchange, for who waits or for later."""
        connection.place.give_back(connection, self._loop.time())
        if self._waiting:
            self._serve_waiting()
        if self._sweep is None:
            self._sweep = self._loop.call_later(KEEP_SECONDS / 2, self._close_idle)

    # -- the plan

    def _choose(self, tried: tuple[Place, ...]) -> Place | None:
        """The place that a request goes to: of those with the least load, the one whose turn is longest ago."""
        now = self._loop.time()
        chosen, least = None, (0.0, 0)
        for place in self.places:
            health = place.health
            if place in tried or not place.has_room or not health.usable(now):
                continue
            # A place that is due for a trial comes first: it failed while nothing was sent, so it costs a moment.
            load = (0.0 if health.on_trial else (place.busy + 1) / health.share(now), place.turn)
            if chosen is None or load < least:
                chosen, least = place, load
        return chosen

    def _plan(self, tried: tuple[Place, ...]) -> Place | Plan:
        place = self._choose(tried)
        if place is not None:
            return place
        now = self._loop.time()
        fit = [place for place in self.places if not place.health.failed_check and place not in tried]
        if any(place.health.usable(now) for place in fit):
            return Plan.WAIT
        if not fit:
            return Plan.REFUSE
        # All of them failed lately. Nobody but the requests can find out whether the app is back, so one is tried.
        resting = min(fit, key=lambda place: place.health.retry_at)
        return resting if resting.has_room else Plan.WAIT

    def _take_from(self, place: Place) -> UpstreamConnection | None:
        """An idle connection; for a trial only a fresh one will do."""
        if place.health.on_trial:
            return None
        connection = place.take()
        if connection is not None:
            self._chosen(place)
        return connection

    def _chosen(self, place: Place) -> None:
        self._turns += 1
        place.turn = self._turns

    # -- connecting

    def _begin(self, exchange: "Exchange", place: Place, seconds: float) -> None:
        self._chosen(place)
        if not place.may_open and (kept := place.take()) is not None:
            exchange.connected(kept)
            return
        # Counted from now on, not from when the task runs: the next plan is made before that.
        connection = place.expect()
        task = self._loop.create_task(self._connect(exchange, connection, seconds))
        task.add_done_callback(lambda _: place.unexpect(connection))  # a task may be cancelled before it ever runs
        self._connecting[exchange] = task

    async def _connect(self, exchange: "Exchange", connection: UpstreamConnection | None, seconds: float) -> None:
        """Connect to one place after the other, as long as nothing is sent and there is another one."""
        failure = UnreachableError(502, "The app cannot be reached.", "")
        try:
            while connection is not None:
                place = connection.place
                try:
                    await place.connect(self._loop, connection, seconds)
                    break
                except UnreachableError as error:
                    failure = error
                exchange.tried = (*exchange.tried, place)
                another = self._choose(exchange.tried)
                connection = None
                if another is not None:
                    self._chosen(another)
                    if not another.may_open and (connection := another.take()) is not None:
                        break
                    connection = another.expect()
        finally:
            self._connecting.pop(exchange, None)
        if connection is not None:
            exchange.connected(connection)
        else:
            exchange.detail = failure.why
            exchange.fail(failure.status, failure.sentence)
        self._room_made()  # it may be back

    # -- the queue for max_connections

    def _room_made(self) -> None:
        if self._waiting:
            self._serve_waiting()

    def _serve_waiting(self) -> None:
        """Whoever waits longest gets what is free."""
        while self._waiting:
            exchange = next(iter(self._waiting))
            plan = self._plan(exchange.tried)
            if plan is Plan.WAIT:
                return
            waiting = self._waiting.pop(exchange)
            waiting.timer.cancel()
            if not isinstance(plan, Place):
                exchange.fail(503, UNAVAILABLE)
            elif connection := self._take_from(plan):
                exchange.connected(connection)
            else:
                self._begin(exchange, plan, waiting.seconds)

    def _waited_in_vain(self, exchange: "Exchange") -> None:
        del self._waiting[exchange]
        exchange.detail = f"all connections were busy for {self.settings.queue_timeout:g} s"
        exchange.fail(503, "The app is busy.")

    # -- upkeep

    async def _keep_checking(self, place: Place, path: str, ask: "Ask") -> None:
        interval = self.settings.health_interval
        while True:
            wrong = await ask(place, path, min(interval, CHECK_SECONDS))
            place.checked(wrong, self._loop.time())
            self._room_made()
            await asyncio.sleep(interval)

    def _close_idle(self) -> None:
        self._sweep = None
        left = sum(place.close_idle(self._loop.time() - KEEP_SECONDS) for place in self.places)
        if left:
            self._sweep = self._loop.call_later(KEEP_SECONDS / 2, self._close_idle)

    def retire(self) -> None:
        """A reload took another pool instead: what is under way goes on, what is idle is closed, later by the sweep."""
        self._stop_checking()
        for place in self.places:
            place.close_idle(float("inf"))

    def _stop_checking(self) -> None:
        for check in self._checks:
            check.cancel()

    def close(self) -> None:
        """Close what is idle, stop connecting and checking; busy connections end with their exchanges."""
        if self._sweep is not None:
            self._sweep.cancel()
        self._stop_checking()
        for waiting in self._waiting.values():
            waiting.timer.cancel()
        for task in list(self._connecting.values()):
            task.cancel()
        for place in self.places:
            place.close_idle(float("inf"))


def _by_aiohttp() -> "Ask":
    from gatekeeper.proxy.check import ask  # brings aiohttp's client, which most configurations never need

    return ask


def make_pools(
    upstreams: Mapping[str, UpstreamSettings],
    folders: Mapping[Path, SocketPath],
    loop: asyncio.AbstractEventLoop,
    before: Mapping[str, Pool],
    files: FileReader = OPEN_DIRECTLY,
) -> dict[str, Pool]:
    """A pool for each upstream; the one of ``before``, with its connections, where nothing about it has changed.

    ``folders`` says where static folders are served. ConfigurationError if a file cannot be used.
    """
    pools = {}
    for name, settings in upstreams.items():
        made_of, old = stat_all(upstream_files(settings)), before.get(name)
        unchanged = old is not None and old.settings == settings and old.made_of == made_of
        if old is not None and unchanged:
            pools[name] = old
        else:
            pools[name] = Pool(settings, make_places(name, settings, folders, files), loop, made_of)
    return pools


def authority(url: UpstreamURL) -> bytes:
    """What Host says to an app where the client named none (HTTP/1.0)."""
    return str(Address(url.host, url.port)).encode("ascii") if url.host else b"localhost"
