"""One process of the gate: an event loop, its listeners, the proxy and, in the first one, the admin listener."""

import asyncio
import gc
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from gatekeeper.access_log import FORMATS, AccessLog
from gatekeeper.admin import Admin, Check
from gatekeeper.config import Configuration
from gatekeeper.embedded.static import StaticSites
from gatekeeper.listeners import BACKLOG
from gatekeeper.metrics import Metrics
from gatekeeper.proxy.downstream import Downstream
from gatekeeper.proxy.pool import Pool, make_pools
from gatekeeper.proxy.proxy import Proxy, Reload
from gatekeeper.proxy.world import World, build_world
from gatekeeper.refresh import Refresh
from gatekeeper.settings import Settings
from gatekeeper.tls.openssl import keep_large_buffers

try:
    import uvloop

    new_event_loop: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
except ImportError:  # no uvloop on this platform
    new_event_loop = asyncio.new_event_loop

# The collector looks for cycles when so many more objects were made than freed. Closed connections leave none behind,
# so it would look in vain: at Python's 700, for a tenth of the instructions that Python spends on a new connection.
GARBAGE = 10_000


@dataclass(frozen=True, slots=True)
class Sockets:
    """What a worker listens on."""

    visitors: Sequence[socket.socket]
    admin: socket.socket | None


def run_worker(configuration: Configuration, sockets: Sockets, ready: Callable[[World], None]) -> None:
    """Serve until SIGTERM or SIGINT; ConfigurationError if what the settings name cannot be loaded.

    ``ready`` is called once, when visitors are answered.
    """
    keep_large_buffers()
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(_Worker(configuration, sockets).run(ready))


class _Worker:
    def __init__(self, configuration: Configuration, sockets: Sockets) -> None:
        self._path = configuration.source.path
        self._settings = configuration.settings
        self._sockets = sockets
        self._sites = StaticSites()
        self._pools: Mapping[str, Pool] = {}
        self._stopping = asyncio.Event()
        self._now = False

    async def run(self, ready: Callable[[World], None]) -> None:
        self._loop = loop = asyncio.get_running_loop()
        settings = self._settings
        async with self._sites as sites:
            refresh = Refresh(self._path, settings, build=self._build, renew=self._renew, report=self._report)
            await sites.serve(settings.every_upstream)
            world = self._assemble(settings)
            self._pools = world.upstreams
            log = AccessLog(settings.log.access, FORMATS[settings.log.format], loop)
            self._proxy = proxy = Proxy(world, loop=loop, log=log, metrics=Metrics())
            servers = [
                await loop.create_server(lambda: Downstream(proxy), sock=s, backlog=BACKLOG)
                for s in self._sockets.visitors
            ]
            admin = Admin(lambda: self._checks(proxy))
            if self._sockets.admin is not None:
                await admin.start(self._sockets.admin)
            self._listen_to_signals(loop, proxy, refresh)
            # What exists now lives as long as the process; the collector need not look at it again.
            gc.collect()
            gc.freeze()
            gc.set_threshold(GARBAGE)
            ready(world)
            refresh.start(world)
            await self._stopping.wait()
            refresh.stop()
            for server in servers:
                server.close()
            await proxy.drain(proxy.world.settings.timeouts.drain)
            await proxy.responders.close()
            await admin.stop()
            for pool in proxy.world.upstreams.values():
                pool.close()
            log.close()

    def _assemble(self, settings: Settings) -> World:
        pools = make_pools(settings.every_upstream, self._sites.addresses, self._loop, self._pools)
        return build_world(settings, pools, time.time())

    # -- called by the refresh, on its thread

    def _build(self, settings: Settings) -> World:
        asyncio.run_coroutine_threadsafe(self._sites.serve(settings.every_upstream), self._loop).result()
        return self._assemble(settings)

    def _renew(self, world: World) -> None:
        self._pools = world.upstreams
        self._tell(self._proxy.renew, world)

    def _report(self, reload: Reload) -> None:
        self._tell(setattr, self._proxy, "last_reload", reload)

    def _tell(self, what: Callable[..., object], *arguments: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: the gate has stopped
            self._loop.call_soon_threadsafe(what, *arguments)

    def _listen_to_signals(self, loop: asyncio.AbstractEventLoop, proxy: Proxy, refresh: Refresh) -> None:
        def stop() -> None:
            self._now = self._stopping.is_set()
            self._stopping.set()
            if self._now:
                proxy.cut()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)
        loop.add_signal_handler(signal.SIGUSR1, proxy.log.reopen)
        loop.add_signal_handler(signal.SIGHUP, refresh.reload)

    def _checks(self, proxy: Proxy) -> Mapping[str, Check]:
        draining = self._stopping.is_set()
        stale = proxy.world.policy.locked_out(time.time())
        return {
            "listening": Check(not draining, "the gate is stopping" if draining else ""),
            "draining": Check(not draining, "the gate is stopping" if draining else ""),
            "crl": Check(not stale, f"the CRL of {'; '.join(stale)} is stale" if stale else ""),
        }
