"""The first process: it opens the ports, starts workers by fork, watches them, replaces them, and ends them.

It has no event loop and no threads, because it forks for as long as it lives: a fork copies the one thread that calls
it, and every lock that another thread holds stays locked in the child. Fork and not spawn, because a replacement is
there in a tenth of the time, shares the memory of all that was imported, and is the same program even if the package on
disk was changed meanwhile.

There is always a supervisor, with a single worker too: that one can crash or hang as well, and as process 1 of a
container the supervisor takes care of children that are not its own. It costs about 10 MiB that are not shared.

Started as root with ``server.user``, it stays root, as nginx's master does: workers read their files as root and then
become that user. Since those could not read a key again, a reload then starts new workers and ends the old ones.
"""

import gc
import json
import logging
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path

from gatekeeper.config import Configuration, load
from gatekeeper.errors import ConfigurationError, GatekeeperError, Mistake, StartError
from gatekeeper.metrics import Cell, Ledger, Metrics
from gatekeeper.privileges import Account
from gatekeeper.systemd import Notice
from gatekeeper.watched import files_of, marks
from gatekeeper.worker import Order, Post, run_worker

_log = logging.getLogger("gatekeeper")

# Reading a large CRL takes seconds, a hang forever.
START_SECONDS = 60.0
# A worker that ends as it should may take this much longer than it said.
GRACE_SECONDS = 5.0
# After the order to end at once.
CUT_SECONDS = 2.0
# A worker that lived shorter than this ended "quickly". After a few in a row there is a pause before the next, which
# doubles; after many, the gate gives up.
QUICK_SECONDS = 1.0
QUICK_FREE, QUICK_MOST = 3, 7
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
TICK_SECONDS = 0.5

FAILED, WRONG_CONFIGURATION = 1, 2
_NOTED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD)


class Life(Enum):
    """Where a worker stands, as the supervisor sees it."""

    STARTING = auto()
    SERVING = auto()
    LEAVING = auto()


@dataclass(slots=True, eq=False)
class _Child:
    """A worker. Times are of the monotonic clock; ``deadline`` is when it is killed."""

    pid: int
    row: Metrics
    line: socket.socket
    generation: int
    since: float
    deadline: float
    life: Life = Life.STARTING
    heard: bytes = b""
    code: int = FAILED
    failure: str = ""


@dataclass(slots=True)
class _Stop:
    """The gate is ending. ``error`` says why, if nobody asked for it."""

    error: GatekeeperError | None = None
    at_once: bool = False


@dataclass(slots=True)
class _Files:
    """What the gate's files were when the workers read them, and at the last look."""

    watched: frozenset[Path] = frozenset()
    loaded: dict[Path, object] = field(default_factory=dict)
    seen: dict[Path, object] = field(default_factory=dict)


class Supervisor:
    """Runs the gate on these sockets until it is told to stop; ``ready`` is called once, when visitors are answered.

    ``account`` is whom the workers become, if this process is root and they should not be.
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
        self._ready: Callable[[], None] | None = ready
        workers = self._settings.server.workers
        self._count = cores() if workers == "auto" else workers
        # Twice as many rows, because at a reload of the second kind old and new workers overlap.
        self._ledger = Ledger(2 * self._count)
        self._notice = Notice()
        self._selector = selectors.DefaultSelector()
        self._children: dict[int, _Child] = {}
        self._generation = 0
        self._next: int | None = None
        self._due: list[float] = []
        self._quick = 0
        self._noted: list[int] = []
        self._stop: _Stop | None = None
        self._reloading: set[int] = set()
        self._files = _Files()
        self._looked = time.monotonic()
        self._patient_until = 0.0

    def run(self) -> None:
        """Run until stopped; GatekeeperError if it ends for another reason."""
        self._ledger.started = time.time()
        with self._noting_signals():
            self._note_files()
            gc.collect()
            gc.freeze()  # so that no collection writes to memory that is shared with the workers
            try:
                for _ in range(self._count):
                    self._start(self._generation)
                while self._children or (self._stop is None and self._due):
                    self._turn()
            finally:
                for child in self._children.values():
                    with suppress(ProcessLookupError):
                        os.kill(child.pid, signal.SIGKILL)
        if self._stop is not None and self._stop.error is not None:
            raise self._stop.error

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
        self._watch()
        self._replace()
        if self._notice.watchdog_seconds is not None:
            self._notice.send("WATCHDOG=1")

    def _patience(self) -> float:
        tick = min(TICK_SECONDS, self._settings.timeouts.hang / 4, (self._notice.watchdog_seconds or 60.0) / 3)
        first = min(self._due, default=float("inf")) - time.monotonic()
        return max(0.0, min(tick, first))

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
            self._end(_Stop(at_once=self._stop is not None))
        elif number == signal.SIGHUP and self._stop is None:
            self._reload()
        elif number == signal.SIGUSR1:
            self._order(Order.REOPEN)

    # -- starting a worker

    def _start(self, generation: int) -> None:
        row = next(row for row in self._ledger.rows if not row.count(Cell.PID))
        ours, theirs = socket.socketpair()
        # Until the child has put its own handlers in place, no signal may run the ones it inherits.
        signal.pthread_sigmask(signal.SIG_BLOCK, _NOTED)
        try:
            pid = os.fork()
            if pid == 0:
                self._work(row, ours, theirs)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _NOTED)
        theirs.close()
        ours.setblocking(False)
        now = time.monotonic()
        row.begin(pid, now, time.time())
        child = _Child(pid, row, ours, generation, now, now + START_SECONDS)
        self._children[pid] = child
        self._selector.register(ours, selectors.EVENT_READ, child)

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
            for end in (ours, self._woken, self._wakes, *(child.line for child in self._children.values())):
                end.close()
            post = Post(self._visitors, self._admin, self._ledger, row, line, self._account, shared=self._shared)
            run_worker(self._path, post)
            code = 0
        except GatekeeperError as error:
            code = WRONG_CONFIGURATION if isinstance(error, ConfigurationError) else FAILED
            line.send(json.dumps({"failed": str(error), "code": code}).encode() + b"\n")
        except BaseException as error:
            _log.error("a worker ends by a mistake of its own", exc_info=error)
        finally:
            os._exit(code)

    @property
    def _shared(self) -> bool:
        return self._count > 1 or self._next is not None

    # -- what workers say

    def _hear(self, child: _Child) -> None:
        try:
            heard = child.line.recv(65536)
        except OSError:
            heard = b""
        if not heard:
            self._selector.unregister(child.line)
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
        if said.get("ready") and child.life is Life.STARTING:
            child.life, child.since, child.deadline = Life.SERVING, time.monotonic(), float("inf")
            self._became_ready()
        elif isinstance(seconds := said.get("leaving"), int | float):
            child.life = Life.LEAVING
            child.deadline = time.monotonic() + seconds + GRACE_SECONDS
            if self._stop is None and child.generation == self._generation:
                self._due.append(0.0)  # ended by hand: its successor starts while it drains
        elif "reloaded" in said:
            self._answered_reload(child.pid)
        elif "failed" in said:
            child.failure = str(said["failed"])
            child.code = WRONG_CONFIGURATION if said.get("code") == WRONG_CONFIGURATION else FAILED

    def _became_ready(self) -> None:
        awaited = self._generation if self._next is None else self._next
        serving = [one for one in self._children.values() if one.generation == awaited and one.life is Life.SERVING]
        if len(serving) < self._count:
            return
        if self._next is not None:
            self._swap()
        elif self._ready is not None:
            self._ready()
            self._ready = None
            self._notice.send("READY=1")

    def _order(self, order: Order) -> None:
        """Tell everybody. Who is not listening yet hears it then: it may have read the old file, or opened it."""
        for child in self._children.values():
            self._tell(child, order)

    def _tell(self, child: _Child, order: Order) -> None:
        with suppress(OSError):
            child.line.send(order.value)

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
        if child.line.fileno() in self._selector.get_map():
            self._hear(child)
        if child.line.fileno() in self._selector.get_map():
            self._selector.unregister(child.line)
        child.line.close()
        del self._children[child.pid]
        child.row.end()
        self._answered_reload(child.pid)
        if self._stop is not None or child.life is Life.LEAVING:
            return
        if child.life is Life.STARTING:
            self._did_not_start(child, code)
        else:
            self._crashed(child, code)

    def _did_not_start(self, child: _Child, code: int) -> None:
        failure = child.failure or f"a worker {_how(code)} before it was ready"
        if child.generation == self._next:
            self._give_up_swap(failure)
            return
        if not any(one.life is Life.SERVING for one in self._children.values()):
            wrong = child.code == WRONG_CONFIGURATION
            self._end(_Stop(ConfigurationError(Mistake("", failure)) if wrong else StartError(failure)))
            return
        for line in failure.splitlines():
            _log.error("a worker cannot start: %s", line)
        self._quick = max(self._quick, QUICK_FREE) + 1
        self._schedule()

    def _crashed(self, child: _Child, code: int) -> None:
        lived = time.monotonic() - child.since
        self._quick = self._quick + 1 if lived < QUICK_SECONDS else 0
        if child.generation != self._generation:
            self._give_up_swap(f"a new worker {_how(code)}")
            return
        if self._quick > QUICK_MOST:
            what = f"workers keep ending right after their start; the last one {_how(code)}"
            self._end(_Stop(StartError(f"{what}; the gate gives up")))
            return
        _log.error("worker %d %s; it is replaced", child.pid, _how(code))
        self._ledger.restarted()
        self._schedule()

    def _schedule(self) -> None:
        times = self._quick - QUICK_FREE
        pause = min(FIRST_PAUSE * 2.0 ** min(times, 16), LONGEST_PAUSE) if times > 0 else 0.0
        self._due.append(time.monotonic() + pause)

    def _replace(self) -> None:
        if self._stop is not None:
            self._due.clear()
            return
        now = time.monotonic()
        for due in [one for one in self._due if one <= now]:
            if all(row.count(Cell.PID) for row in self._ledger.rows):
                return  # too many are still draining
            self._due.remove(due)
            self._start(self._generation)

    def _watch(self) -> None:
        """Kill whoever hangs, or does not end. Those that are stopped together with the supervisor are not to blame."""
        now, hang = time.monotonic(), self._settings.timeouts.hang
        if now - self._looked > max(hang / 2, 2 * TICK_SECONDS):
            self._patient_until = now + hang
        self._looked = now
        for child in self._children.values():
            silent = child.life is not Life.STARTING and now - child.row.time(Cell.BEAT) > hang
            if silent and now > self._patient_until:
                _log.error("worker %d has not reacted for %g s; it is ended", child.pid, hang)
            elif now > child.deadline:
                if child.life is Life.STARTING:
                    child.failure = f"a worker was not ready within {START_SECONDS:g} s"
            else:
                continue
            child.deadline = now + GRACE_SECONDS
            child.row.beat(now)
            os.kill(child.pid, signal.SIGKILL)
        if self._account is not None and self._stop is None and self._changed():
            self._reload()

    # -- stopping

    def _end(self, stop: _Stop) -> None:
        """Stop: in order the first time, at once the second."""
        first, self._stop = self._stop is None, stop if self._stop is None else self._stop
        self._ledger.stop()
        self._notice.send("STOPPING=1")
        if first:
            # Workers have their own descriptors of the same sockets; the port closes with the last of them.
            for listener in self._visitors:
                listener.close()
        for child in self._children.values():
            if child.life is Life.STARTING:
                os.kill(child.pid, signal.SIGKILL)
            else:
                self._tell(child, Order.CUT if stop.at_once else Order.STOP)
                if stop.at_once:
                    child.deadline = time.monotonic() + CUT_SECONDS

    # -- reload

    def _reload(self) -> None:
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._notice.send("RELOADING=1", f"MONOTONIC_USEC={now}")
        if self._account is None:
            self._reloading = {child.pid for child in self._children.values() if child.life is not Life.LEAVING}
            self._order(Order.RELOAD)
            return
        self._note_files()
        free = sum(not row.count(Cell.PID) for row in self._ledger.rows)
        if self._next is not None or free < self._count:
            _log.warning("not reloaded: the workers of the last reload are still draining")
            self._ledger.own.set(Cell.RELOAD_FAILED, 1)
            return
        self._next = self._generation + 1
        for _ in range(self._count):
            self._start(self._next)

    def _answered_reload(self, pid: int) -> None:
        if pid in self._reloading:
            self._reloading.discard(pid)
            if not self._reloading:
                self._notice.send("READY=1")

    def _swap(self) -> None:
        """The new workers are in service: the old ones finish what they have."""
        if self._next is not None:
            self._generation, self._next = self._next, None
        self._ledger.own.set(Cell.RELOAD_FAILED, 0)
        self._ledger.own.set_time(Cell.RELOADED, time.time())
        for child in self._children.values():
            if child.generation != self._generation:
                self._tell(child, Order.RETIRE)
        _log.info("reloaded %s, with new workers", self._path)
        self._notice.send("READY=1")

    def _give_up_swap(self, failure: str) -> None:
        """A new worker cannot start: the old ones go on."""
        if self._next is None:
            return
        for line in failure.splitlines():
            _log.error("not reloaded, the old state stays: %s", line)
        for child in self._children.values():
            if child.generation == self._next:
                child.life = Life.LEAVING
                os.kill(child.pid, signal.SIGKILL)
        self._next = None
        self._ledger.own.set(Cell.RELOAD_FAILED, 1)
        self._ledger.own.set_time(Cell.RELOADED, time.time())
        self._notice.send("READY=1")

    def _note_files(self) -> None:
        """Remember what the files are, before they are read."""
        if self._account is None:
            return  # the workers watch them
        with suppress(GatekeeperError):
            self._settings = load(self._path).settings
        self._files.watched = frozenset({self._path, *files_of(self._settings)})
        self._files.loaded = self._files.seen = dict(marks(self._files.watched))

    def _changed(self) -> bool:
        """Whether a file is other than it was read, and at rest: a certificate and its key come one by one."""
        now: dict[Path, object] = dict(marks(self._files.watched))
        at_rest, self._files.seen = now == self._files.seen, now
        return at_rest and now != self._files.loaded


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _how(code: int) -> str:
    """How a process ended, in words."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"
