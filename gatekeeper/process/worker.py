"""A worker process: an event loop, the proxy, and a share of the listening sockets. The supervisor starts it.

The supervisor sends it single bytes over a socket pair (`Command`); it answers with lines of JSON. It handles no
signals but SIGTERM, so a Ctrl-C, which reaches every process of a terminal, is handled once.
"""

import asyncio
import gc
import json
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gatekeeper.admin.server import Admin
from gatekeeper.admin.status import Status
from gatekeeper.embedded.sites import StaticSites
from gatekeeper.errors import ConfigurationError, Mistake, mistakes_of
from gatekeeper.process.configuration import ConfigurationFile
from gatekeeper.process.listeners import port_of, tcp_addresses
from gatekeeper.process.malloc import keep_large_buffers
from gatekeeper.process.privileges import Account, become
from gatekeeper.process.reload import Reloader
from gatekeeper.process.renewing import Renewing
from gatekeeper.process.sealed_files import receive
from gatekeeper.process.stderr_log import log_event_loop_error
from gatekeeper.process.watch import Watch
from gatekeeper.process.workers import Command
from gatekeeper.proxy.client.acceptor import Acceptor
from gatekeeper.proxy.client.redirect import RedirectConnection
from gatekeeper.proxy.crl_fetcher import CRLFetcher
from gatekeeper.proxy.loading import mistakes_in_files
from gatekeeper.proxy.ocsp import load_client
from gatekeeper.proxy.proxy import Proxy, Reload
from gatekeeper.proxy.snapshot import Snapshot, build_snapshot
from gatekeeper.proxy.upstream.endpoints import make_endpoints
from gatekeeper.proxy.upstream.pool import Pool, make_pools
from gatekeeper.settings.addresses import Address, SocketPath
from gatekeeper.settings.files import OPEN_DIRECTLY, FileReader
from gatekeeper.telemetry.access_log import AccessLog
from gatekeeper.telemetry.ledger import Ledger
from gatekeeper.telemetry.log_lines import FORMATS
from gatekeeper.telemetry.metrics import Cell, Metrics, RowState
from gatekeeper.tls.proof import prove_service

if TYPE_CHECKING:
    from gatekeeper.settings.server import AdminSettings
    from gatekeeper.settings.tables import Settings

try:
    import uvloop

    new_event_loop: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
except ImportError:  # no uvloop on this platform
    new_event_loop = asyncio.new_event_loop

_log = logging.getLogger("gatekeeper")

# The collector looks for cycles when so many more objects were made than freed. Closed connections leave none behind,
# so it would look in vain: at Python's 700, for a tenth of the instructions that Python spends on a new connection.
# Under 25,000 requests a second on kept connections it does not run at all.
GARBAGE = 10_000
# The caches of a snapshot refer to what fills them, so each reload leaves cycles: 3 MiB after 160 of them, when the
# collector would run. A run stops the worker for 5 µs for each open connection.
FEW_CONNECTIONS = 1000

# How often a worker sends a sign of life, at least; without one for ``timeouts.hang`` it is replaced.
BEAT_SECONDS = 0.5
# The event loop takes a new snapshot within milliseconds; one that has ended never does.
IN_FORCE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class WorkerContext:
    """What a worker gets: the configuration as last validated, its sockets, the ledger and its own row, and its channel
    to the supervisor.

    ``account`` is the user to become; ``shared`` says whether other workers accept on the same sockets. ``folder`` is
    the name for its temporary folder, ``left`` are those of dead workers, which may not have removed theirs.
    """

    configuration: ConfigurationFile
    visitors: Sequence[socket.socket]
    redirect: Sequence[socket.socket]
    admin: socket.socket | None
    ledger: Ledger
    metrics: Metrics
    channel: socket.socket
    account: Account | None
    shared: bool
    folder: str
    left: Sequence[str]


def dry_run(settings: "Settings", known: Sequence[Mistake] = ()) -> Snapshot:
    """Load everything that a worker would, before any is started.

    ConfigurationError with every mistake, the ``known`` ones of the settings included: then each file is looked at, but
    nothing is built. StartError if no visitor could connect. The snapshot is for inspection only: it has no upstreams.
    """
    wrong = list(known)
    for name, upstream in settings.every_upstream.items():
        wrong += mistakes_of(partial(make_endpoints, name, upstream, {upstream: SocketPath(Path("unused"))}))
    if known:
        raise ConfigurationError(*dict.fromkeys((*wrong, *mistakes_in_files(settings))))
    try:
        snapshot = build_snapshot(settings, {}, time.time())
    except ConfigurationError as error:
        every = (*error.mistakes, *mistakes_in_files(settings), *wrong)
        raise ConfigurationError(*dict.fromkeys(every)) from error
    if wrong:
        raise ConfigurationError(*wrong)
    prove_service(snapshot.tls)
    return snapshot


def run_worker(context: WorkerContext) -> None:
    """Serve until told to stop. GatekeeperError if it cannot begin.

    The files are read here and not inherited: the replacement of a worker must not bring back an older state, in which
    a certificate was not revoked yet.
    """
    keep_large_buffers()
    watch = Watch((context.configuration.path,))
    configuration = context.configuration.read()
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        try:
            runner.run(_Worker(configuration.settings, context, watch).run())
        except ConfigurationError as error:
            raise configuration.located(error) from None


def _admin_hosts(admin: "AdminSettings") -> tuple[str, ...]:
    """The names in the Host header that the admin listener accepts: those configured, and the one in its address."""
    own = (admin.listen.host.lower(),) if isinstance(admin.listen, Address) else ()
    return (*admin.hosts, *own)


class _Worker:
    def __init__(self, settings: "Settings", context: WorkerContext, watch: Watch) -> None:
        self._watch = watch
        self._settings = settings
        self._context = context
        self._metrics = context.metrics
        self._own_listeners = tcp_addresses([*context.visitors, *context.redirect])
        self._sites = StaticSites(context.folder, context.left)
        self._pools: Mapping[str, Pool] = {}
        self._sealed: dict[Path, int] = {}

    async def run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(log_event_loop_error)
        self._leaving: asyncio.Future[Command] = self._loop.create_future()
        self._cut = asyncio.Event()
        async with self._sites:
            await self._begin()
            command = await self._leaving
            self._metrics.set(Cell.STATE, RowState.DRAINING)
            await self._drain(command)
            self._reloader.stop()
            self._renewing.stop()
            await self._end()

    async def _begin(self) -> None:
        settings, context, loop = self._settings, self._context, self._loop
        reloader = Reloader(
            context.configuration,
            settings,
            watch=self._watch,
            build=self._build,
            renew=self._renew,
            report=self._report,
        )
        self._reloader = reloader
        await self._sites.serve(settings.every_upstream)
        snapshot = self._assemble(settings, OPEN_DIRECTLY)
        self._pools, self._sites.pages = snapshot.upstreams, snapshot.pages
        self._access_log = log = AccessLog(settings.log.access, FORMATS[settings.log.format], loop)
        if context.account is not None:
            self._sites.hand_over(context.account.own)
            log.hand_over(context.account.own_file)
            become(context.account)
        ledger = context.ledger
        self._proxy = proxy = Proxy(
            snapshot,
            loop=loop,
            log=log,
            metrics=self._metrics,
            everywhere=ledger,
        )
        self._renewing = Renewing(lambda: proxy.snapshot.settings)
        self._acceptors = [Acceptor(proxy, context.visitors, shared=context.shared)]
        if context.redirect:
            speak = partial(RedirectConnection, port=port_of(context.visitors))
            self._acceptors.append(Acceptor(proxy, context.redirect, shared=context.shared, speak=speak))
        self._admin = Admin(
            Status(proxy, ledger, context.configuration.path),
            lambda: proxy.snapshot.documents,
            hosts=lambda: _admin_hosts(proxy.snapshot.settings.admin),
        )
        if context.admin is not None:
            await self._admin.start(context.admin)
        self._fetcher = CRLFetcher(lambda: proxy.snapshot, self._metrics.crl_fetched, began=ledger.started)
        proxy.judge.on_unknown = self._fetcher.learn
        # What exists now lives as long as the process; the collector need not look at it again.
        gc.collect()
        gc.freeze()
        gc.set_threshold(GARBAGE)
        self._watch_supervisor()
        for acceptor in self._acceptors:
            acceptor.open()
        self._metrics.set(Cell.STATE, RowState.SERVING)
        self._heartbeat()
        self._send(ready=True)
        # A worker that gave up root may be unable to read the key again; the supervisor then watches, and sends copies.
        self._renewing.start()
        reloader.start(snapshot, watching=context.account is None)
        self._fetcher.start()

    async def _drain(self, command: Command) -> None:
        timeouts = self._proxy.snapshot.settings.timeouts
        delay = timeouts.drain_delay if command is Command.STOP else 0.0
        self._send(leaving=delay + timeouts.drain)
        if delay:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._cut.wait(), delay)
        if command is not Command.STOP:
            self._admin.leave()
        last = command is Command.STOP and not self._cut.is_set()
        await asyncio.gather(*(acceptor.close(last=last) for acceptor in self._acceptors))
        if self._cut.is_set():
            self._proxy.cut()
        await self._proxy.drain(timeouts.drain)

    async def _end(self) -> None:
        await self._fetcher.close()
        await self._proxy.judge.responders.close()
        self._proxy.local.close()
        await self._admin.stop()
        for pool in self._proxy.snapshot.upstreams.values():
            pool.close()
        self._access_log.close()
        self._publish()

    # -- the supervisor

    def _watch_supervisor(self) -> None:
        self._context.channel.setblocking(False)
        self._loop.add_reader(self._context.channel.fileno(), self._read_commands)
        # For whoever ends a worker by hand: its successor serves before it leaves.
        self._loop.add_signal_handler(signal.SIGTERM, self._retire)

    def _read_commands(self) -> None:
        try:
            heard, sealed = receive(self._context.channel, 64)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            heard, sealed = b"", {}
        if not heard:
            # The supervisor is gone, so nobody would ever end this process.
            self._loop.remove_reader(self._context.channel.fileno())
            _log.error("the supervisor has ended; worker %d exits", os.getpid())
            self._execute(Command.RETIRE)
        for byte in heard:
            command = Command(bytes((byte,)))
            if command is Command.FILES:
                self._sealed |= sealed
            else:
                self._execute(command)

    def _execute(self, command: Command) -> None:
        match command:
            case Command.STOP | Command.RETIRE:
                if not self._leaving.done():
                    self._leaving.set_result(command)
            case Command.CUT:
                self._cut.set()
                if not self._leaving.done():
                    self._leaving.set_result(command)
                self._proxy.cut()
            case Command.RELOAD:
                sealed, self._sealed = self._sealed, {}
                self._reloader.reload(sealed)
            case Command.REOPEN:
                self._access_log.reopen()

    def _retire(self) -> None:
        self._send(retiring=True)

    def _send(self, **what: object) -> None:
        with suppress(OSError):
            self._context.channel.send(json.dumps(what).encode() + b"\n")

    def _heartbeat(self) -> None:
        self._publish()
        self._loop.call_later(min(BEAT_SECONDS, self._proxy.snapshot.settings.timeouts.hang / 4), self._heartbeat)

    def _publish(self) -> None:
        self._metrics.beat(time.monotonic())
        self._metrics.change(Cell.LOST_LINES, self._access_log.take_lost())

    # -- reload: `_build`, `_renew` and `_report` are called by the reloader, on its thread

    def _assemble(self, settings: "Settings", files: FileReader) -> Snapshot:
        pools = make_pools(
            settings.every_upstream, self._sites.addresses, self._loop, self._pools, files, self._own_listeners
        )
        snapshot = build_snapshot(settings, pools, time.time(), files)
        if snapshot.policy.ocsp is not None:
            load_client()
        return snapshot

    def _build(self, settings: "Settings", files: FileReader) -> Snapshot:
        asyncio.run_coroutine_threadsafe(self._sites.serve(settings.every_upstream), self._loop).result()
        return self._assemble(settings, files)

    def _renew(self, snapshot: Snapshot) -> None:
        """Return when the snapshot is in force: if success were reported earlier, a visitor could still meet the old
        one.
        """
        self._pools, self._sites.pages = snapshot.upstreams, snapshot.pages
        in_force = threading.Event()
        self._call(self._proxy.renew, snapshot)
        self._call(in_force.set)
        in_force.wait(IN_FORCE_SECONDS)
        if len(self._proxy.connections) <= FEW_CONNECTIONS:
            gc.collect()
        self._renewing.look()

    def _report(self, reload: Reload) -> None:
        """Publish how a reload went. Not in the event loop, which may be busy: whoever has read the log line asks for
        /status, and any worker may answer.
        """
        self._proxy.last_reload = reload
        self._metrics.set_time(Cell.RELOADED, reload.time)
        self._metrics.set(Cell.RELOAD_FAILED, not reload.ok)
        self._call(partial(self._send, reloaded=reload.ok))

    def _call(self, what: Callable[..., object], *arguments: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: the gate has stopped
            self._loop.call_soon_threadsafe(what, *arguments)
