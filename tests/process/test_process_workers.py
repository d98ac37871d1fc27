"""Which workers there are: events in, actions out."""

import pytest

from gatekeeper.errors import ConfigurationError, StartError
from gatekeeper.process.workers import (
    CUT_SECONDS,
    FIRST_PAUSE,
    GRACE_SECONDS,
    LONGEST_PAUSE,
    QUICK_FREE,
    QUICK_MOST,
    QUICK_SECONDS,
    START_SECONDS,
    Action,
    Command,
    Event,
    Exit,
    Kill,
    Send,
    Start,
    WorkerSet,
)

KILLED = Exit("was killed by SIGKILL", transient=True)
BROKEN = Exit("ended with exit code 1", "cannot write the log")
UNFORKED = Exit("", "it cannot be forked: cannot allocate memory", transient=True)
HANG = 10.0


class Gate:
    """A worker_set, and the processes that it asks for: they get numbers from 1. ``now`` is where its clock stands."""

    def __init__(self, count: int = 1) -> None:
        self.worker_set = WorkerSet(count, slots=2 * count)
        self.now = 1000.0
        self.last = 0

    def actions(self) -> list[Action]:
        """What is to be done next; who is to be started is started."""
        self.worker_set.fill(self.now)
        done = list(self.worker_set.actions())
        for action in done:
            if isinstance(action, Start):
                self.last += 1
                self.worker_set.started(self.last, self.now)
        return done

    def serve(self, *pids: int) -> list[Action]:
        for pid in pids:
            self.worker_set.serves(pid, self.now)
        return self.actions()

    def ended(self, pid: int, end: Exit = KILLED) -> list[Action]:
        self.worker_set.ended(pid, end, self.now)
        return self.actions()

    def check(self, **heartbeats: float) -> list[Action]:
        """Beats by worker, as ``w1=…``; whoever is not named has just reacted."""
        said = {pid: heartbeats.get(f"w{pid}", self.now) for pid in range(1, self.last + 1)}
        self.worker_set.check(self.now, said, HANG)
        return self.actions()


@pytest.fixture
def one() -> Gate:
    """A gate with one worker that serves."""
    gate = Gate()
    gate.actions()
    gate.serve(1)
    return gate


@pytest.fixture
def two() -> Gate:
    """A gate with two workers that serve."""
    gate = Gate(2)
    gate.actions()
    gate.serve(1, 2)
    return gate


# -- starting


def test_it_is_ready_when_all_serve() -> None:
    """Once."""
    gate = Gate(2)
    assert gate.actions() == [Start(), Start()]
    assert gate.serve(1) == []
    assert gate.serve(2) == [Event.READY]
    assert gate.ended(1) == [Event.REPLACED, Start()]
    assert gate.serve(3) == []


@pytest.mark.parametrize(
    ("end", "kind", "says"),
    [
        (Exit("ended with exit code 2", "client_auth.ca: no such file", True), ConfigurationError, "client_auth.ca"),
        (BROKEN, StartError, "^cannot write the log$"),
        (KILLED, StartError, "^a worker was killed by SIGKILL before it was ready$"),
    ],
)
def test_a_first_worker_that_cannot_start_ends_the_gate(end: Exit, kind: type[Exception], says: str) -> None:
    """With its reason; those that are starting beside it are ended."""
    gate = Gate(2)
    gate.actions()
    assert gate.ended(1, end) == [Event.STOPPING, Kill(2)]
    assert not gate.worker_set.over
    assert gate.ended(2) == []
    assert gate.worker_set.over
    with pytest.raises(kind, match=says):
        raise gate.worker_set.error or AssertionError


def test_a_later_one_is_tried_again_with_pauses() -> None:
    """While another one serves: twice as long each time, up to a bound."""
    gate = Gate(2)
    gate.actions()
    gate.serve(1, 2)
    assert gate.ended(2) == [Event.REPLACED, Start()]
    pause, pid = FIRST_PAUSE * 2, 3
    for _ in range(10):
        assert gate.ended(pid) == []
        gate.now += pause - 0.001
        assert gate.actions() == []
        gate.now += 0.002
        assert gate.actions() == [Start()]
        pause, pid = min(pause * 2, LONGEST_PAUSE), pid + 1


def test_one_that_could_not_be_forked_is_tried_again(two: Gate) -> None:
    """No memory, too many processes: the others go on."""
    two.worker_set.start_failed(UNFORKED, two.now)
    assert two.actions() == []
    assert not two.worker_set.stopping


@pytest.mark.parametrize("count", [1, 2])
def test_a_replacement_that_is_killed_before_it_is_ready_is_replaced(count: int) -> None:
    """Also if nobody serves meanwhile: the kernel that has no memory left kills one after the other."""
    gate = Gate(count)
    gate.actions()
    gate.serve(*range(1, count + 1))
    gate.now += QUICK_SECONDS
    for pid in range(1, 2 * count):
        assert Start() in gate.ended(pid)
    assert gate.ended(2 * count) == [Start()]
    assert not gate.worker_set.stopping


def test_replacements_that_keep_being_killed_before_they_are_ready_end_the_gate(one: Gate) -> None:
    """The eighth, after pauses, as with workers that end right after their start."""
    one.now += QUICK_SECONDS
    one.ended(1)
    for pid in range(2, QUICK_MOST + 2):
        assert one.ended(pid) == ([Start()] if pid - 1 <= QUICK_FREE else [])
        if pid - 1 > QUICK_FREE:
            one.now = one.worker_set.next_fill()
            assert one.actions() == [Start()]
    assert one.ended(QUICK_MOST + 2) == [Event.STOPPING]
    assert "was killed by SIGKILL before it was ready" in str(one.worker_set.error)


def test_a_replacement_that_fails_for_a_reason_of_its_own_ends_the_gate(one: Gate) -> None:
    """While nobody serves: the next one would fail as well."""
    one.ended(1)
    assert one.ended(2, BROKEN) == [Event.STOPPING]


def test_a_replacement_that_is_not_ready_in_time_ends_the_gate(one: Gate) -> None:
    """While nobody serves: the signal was the gate's own."""
    one.ended(1)
    one.now += START_SECONDS + 0.1
    assert one.check() == [Kill(2)]
    assert one.ended(2) == [Event.STOPPING]


def test_replacements_that_cannot_be_forked_count_once(two: Gate) -> None:
    """All that are missing wait: a moment without memory must not end a gate of many workers."""
    two.now += QUICK_SECONDS
    two.worker_set.ended(1, KILLED, two.now)
    two.worker_set.ended(2, KILLED, two.now)
    two.worker_set.fill(two.now)
    started = []
    for action in two.worker_set.actions():
        if action == Start():
            started.append(action)
            two.worker_set.start_failed(UNFORKED, two.now)
    assert started == [Start()]
    assert two.actions() == [Start(), Start()]


# -- ends that nobody asked for


def test_workers_that_keep_dying_end_the_gate(one: Gate) -> None:
    """The first few are replaced at once, the next after pauses."""
    for pid in range(1, QUICK_MOST + 1):
        actions = one.ended(pid)
        assert actions == ([Event.REPLACED, Start()] if pid <= QUICK_FREE else [Event.REPLACED])
        if pid > QUICK_FREE:
            one.now = one.worker_set.next_fill()
            assert one.actions() == [Start()]
        one.serve(pid + 1)
    assert one.ended(QUICK_MOST + 1) == [Event.STOPPING]
    assert "keep ending right after their start" in str(one.worker_set.error)


def test_a_worker_that_lived_a_while_is_no_such_case(one: Gate) -> None:
    """It is replaced at once, however often that happens."""
    for pid in range(1, 20):
        one.now += QUICK_SECONDS
        assert one.ended(pid) == [Event.REPLACED, Start()]
        one.serve(pid + 1)


def test_who_does_not_react_is_killed_once(one: Gate) -> None:
    """It has a moment to be gone, then it is killed again."""
    one.check()
    one.now += 1
    assert one.check(w1=one.now - HANG) == []
    assert one.check(w1=one.now - HANG - 0.1) == [Kill(1)]
    one.now += 1
    assert one.check() == []
    one.now += GRACE_SECONDS
    assert one.check() == [Kill(1)]


def test_a_hang_is_logged_once(one: Gate, caplog: pytest.LogCaptureFixture) -> None:
    """The kernel takes a while to end a large process: it is killed again after a moment, without another line."""
    one.check()
    beat, kills = one.now, []
    for _ in range(int(HANG + 2 * GRACE_SECONDS) + 2):
        one.now += 1
        kills += [(one.now - beat, action) for action in one.check(w1=beat)]
    assert kills == [(HANG + 1, Kill(1)), (HANG + 1 + GRACE_SECONDS + 1, Kill(1))]
    assert caplog.messages == [f"worker 1 has not reacted for {HANG:g} s; it is killed"]


def test_a_gate_that_was_stopped_as_a_whole_blames_nobody(one: Gate) -> None:
    """A suspended machine: the workers get the time to react that they had."""
    one.check()
    beat = one.now
    one.now += 3600
    assert one.check(w1=beat) == []
    for _ in range(11):
        one.now += 1
        actions = one.check(w1=beat)
    assert actions == [Kill(1)]


def test_a_start_has_an_end() -> None:
    """A file on a file system that does not answer."""
    gate = Gate()
    gate.actions()
    for _ in range(int(START_SECONDS)):
        gate.now += 1
        assert gate.check(w1=0.0) == []
    gate.now += 1
    assert gate.check(w1=0.0) == [Kill(1)]


def test_a_start_that_does_not_end_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """However often it has to be killed."""
    gate = Gate()
    gate.actions()
    kills = []
    for _ in range(int(START_SECONDS + 2 * GRACE_SECONDS) + 2):
        gate.now += 1
        kills += gate.check(w1=0.0)
    assert kills == [Kill(1), Kill(1)]
    assert caplog.messages == [f"worker 1 was not ready within {START_SECONDS:g} s; it is killed"]


# -- relief


def test_who_is_asked_to_end_is_relieved_first(one: Gate) -> None:
    """The successor serves before the other one leaves, which is not a crash."""
    one.worker_set.asked_to_retire(1)
    assert one.actions() == [Start()]
    assert one.actions() == []
    assert one.serve(2) == [Send(1, Command.RETIRE)]
    one.worker_set.leaves(1, 30.0, one.now)
    assert one.ended(1, Exit("ended with exit code 0")) == []


def test_a_successor_that_cannot_start_relieves_nobody(one: Gate) -> None:
    """A gate that goes on is better than none."""
    one.worker_set.asked_to_retire(1)
    one.actions()
    assert one.ended(2) == []
    assert not one.worker_set.stopping
    one.now = one.worker_set.next_fill()
    assert one.actions() == [Start()]


def test_who_dies_before_it_is_relieved_gets_one_successor(one: Gate) -> None:
    """Not two."""
    one.worker_set.asked_to_retire(1)
    one.actions()
    assert one.ended(1) == [Event.REPLACED]
    assert one.serve(2) == []


def test_who_leaves_may_take_as_long_as_it_said(one: Gate) -> None:
    """And a moment longer; then it is killed."""
    one.worker_set.asked_to_retire(1)
    one.actions()
    one.serve(2)
    one.worker_set.leaves(1, 30.0, one.now)
    one.check()
    for _ in range(30 + int(GRACE_SECONDS)):
        one.now += 1
        assert one.check() == []
    one.now += 1
    assert one.check() == [Kill(1)]


# -- stopping


def test_who_leaves_does_not_serve_again(one: Gate) -> None:
    """A late word of readiness changes nothing: it no longer accepts, so another is started, and its time runs."""
    one.worker_set.leaves(1, 30.0, one.now)
    assert one.serve(1) == [Start()]
    one.now += 30.0 + GRACE_SECONDS + 0.1
    assert one.check() == [Kill(1)]


def test_stopping_in_order_and_at_once(one: Gate) -> None:
    """The second time; nobody is started any more, and who does not obey is killed."""
    one.worker_set.stop(one.now)
    assert one.actions() == [Event.STOPPING, Send(1, Command.STOP)]
    one.worker_set.stop(one.now)
    assert one.actions() == [Send(1, Command.CUT)]
    one.now += CUT_SECONDS + 0.1
    assert one.check() == [Kill(1)]
    assert one.ended(1) == []
    assert one.worker_set.over
    assert one.worker_set.error is None


def test_who_is_still_starting_is_not_waited_for() -> None:
    """It has no visitors."""
    gate = Gate()
    gate.actions()
    gate.worker_set.stop(gate.now)
    assert gate.actions() == [Event.STOPPING, Kill(1)]


def test_whoever_still_has_visitors_reloads(one: Gate) -> None:
    """Also while the gate stops: who is revoked now must not stay until the last download has ended."""
    one.worker_set.stop(one.now)
    one.actions()
    one.worker_set.reload()
    assert one.actions() == [Send(1, Command.RELOAD)]


# -- reloading


def test_each_worker_reloads_for_itself() -> None:
    """Who is still starting is told too: it may have read the old files. The event is that all have answered."""
    gate = Gate(2)
    gate.actions()
    gate.serve(1)
    gate.worker_set.reload()
    assert gate.actions() == [Event.RELOADING, Send(1, Command.RELOAD), Send(2, Command.RELOAD)]
    gate.worker_set.reloaded(1)
    assert gate.actions() == []
    assert Event.RELOADED in gate.ended(2)


def test_a_worker_that_drains_reloads_too(two: Gate) -> None:
    """Others accept in its place, but its visitors are judged anew as well."""
    two.worker_set.leaves(1, 30.0, two.now)
    two.actions()
    two.worker_set.reload()
    assert Send(1, Command.RELOAD) in two.actions()


def test_everybody_opens_the_logs_anew() -> None:
    """Who is still starting may have opened the old one."""
    gate = Gate()
    gate.actions()
    gate.worker_set.reopen()
    assert gate.actions() == [Send(1, Command.REOPEN)]


def test_a_changed_configuration_replaces_every_worker(two: Gate) -> None:
    """Old ones go one by one as new ones serve, and the gate has the new number of workers."""
    two.worker_set.replace_all(1)
    assert two.actions() == [Start()]
    assert two.serve(3) == [Send(1, Command.RETIRE), Send(2, Command.RETIRE)]
    two.ended(1)
    assert two.ended(2) == []
    two.worker_set.reopen()
    assert two.actions() == [Send(3, Command.REOPEN)]


def test_a_reload_can_raise_the_number_of_workers(one: Gate) -> None:
    """Beyond what there was room for at the start: all new ones start beside the old one."""
    one.worker_set.replace_all(4)
    assert one.actions() == [Start()] * 4
    assert one.serve(2, 3, 4, 5) == [Send(1, Command.RETIRE)]
