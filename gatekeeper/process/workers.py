"""The supervisor's decisions about its workers: which exist, which should exist, and what to do about it.

Takes events, returns actions: no process, no socket, no clock. ``now`` is seconds of the monotonic clock.
"""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto

from gatekeeper.errors import ConfigurationError, GatekeeperError, Mistake, StartError

_log = logging.getLogger("gatekeeper")

# Reading a large CRL takes seconds, a hang forever.
START_SECONDS = 60.0
# A worker that ends as it should may take this much longer than it said.
GRACE_SECONDS = 5.0
# After the command to end at once.
CUT_SECONDS = 2.0
# A worker that lived shorter than this ended "quickly". After a few in a row there is a pause before the next, which
# doubles; after many, the gate gives up.
QUICK_SECONDS = 1.0
QUICK_FREE, QUICK_MOST = 3, 7
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
# Looks are this far apart at most, or the process as a whole was stopped for a while.
TICK_SECONDS = 0.5


class Command(Enum):
    """Commands to a worker, each a byte."""

    STOP = b"s"  # the gate stops: no other worker accepts afterwards
    RETIRE = b"r"  # other workers accept: finish the exchanges under way
    CUT = b"c"  # end at once
    FILES = b"f"  # comes with sealed copies of files, for the next reload
    RELOAD = b"h"
    REOPEN = b"l"


@dataclass(frozen=True, slots=True)
class Start:
    """Start a worker."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send a command to a worker."""

    pid: int
    command: Command


@dataclass(frozen=True, slots=True)
class Kill:
    """Kill a worker that does not respond."""

    pid: int


class Event(Enum):
    """Events for the supervisor to announce."""

    READY = auto()  # visitors are answered, for the first time
    RELOADING = auto()
    RELOADED = auto()  # every worker has answered; each says for itself how it went
    REPLACED = auto()  # a worker had ended by itself
    STOPPING = auto()


Action = Start | Send | Kill | Event


class WorkerState(Enum):
    """The state of a worker."""

    STARTING = auto()
    SERVING = auto()
    LEAVING = auto()


@dataclass(slots=True, eq=False)
class Worker:
    """A worker. It is killed at ``deadline``; a ``retiring`` one exits once its replacement serves. The kernel may take
    a while to end one that was ``killed``.
    """

    pid: int
    since: float
    deadline: float
    state: WorkerState = WorkerState.STARTING
    retiring: bool = False
    killed: bool = False


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process ended: in words, with the error that it reported, if any.

    ``transient`` says that the next one may succeed: this one was killed by a signal, or could not be forked.
    """

    how: str
    failure: str = ""
    wrong_configuration: bool = False
    transient: bool = False


class WorkerSet:
    """Keeps ``count`` workers serving; at most ``slots``, or twice as many, exist at a time, including those that are
    leaving.

    After each event the caller carries out `actions`. When no worker is left after `stop`, ``error`` is the reason,
    None if the stop was requested.
    """

    def __init__(self, count: int, *, slots: int) -> None:
        self._count = count
        self._slots = slots
        self._workers: dict[int, Worker] = {}
        self._actions: list[Action] = []
        self._reloading: set[int] = set()
        self._ready = False
        self._quick = 0
        self._not_before = 0.0
        self._last_check: float | None = None
        self._patient_until = 0.0
        self.stopping = False
        self.error: GatekeeperError | None = None

    @property
    def over(self) -> bool:
        """Whether the gate has ended."""
        return self.stopping and not self._workers

    def actions(self) -> Iterator[Action]:
        """The actions to carry out now, including those that follow from them."""
        while self._actions:
            yield self._actions.pop(0)

    # -- starting

    def fill(self, now: float) -> None:
        """Start the missing workers."""
        if self.stopping:
            return
        present = sum(one.state is not WorkerState.LEAVING and not one.retiring for one in self._workers.values())
        missing = self._count - present if now >= self._not_before else 0
        self._actions += [Start()] * min(missing, self._free())

    def next_fill(self) -> float:
        """The time at which `fill` must be called, because a pause ends."""
        return self._not_before

    def _free(self) -> int:
        return self._slots - len(self._workers) - sum(isinstance(action, Start) for action in self._actions)

    def started(self, pid: int, now: float) -> None:
        """A worker was started."""
        self._workers[pid] = Worker(pid, now, now + START_SECONDS)

    def start_failed(self, end: Exit, now: float) -> None:
        """A worker ended before it served, or could not be started."""
        failure = end.failure or f"a worker {end.how} before it was ready"
        serving = any(one.state is WorkerState.SERVING for one in self._workers.values())
        if serving or (self._ready and end.transient and self._quick < QUICK_MOST):
            for line in failure.splitlines():
                _log.error("a worker cannot start: %s", line)
            self._quick = max(self._quick, QUICK_FREE if serving else 0) + 1
            self._pause(now)
            # Those that were to be forked with it wait for the pause too.
            self._actions = [action for action in self._actions if not isinstance(action, Start)]
        else:
            wrong = end.wrong_configuration
            self._give_up(ConfigurationError(Mistake("", failure)) if wrong else StartError(failure), now)

    def serves(self, pid: int, now: float) -> None:
        """A worker accepts visitors."""
        worker = self._workers[pid]
        if worker.state is not WorkerState.STARTING:
            return
        worker.state, worker.since, worker.deadline = WorkerState.SERVING, now, float("inf")
        serving = [one for one in self._workers.values() if one.state is WorkerState.SERVING]
        if not self._ready and len(serving) >= self._count:
            self._ready = True
            self._actions.append(Event.READY)
        else:
            self._relieve(serving)

    def _relieve(self, serving: list[Worker]) -> None:
        """Let retiring workers go as soon as enough others serve."""
        for worker in [one for one in serving if one.retiring][: max(0, len(serving) - self._count)]:
            worker.state = WorkerState.LEAVING
            self._actions.append(Send(worker.pid, Command.RETIRE))

    # -- ending

    def asked_to_retire(self, pid: int) -> None:
        """A worker was asked to end; its replacement starts first."""
        self._workers[pid].retiring = True

    def replace_all(self, count: int) -> None:
        """Replace all workers by ``count`` new ones, each old one as soon as a new one serves."""
        self._count = count
        self._slots = max(self._slots, 2 * count)
        for worker in self._workers.values():
            worker.retiring = True

    def leaves(self, pid: int, seconds: float, now: float) -> None:
        """A worker no longer accepts, and needs at most ``seconds`` for its remaining exchanges."""
        worker = self._workers[pid]
        worker.state, worker.deadline = WorkerState.LEAVING, now + seconds + GRACE_SECONDS

    def ended(self, pid: int, end: Exit, now: float) -> None:
        """A worker has ended."""
        worker = self._workers.pop(pid)
        self.reloaded(pid)
        if self.stopping or worker.state is WorkerState.LEAVING:
            return
        if worker.state is WorkerState.STARTING:
            overdue = now - worker.since > START_SECONDS  # killed by `check`
            self.start_failed(replace(end, transient=end.transient and not overdue), now)
        else:
            self._crashed(worker, end, now)

    def _crashed(self, worker: Worker, end: Exit, now: float) -> None:
        self._quick = self._quick + 1 if now - worker.since < QUICK_SECONDS else 0
        if self._quick > QUICK_MOST:
            what = f"workers keep ending right after their start; the last one {end.how}"
            self._give_up(StartError(f"{what}; the gate gives up"), now)
            return
        _log.error("worker %d %s; it is replaced", worker.pid, end.how)
        self._actions.append(Event.REPLACED)
        self._pause(now)

    def _pause(self, now: float) -> None:
        times = self._quick - QUICK_FREE
        self._not_before = now + (min(FIRST_PAUSE * 2.0 ** min(times, 16), LONGEST_PAUSE) if times > 0 else 0.0)

    def check(self, now: float, heartbeats: Mapping[int, float], hang: float) -> None:
        """Kill workers that no longer respond (``heartbeats`` has the time when each last did) or do not end in time.

        After a suspension of the whole process, workers are given time to respond first.
        """
        if self._last_check is not None and now - self._last_check > max(hang / 2, 2 * TICK_SECONDS):
            self._patient_until = now + hang
        self._last_check = now
        for worker in self._workers.values():
            silent = (
                not worker.killed
                and worker.state is not WorkerState.STARTING
                and now - heartbeats[worker.pid] > hang
                and now > self._patient_until
            )
            if now <= worker.deadline and not silent:
                continue
            if worker.state is WorkerState.STARTING and not worker.killed:
                _log.error("worker %d was not ready within %g s; it is killed", worker.pid, START_SECONDS)
            elif silent:
                _log.error("worker %d has not reacted for %g s; it is killed", worker.pid, hang)
            worker.deadline, worker.killed = now + GRACE_SECONDS, True
            self._actions.append(Kill(worker.pid))

    # -- stopping

    def stop(self, now: float, *, successor: bool = False) -> None:
        """Stop: gracefully the first time, at once the second. A ``successor`` accepts on the same sockets."""
        again, self.stopping = self.stopping, True
        if not again:
            self._actions.append(Event.STOPPING)
        for worker in self._workers.values():
            if worker.state is WorkerState.STARTING:
                self._actions.append(Kill(worker.pid))
            elif again:
                self._actions.append(Send(worker.pid, Command.CUT))
                worker.deadline = now + CUT_SECONDS
            else:
                self._actions.append(Send(worker.pid, Command.RETIRE if successor else Command.STOP))

    def _give_up(self, error: GatekeeperError, now: float) -> None:
        self.error = error
        self.stop(now)

    # -- reloading

    def reopen(self) -> None:
        """Have the log files reopened, also by workers that are still starting, which may have opened the old one."""
        self._actions += [Send(pid, Command.REOPEN) for pid in self._workers]

    def reload(self) -> None:
        """Have the configuration reloaded, also by workers that are leaving, since they still have visitors."""
        if self.stopping:
            self._actions += [Send(pid, Command.RELOAD) for pid in self._workers]
            return
        self._reloading = set(self._workers)
        self._actions += [Event.RELOADING, *(Send(pid, Command.RELOAD) for pid in self._workers)]

    def reloaded(self, pid: int) -> None:
        """A worker has finished reloading, or will never do so."""
        if pid in self._reloading:
            self._reloading.discard(pid)
            if not self._reloading:
                self._actions.append(Event.RELOADED)
