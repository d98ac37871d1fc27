"""One process of the gate: an event loop, its listeners, the proxy and, in the first one, the admin listener."""

import asyncio
import gc
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gatekeeper.access_log import FORMATS, AccessLog
from gatekeeper.admin import Admin, Check
from gatekeeper.embedded.static import StaticSites
from gatekeeper.listeners import BACKLOG
from gatekeeper.metrics import Metrics
from gatekeeper.proxy.downstream import Downstream
from gatekeeper.proxy.place import make_places
from gatekeeper.proxy.pool import Pool
from gatekeeper.proxy.proxy import Proxy
from gatekeeper.proxy.world import World, build_world
from gatekeeper.settings import Settings
from gatekeeper.tls.openssl import keep_large_buffers

try:
    import uvloop

    new_event_loop: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
except ImportError:  # no uvloop on this platform
    new_event_loop = asyncio.new_event_loop


@dataclass(frozen=True, slots=True)
class Sockets:
    """What a worker listens on."""

    visitors: Sequence[socket.socket]
    admin: socket.socket | None


def run_worker(settings: Settings, sockets: Sockets, ready: Callable[[World], None]) -> None:
    """Serve until SIGTERM or SIGINT; ConfigurationError if what the settings name cannot be loaded.

    ``ready`` is called once, when visitors are answered.
    """
    keep_large_buffers()
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(_Worker(settings, sockets).run(ready))


class _Worker:
    def __init__(self, settings: Settings, sockets: Sockets) -> None:
        self._settings = settings
        self._sockets = sockets
        self._stopping = asyncio.Event()
        self._now = False

    async def run(self, ready: Callable[[World], None]) -> None:
        loop = asyncio.get_running_loop()
        settings = self._settings
        async with StaticSites(settings.every_upstream) as sites:
            pools = {
                name: Pool(upstream, make_places(name, upstream, sites.addresses), loop)
                for name, upstream in settings.every_upstream.items()
            }
            world = build_world(settings, pools, time.time())
            log = AccessLog(settings.log.access, FORMATS[settings.log.format], loop)
            proxy = Proxy(world, loop=loop, log=log, metrics=Metrics())
            servers = [
                await loop.create_server(lambda: Downstream(proxy), sock=s, backlog=BACKLOG)
                for s in self._sockets.visitors
            ]
            admin = Admin(lambda: self._checks(proxy))
            if self._sockets.admin is not None:
                await admin.start(self._sockets.admin)
            self._listen_to_signals(loop, proxy)
            # What exists now lives as long as the process; the collector need not look at it again.
            gc.collect()
            gc.freeze()
            ready(world)
            await self._stopping.wait()
            for server in servers:
                server.close()
            await self._drain(proxy)
            await admin.stop()
            for pool in pools.values():
                pool.close()
            log.close()

    def _listen_to_signals(self, loop: asyncio.AbstractEventLoop, proxy: Proxy) -> None:
        def stop() -> None:
            self._now = self._stopping.is_set()
            self._stopping.set()
            if self._now:
                proxy.cut()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)
        loop.add_signal_handler(signal.SIGUSR1, proxy.log.reopen)

    async def _drain(self, proxy: Proxy) -> None:
        await proxy.drain(self._settings.timeouts.drain)

    def _checks(self, proxy: Proxy) -> Mapping[str, Check]:
        draining = self._stopping.is_set()
        return {
            "listening": Check(not draining, "the gate is stopping" if draining else ""),
            "draining": Check(not draining, "the gate is stopping" if draining else ""),
        }
