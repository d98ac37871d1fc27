"""All places of an app. What to do is planned at once; only connecting takes time."""

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from gatekeeper.addresses import Address, SocketPath, UpstreamURL
from gatekeeper.proxy.place import KEEP_SECONDS, Place, make_places
from gatekeeper.proxy.upstream import UpstreamConnection
from gatekeeper.settings import UpstreamSettings
from gatekeeper.watched import Mark, marks, upstream_files

if TYPE_CHECKING:
    from gatekeeper.proxy.exchange import Exchange


class Pool:
    """All places of one app. ``made_of`` are the files that its settings name, as they were when it was made."""

    def __init__(
        self,
        settings: UpstreamSettings,
        places: Iterable[Place],
        loop: asyncio.AbstractEventLoop,
        made_of: Mapping[Path, Mark] | None = None,
    ) -> None:
        self.settings = settings
        self.made_of = made_of or {}
        self.places = tuple(places)
        self.authority = authority(settings.places[0])
        self._loop = loop
        self._connecting: dict[Exchange, asyncio.Task[None]] = {}
        self._sweep: asyncio.TimerHandle | None = None

    def take(self) -> UpstreamConnection | None:
        """An idle connection to the place with the fewest busy ones, None if a new one must be made."""
        places = self.places
        place = places[0] if len(places) == 1 else min(places, key=_business)
        return place.take()

    def connect(self, exchange: "Exchange") -> None:
        """Make a connection for this exchange; it is told by ``connected`` or ``fail``."""
        self._connecting[exchange] = self._loop.create_task(self._connect(exchange))

    async def _connect(self, exchange: "Exchange") -> None:
        connection = None
        try:
            for place in sorted(self.places, key=_business):
                try:
                    connection = await place.connect(self._loop)
                    break
                except OSError:
                    continue
        finally:
            self._connecting.pop(exchange, None)
        if connection is None or connection.transport.is_closing():  # closed at once, so nobody will say it again
            exchange.fail(502, "The app cannot be reached.")
        else:
            exchange.connected(connection)

    async def is_reachable(self, seconds: float) -> bool:
        """Whether any place of the app takes a connection now, within that time."""
        for place in self.places:
            try:
                connection = await asyncio.wait_for(place.connect(self._loop), seconds)
            except (OSError, TimeoutError):
                continue
            connection.close()
            return True
        return False

    def forget(self, exchange: "Exchange") -> None:
        """The exchange ended before its connection was there."""
        task = self._connecting.pop(exchange, None)
        if task is not None:
            task.cancel()

    def give_back(self, connection: UpstreamConnection) -> None:
        """Keep a connection after its exchange."""
        connection.place.give_back(connection, self._loop.time())
        if self._sweep is None:
            self._sweep = self._loop.call_later(KEEP_SECONDS / 2, self._close_idle)

    def _close_idle(self) -> None:
        self._sweep = None
        left = sum(place.close_idle(self._loop.time() - KEEP_SECONDS) for place in self.places)
        if left:
            self._sweep = self._loop.call_later(KEEP_SECONDS / 2, self._close_idle)

    def retire(self) -> None:
        """A reload took another pool instead: what is under way goes on, what is idle is closed, later by the sweep."""
        for place in self.places:
            place.close_idle(float("inf"))

    def close(self) -> None:
        """Close what is idle and stop connecting; busy connections end with their exchanges."""
        if self._sweep is not None:
            self._sweep.cancel()
        for task in list(self._connecting.values()):
            task.cancel()
        for place in self.places:
            place.close_idle(float("inf"))


def make_pools(
    upstreams: Mapping[str, UpstreamSettings],
    folders: Mapping[Path, SocketPath],
    loop: asyncio.AbstractEventLoop,
    before: Mapping[str, Pool],
) -> dict[str, Pool]:
    """A pool for each upstream; the one of ``before``, with its connections, where nothing about it has changed.

    ``folders`` says where static folders are served. ConfigurationError if a file cannot be used.
    """
    pools = {}
    for name, settings in upstreams.items():
        made_of, old = marks(upstream_files(settings)), before.get(name)
        unchanged = old is not None and old.settings == settings and old.made_of == made_of
        pools[name] = old if old and unchanged else Pool(settings, make_places(name, settings, folders), loop, made_of)
    return pools


def _business(place: Place) -> int:
    return place.busy


def authority(url: UpstreamURL) -> bytes:
    """What Host says to an app where the client named none (HTTP/1.0)."""
    return str(Address(url.host, url.port)).encode("ascii") if url.host else b"localhost"
