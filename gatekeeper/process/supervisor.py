"""The first process: opens the ports, forks workers, watches them, replaces them, and ends them.

It has no event loop and no threads, because it forks for as long as it lives: a fork copies the one thread that calls
it, and every lock that another thread holds stays locked in the child. Fork and not spawn, because a replacement is
there in a tenth of the time, shares the memory of all that was imported, and is the same program even if the package on
disk was changed meanwhile.

There is always a supervisor, with a single worker too: that one can crash or hang as well, and as process 1 of a
container the supervisor takes care of children that are not its own. It costs about 9 MiB that are not shared.

SIGUSR2 has it start its successor from the code that is installed now, see `gatekeeper.process.upgrade`.

Started as root with ``server.user``, it stays root, as nginx's master does: workers read their files as root and then
become that user. See `gatekeeper.process.privileged_files` for how they reload.
"""

import gc
import logging
import os
import selectors
import signal
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from gatekeeper.embedded.sites import new_folder_name
from gatekeeper.errors import GatekeeperError, StartError
from gatekeeper.package import watch_imports
from gatekeeper.process.children import cores, kill, reap_orphans
from gatekeeper.process.configuration import ConfigurationFile
from gatekeeper.process.listeners import (
    Listener,
    Role,
    close_listeners,
    open_listeners,
    shown_listener,
    sockets_of,
)
from gatekeeper.process.preload import preload
from gatekeeper.process.privileged_files import PrivilegedFiles
from gatekeeper.process.privileges import Account
from gatekeeper.process.reload import POLL_SECONDS, needing_new_workers
from gatekeeper.process.sd_notify import SystemdNotifier
from gatekeeper.process.sealed_files import SealedFiles, close, send
from gatekeeper.process.signal_queue import SignalQueue
from gatekeeper.process.upgrade import Upgrade
from gatekeeper.process.worker import WorkerContext
from gatekeeper.process.worker_process import WorkerProcess, work
from gatekeeper.process.workers import TICK_SECONDS, Command, Event, Exit, Kill, Send, Start, WorkerSet
from gatekeeper.telemetry.ledger import Ledger
from gatekeeper.telemetry.metrics import Cell, Metrics

if TYPE_CHECKING:
    from gatekeeper.settings.tables import Settings

_log = logging.getLogger("gatekeeper")

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGCHLD)
# A reload can raise `server.workers` to this many, to the number of cores, or to what it was at the start.
MOST_WORKERS = 64
# So many workers, or one for each core, may be replaced again while their predecessors are still leaving.
MOST_SPARE = 16


class Supervisor:
    """Runs the gate on these sockets until it is stopped; ``ready`` is called once, when visitors are served.

    ``account`` is the user that the workers become, None to stay this process's. The `WorkerSet` decides which workers
    there should be; this class carries it out.
    """

    def __init__(
        self,
        configuration: ConfigurationFile,
        listeners: Sequence[Listener],
        account: Account | None,
        ready: Callable[[], None],
    ) -> None:
        self._configuration = configuration
        self._settings = configuration.read().settings
        # What listeners and workers were made for.
        self._made_for = self._settings
        self._listeners = tuple(listeners)
        self._account = account
        self._ready = ready
        self._count = _count(self._settings)
        # Twice as many rows, because old and new workers overlap.
        slots = 2 * max(self._count, min(cores(), MOST_SPARE))
        self._ledger = Ledger(slots, 2 * max(self._count, cores(), MOST_WORKERS))
        self._worker_set = WorkerSet(self._count, slots=slots)
        self._notifier = SystemdNotifier()
        self._selector = selectors.DefaultSelector()
        self._upgrade = Upgrade(self._selector, self._ledger)
        self._children: dict[int, WorkerProcess] = {}
        self._left: deque[str] = deque(maxlen=MOST_WORKERS)  # folders of dead workers, for their successors to remove
        self._signals = SignalQueue(_SIGNALS)
        self._files: PrivilegedFiles | None = None  # for workers that gave up root; others watch the files themselves

    def run(self) -> None:
        """Run until stopped; GatekeeperError if it ends for another reason."""
        self._ledger.started = time.time()
        self._ledger.own.set(Cell.PID, os.getpid())
        worker_set = self._worker_set
        with self._selector, self._signals.listening(self._selector):
            if self._account is not None:
                self._files = PrivilegedFiles(self._configuration, self._settings)
            preload(self._settings, everything=self._account is not None)
            watch_imports()
            gc.collect()
            gc.freeze()  # so that no collection writes to memory that is shared with the workers
            try:
                self._fill()
                while not worker_set.over:
                    self._run_once()
            finally:
                for child in self._children.values():
                    kill(child.pid)
        if worker_set.error is not None:
            raise worker_set.error

    def _run_once(self) -> None:
        for key, _ in self._selector.select(self._poll_timeout()):
            if isinstance(key.data, WorkerProcess):
                self._read_messages(key.data)
        for number in self._signals.take():
            self._on_signal(number)
        if not self._worker_set.stopping and self._upgrade.has_taken_over(time.monotonic()):
            self._hand_over()
        self._reap()
        heartbeats = {child.pid: child.row.time(Cell.BEAT) for child in self._children.values()}
        self._worker_set.check(time.monotonic(), heartbeats, self._settings.timeouts.hang)
        if self._files is not None and self._files.changed(time.monotonic()):
            self._worker_set.reload()
        self._fill()
        if self._notifier.watchdog_seconds is not None:
            self._notifier.send("WATCHDOG=1")

    def _poll_timeout(self) -> float:
        tick = min(
            POLL_SECONDS if self._files else TICK_SECONDS,
            self._settings.timeouts.hang / 4,
            (self._notifier.watchdog_seconds or 60.0) / 3,
        )
        pause = self._worker_set.next_fill() - time.monotonic()
        return min(tick, pause) if pause > 0 else tick

    # -- signals

    def _on_signal(self, number: int) -> None:
        if number in (signal.SIGTERM, signal.SIGINT):
            self._upgrade.cancel()
            self._worker_set.stop(time.monotonic())
        elif number == signal.SIGHUP:
            self._worker_set.reload()
        elif number == signal.SIGUSR1:
            self._worker_set.reopen()
        elif number == signal.SIGUSR2 and not self._worker_set.stopping:
            self._upgrade.begin(self._listeners, time.monotonic())

    def _hand_over(self) -> None:
        # The sender of these is still the main process, as systemd's NotifyAccess=main asks for.
        self._notifier.send(f"MAINPID={self._upgrade.successor_pid}", "READY=1")
        self._worker_set.stop(time.monotonic(), successor=True)

    # -- doing what the worker_set decides

    def _fill(self) -> None:
        self._worker_set.fill(time.monotonic())
        reloading: list[socket.socket] = []
        for action in self._worker_set.actions():
            match action:
                case Start():
                    self._start()
                case Send(pid, Command.RELOAD) if pid in self._children:
                    reloading.append(self._children[pid].channel)
                case Send(pid, command) if pid in self._children:
                    with suppress(OSError):
                        self._children[pid].channel.send(command.value)
                case Kill(pid) if pid in self._children:
                    kill(pid)
                case Event():
                    self._announce(action)
        if reloading:
            self._order_reload(reloading)

    def _order_reload(self, channels: Iterable[socket.socket]) -> None:
        sealed: SealedFiles = {}
        if self._files is not None:
            with self._signals.held():
                sealed = self._files.seal()
        for channel in channels:
            with suppress(OSError):
                send(sealed, channel, Command.FILES.value)
                channel.send(Command.RELOAD.value)
        close(sealed)

    def _announce(self, event: Event) -> None:
        match event:
            case Event.READY:
                self._ready()
                self._notifier.send("READY=1")
            case Event.RELOADING:
                self._notifier.send(
                    "RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}"
                )
            case Event.RELOADED:
                self._notifier.send("READY=1")
            case Event.REPLACED:
                self._ledger.restarted()
            case Event.STOPPING:
                self._ledger.stop()
                if self._upgrade.successor_pid is None:
                    self._notifier.send("STOPPING=1")
                # Workers have their own descriptors of the same sockets; the port closes with the last of them.
                close_listeners(one for one in self._listeners if one.role is not Role.ADMIN)

    def _start(self) -> None:
        row = next(row for row in self._ledger.rows if not row.count(Cell.PID))
        folder = new_folder_name()
        ours, theirs = socket.socketpair()
        now = time.monotonic()
        # Before the fork: the worker may serve, and say so in its row, before this process runs again.
        row.begin(0, now, time.time())
        # Until the child has put its own handlers in place, no signal may run the ones it inherits.
        self._signals.hold()
        try:
            pid = os.fork()
            if pid == 0:
                self._work(row, ours, theirs, folder)
        except OSError as error:
            ours.close()
            failure = f"it cannot be forked: {(error.strerror or str(error)).lower()}"
            self._worker_set.start_failed(Exit("", failure, transient=True), time.monotonic())
            return
        finally:
            self._signals.release()
            theirs.close()
        ours.setblocking(False)
        row.set(Cell.PID, pid)
        child = self._children[pid] = WorkerProcess(pid, row, ours, folder)
        self._selector.register(ours, selectors.EVENT_READ, child)
        self._worker_set.started(pid, now)

    def _work(self, row: Metrics, ours: socket.socket, line: socket.socket, folder: str) -> NoReturn:
        """Run a worker in the child process."""

        def prepare() -> WorkerContext:
            self._signals.forget()
            row.set(Cell.PID, os.getpid())
            # An end that stayed open here would keep the other workers from noticing that the supervisor is gone.
            for end in (ours, *(child.channel for child in self._children.values())):
                end.close()
            self._upgrade.close_in_child()
            admin = sockets_of(self._listeners, Role.ADMIN)
            return WorkerContext(
                configuration=self._configuration,
                visitors=sockets_of(self._listeners, Role.VISITORS),
                redirect=sockets_of(self._listeners, Role.REDIRECT),
                admin=admin[0] if admin else None,
                ledger=self._ledger,
                metrics=row,
                channel=line,
                account=self._account,
                shared=self._count > 1,
                folder=folder,
                left=tuple(self._left),
            )

        work(line, prepare)

    # -- what workers say

    def _read_messages(self, child: WorkerProcess) -> None:
        messages = child.messages()
        if messages is None:
            self._selector.unregister(child.channel)
            return
        for message in messages:
            self._on_message(child, message)

    def _on_message(self, child: WorkerProcess, message: dict[str, object]) -> None:
        worker_set, now = self._worker_set, time.monotonic()
        if message.get("ready"):
            worker_set.serves(child.pid, now)
        elif message.get("retiring"):
            worker_set.asked_to_retire(child.pid)
        elif isinstance(seconds := message.get("leaving"), int | float):
            worker_set.leaves(child.pid, seconds, now)
        elif "reloaded" in message:
            worker_set.reloaded(child.pid)
            if message["reloaded"]:
                self._reconfigure()

    # -- a reload that changed what workers cannot change

    def _reconfigure(self) -> None:
        """Open and close listeners and replace the workers, if the new configuration requires it."""
        try:
            with self._signals.held():
                settings = self._configuration.read().settings
        except GatekeeperError:  # it was changed again meanwhile, and the next reload says what is wrong
            return
        before, self._settings = self._made_for, settings
        if self._worker_set.stopping:
            return
        if not needing_new_workers(before, settings):
            self._ledger.own.set(Cell.RELOAD_FAILED, 0)
            return
        try:
            listeners = open_listeners(settings, self._listeners)
        except StartError as error:
            self._ledger.own.set(Cell.RELOAD_FAILED, 1)
            _log.error("the listeners stay as they were: %s", error)
            return
        self._ledger.own.set(Cell.RELOAD_FAILED, 0)
        self._made_for = settings
        old, self._listeners = self._listeners, listeners
        for one in listeners:
            if one not in old:
                _log.info("%s", shown_listener(one))
        close_listeners(one for one in old if one not in listeners)
        logging.root.setLevel(settings.log.level.upper())
        self._count = min(_count(settings), self._ledger.most // 2)
        self._ledger.grow(2 * self._count)
        if self._count < _count(settings):
            _log.warning("server.workers: %d until the next start or upgrade, the most for a reload", self._count)
        self._worker_set.replace_all(self._count)

    # -- the ends of workers

    def _reap(self) -> None:
        if os.getpid() == 1:
            reap_orphans(self._children)
        for child in list(self._children.values()):
            try:
                pid, status = os.waitpid(child.pid, os.WNOHANG)
            except ChildProcessError:
                pid, status = child.pid, 0
            if pid:
                self._ended(child, os.waitstatus_to_exitcode(status))

    def _ended(self, child: WorkerProcess, code: int) -> None:
        if child.channel.fileno() in self._selector.get_map():
            self._read_messages(child)
        if child.channel.fileno() in self._selector.get_map():
            self._selector.unregister(child.channel)
        child.channel.close()
        del self._children[child.pid]
        child.row.end()
        self._left.append(child.folder)
        self._worker_set.ended(child.pid, child.exited(code), time.monotonic())


def _count(settings: "Settings") -> int:
    workers = settings.server.workers
    return cores() if workers == "auto" else workers
