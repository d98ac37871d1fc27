"""The first process: it opens the ports, starts workers by fork, watches them, replaces them, and ends them.

It has no event loop and no threads, because it forks for as long as it lives: a fork copies the one thread that calls
it, and every lock that another thread holds stays locked in the child. Fork and not spawn, because a replacement is
there in a tenth of the time, shares the memory of all that was imported, and is the same program even if the package on
disk was changed meanwhile.

There is always a supervisor, with a single worker too: that one can crash or hang as well, and as process 1 of a
container the supervisor takes care of children that are not its own. It costs about 10 MiB that are not shared.

Started as root with ``server.user``, it stays root, as nginx's master does: workers read their files as root and then
become that user. Since those could not read a key again, it watches the files for them and sends sealed copies
to reload from.
"""

import gc
import json
import logging
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from gatekeeper.config import Configuration, load
from gatekeeper.errors import ConfigurationError, GatekeeperError
from gatekeeper.process.privileges import Account
from gatekeeper.process.reload import POLL_SECONDS
from gatekeeper.process.sd_notify import Notice
from gatekeeper.process.sealed_files import SealedFiles, close, seal, send
from gatekeeper.process.watch import Watch
from gatekeeper.process.worker import WorkerContext, run_worker
from gatekeeper.process.workers import TICK_SECONDS, Command, End, Event, Kill, Start, Tell, WorkerSet
from gatekeeper.settings.files import files_of
from gatekeeper.telemetry.metrics import Cell, Ledger, Metrics

_log = logging.getLogger("gatekeeper")

FAILED, WRONG_CONFIGURATION = 1, 2
_NOTED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD)


@dataclass(slots=True, eq=False)
class _Child:
    """A worker's process: its row in the ledger, and its line, with what was heard of the next word."""

    pid: int
    row: Metrics
    channel: socket.socket
    heard: bytes = b""
    failure: str = ""
    code: int = FAILED


class Supervisor:
    """Runs the gate on these sockets until it is told to stop; ``ready`` is called once, when visitors are answered.

    ``account`` is whom the workers become, if this process is root and they should not be. Which workers there are to
    be is decided by the `WorkerSet`; here it is done.
    """

    def __init__(
        self,
        configuration: Configuration,
        visitors: Sequence[socket.socket],
        admin: socket.socket | None,
        account: Account | None,
        ready: Callable[[], None],
    ) -> None:
        self._path = configuration.source.path
        self._settings = configuration.settings
        self._visitors = visitors
        self._admin = admin
        self._account = account
        self._ready = ready
        workers = self._settings.server.workers
        self._count = cores() if workers == "auto" else workers
        # Twice as many rows, because old and new workers overlap.
        self._ledger = Ledger(2 * self._count)
        self._worker_set = WorkerSet(self._count, slots=2 * self._count)
        self._notice = Notice()
        self._selector = selectors.DefaultSelector()
        self._children: dict[int, _Child] = {}
        self._noted: list[int] = []
        # Where the workers gave up root; else they watch the files themselves.
        self._watch: Watch | None = None
        self._last_check = 0.0

    def run(self) -> None:
        """Run until stopped; GatekeeperError if it ends for another reason."""
        self._ledger.started = time.time()
        worker_set = self._worker_set
        with self._noting_signals():
            if self._account is not None:
                self._watch = Watch((self._path, *files_of(self._settings)))
            gc.collect()
            gc.freeze()  # so that no collection writes to memory that is shared with the workers
            try:
                self._fill()
                while not worker_set.over:
                    self._turn()
            finally:
                for child in self._children.values():
                    _kill(child.pid)
        if worker_set.error is not None:
            raise worker_set.error

    def _turn(self) -> None:
        for key, _ in self._selector.select(self._patience()):
            if isinstance(key.data, _Child):
                self._hear(key.data)
            else:
                with suppress(BlockingIOError):
                    self._woken.recv(4096)
        noted, self._noted = self._noted, []
        for number in noted:
            self._on_signal(number)
        self._reap()
        heartbeats = {child.pid: child.row.time(Cell.BEAT) for child in self._children.values()}
        self._worker_set.check(time.monotonic(), heartbeats, self._settings.timeouts.hang)
        self._look_at_files()
        self._fill()
        if self._notice.watchdog_seconds is not None:
            self._notice.send("WATCHDOG=1")

    def _patience(self) -> float:
        tick = min(
            POLL_SECONDS if self._watch else TICK_SECONDS,
            self._settings.timeouts.hang / 4,
            (self._notice.watchdog_seconds or 60.0) / 3,
        )
        pause = self._worker_set.next_fill() - time.monotonic()
        return min(tick, pause) if pause > 0 else tick

    def _look_at_files(self) -> None:
        now = time.monotonic()
        if self._watch is None or now - self._last_check < POLL_SECONDS:
            return
        self._last_check = now
        if self._watch.changed():
            self._worker_set.reload()

    # -- signals: the handlers only note

    @contextmanager
    def _noting_signals(self) -> Iterator[None]:
        self._woken, wakes = socket.socketpair()
        self._wakes = wakes
        self._woken.setblocking(False)
        wakes.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ)
        before = {number: signal.signal(number, lambda number, _: self._noted.append(number)) for number in _NOTED}
        woken_before = signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _NOTED)  # what came while the gate was loading comes now
        try:
            yield
        finally:
            signal.set_wakeup_fd(woken_before)
            for number, handler in before.items():
                signal.signal(number, handler)
            self._selector.close()
            self._woken.close()
            wakes.close()

    def _on_signal(self, number: int) -> None:
        if number in (signal.SIGTERM, signal.SIGINT):
            self._worker_set.stop(time.monotonic())
        elif number == signal.SIGHUP:
            self._worker_set.reload()
        elif number == signal.SIGUSR1:
            self._worker_set.reopen()

    # -- doing what the worker_set decides

    def _fill(self) -> None:
        self._worker_set.fill(time.monotonic())
        reloading: list[socket.socket] = []
        for action in self._worker_set.actions():
            match action:
                case Start():
                    self._start()
                case Tell(pid, Command.RELOAD) if pid in self._children:
                    reloading.append(self._children[pid].channel)
                case Tell(pid, command) if pid in self._children:
                    with suppress(OSError):
                        self._children[pid].channel.send(command.value)
                case Kill(pid) if pid in self._children:
                    _kill(pid)
                case Event():
                    self._announce(action)
        if reloading:
            self._have_reloaded(reloading)

    def _have_reloaded(self, lines: Iterable[socket.socket]) -> None:
        sealed = self._seal_files()
        for line in lines:
            with suppress(OSError):
                send(sealed, line, Command.FILES.value)
                line.send(Command.RELOAD.value)
        close(sealed)

    def _seal_files(self) -> SealedFiles:
        """Of all that the configuration names, for workers that may be unable to read it."""
        if self._watch is None:
            return {}
        with suppress(GatekeeperError):  # what is wrong is said by the workers
            self._settings = load(self._path).settings
        files = (self._path, *files_of(self._settings))
        self._watch.loading(*files)
        return seal(files)

    def _announce(self, event: Event) -> None:
        match event:
            case Event.READY:
                self._ready()
                self._notice.send("READY=1")
            case Event.RELOADING:
                self._notice.send(
                    "RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}"
                )
            case Event.RELOADED:
                self._notice.send("READY=1")
            case Event.REPLACED:
                self._ledger.restarted()
            case Event.STOPPING:
                self._ledger.stop()
                self._notice.send("STOPPING=1")
                # Workers have their own descriptors of the same sockets; the port closes with the last of them.
                for listener in self._visitors:
                    listener.close()

    def _start(self) -> None:
        row = next(row for row in self._ledger.rows if not row.count(Cell.PID))
        ours, theirs = socket.socketpair()
        # Until the child has put its own handlers in place, no signal may run the ones it inherits.
        signal.pthread_sigmask(signal.SIG_BLOCK, _NOTED)
        try:
            pid = os.fork()
            if pid == 0:
                self._work(row, ours, theirs)
        except OSError as error:
            ours.close()
            end = End("", f"a worker cannot be started: {(error.strerror or str(error)).lower()}")
            self._worker_set.not_started(end, time.monotonic())
            return
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _NOTED)
            theirs.close()
        ours.setblocking(False)
        now = time.monotonic()
        row.begin(pid, now, time.time())
        child = self._children[pid] = _Child(pid, row, ours)
        self._selector.register(ours, selectors.EVENT_READ, child)
        self._worker_set.started(pid, now)

    def _work(self, row: Metrics, ours: socket.socket, line: socket.socket) -> None:
        """The child's life; it never returns."""
        code = FAILED
        try:
            signal.set_wakeup_fd(-1)
            for number in _NOTED:
                signal.signal(number, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _NOTED)
            # An end that stayed open here would keep the other workers from noticing that the supervisor is gone.
            for end in (ours, self._woken, self._wakes, *(child.channel for child in self._children.values())):
                end.close()
            shared = self._count > 1
            run_worker(
                self._path, WorkerContext(self._visitors, self._admin, self._ledger, row, line, self._account, shared)
            )
            code = 0
        except GatekeeperError as error:
            code = WRONG_CONFIGURATION if isinstance(error, ConfigurationError) else FAILED
            line.send(json.dumps({"failed": str(error), "code": code}).encode() + b"\n")
        except BaseException as error:
            _log.error("a worker ends by a mistake of its own", exc_info=error)
        finally:
            os._exit(code)

    # -- what workers say

    def _hear(self, child: _Child) -> None:
        try:
            heard = child.channel.recv(65536)
        except OSError:
            heard = b""
        if not heard:
            self._selector.unregister(child.channel)
            return
        *lines, child.heard = (child.heard + heard).split(b"\n")
        for line in lines:
            try:
                said = json.loads(line)
            except ValueError:
                continue
            if isinstance(said, dict):
                self._take(child, said)

    def _take(self, child: _Child, said: dict[str, object]) -> None:
        worker_set, now = self._worker_set, time.monotonic()
        if said.get("ready"):
            worker_set.serves(child.pid, now)
        elif said.get("retiring"):
            worker_set.asked_to_retire(child.pid)
        elif isinstance(seconds := said.get("leaving"), int | float):
            worker_set.leaves(child.pid, seconds, now)
        elif "reloaded" in said:
            worker_set.reloaded(child.pid)
        elif "failed" in said:
            child.failure = str(said["failed"])
            child.code = WRONG_CONFIGURATION if said.get("code") == WRONG_CONFIGURATION else FAILED

    # -- the ends of workers

    def _reap(self) -> None:
        if os.getpid() == 1:
            self._reap_everybody()
        for child in list(self._children.values()):
            try:
                pid, status = os.waitpid(child.pid, os.WNOHANG)
            except ChildProcessError:
                pid, status = child.pid, 0
            if pid:
                self._ended(child, os.waitstatus_to_exitcode(status))

    def _reap_everybody(self) -> None:
        """Process 1 inherits the children of whoever ends before them."""
        while True:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if found is None or found.si_pid in self._children:
                return
            os.waitpid(found.si_pid, 0)

    def _ended(self, child: _Child, code: int) -> None:
        if child.channel.fileno() in self._selector.get_map():
            self._hear(child)
        if child.channel.fileno() in self._selector.get_map():
            self._selector.unregister(child.channel)
        child.channel.close()
        del self._children[child.pid]
        child.row.end()
        end = End(_how(code), child.failure, child.code == WRONG_CONFIGURATION)
        self._worker_set.ended(child.pid, end, time.monotonic())


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _how(code: int) -> str:
    """How a process ended, in words."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"
