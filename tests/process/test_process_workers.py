"""Which workers there are: events in, acts out."""

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
    Act,
    Crew,
    End,
    Kill,
    News,
    Order,
    Start,
    Tell,
)

KILLED = End("was killed by SIGKILL")
HANG = 10.0


class Gate:
    """A crew, and the processes that it asks for: they get numbers from 1. ``now`` is where its clock stands."""

    def __init__(self, count: int = 1) -> None:
        self.crew = Crew(count, places=2 * count)
        self.now = 1000.0
        self.last = 0

    def acts(self) -> list[Act]:
        """What is to be done next; who is to be started is started."""
        self.crew.fill(self.now)
        done = list(self.crew.acts())
        for act in done:
            if isinstance(act, Start):
                self.last += 1
                self.crew.started(self.last, self.now)
        return done

    def serve(self, *pids: int) -> list[Act]:
        for pid in pids:
            self.crew.serves(pid, self.now)
        return self.acts()

    def ended(self, pid: int, end: End = KILLED) -> list[Act]:
        self.crew.ended(pid, end, self.now)
        return self.acts()

    def look(self, **beats: float) -> list[Act]:
        """Beats by worker, as ``w1=…``; whoever is not named has just reacted."""
        said = {pid: beats.get(f"w{pid}", self.now) for pid in self.crew.pids}
        self.crew.look(self.now, said, HANG)
        return self.acts()


@pytest.fixture
def one() -> Gate:
    """A gate with one worker that serves."""
    gate = Gate()
    gate.acts()
    gate.serve(1)
    return gate


@pytest.fixture
def two() -> Gate:
    """A gate with two workers that serve."""
    gate = Gate(2)
    gate.acts()
    gate.serve(1, 2)
    return gate


# -- starting


def test_it_is_ready_when_all_serve() -> None:
    """Once."""
    gate = Gate(2)
    assert gate.acts() == [Start(), Start()]
    assert gate.serve(1) == []
    assert gate.serve(2) == [News.READY]
    assert gate.ended(1) == [News.REPLACED, Start()]
    assert gate.serve(3) == []


@pytest.mark.parametrize(
    ("end", "kind", "says"),
    [
        (End("ended with exit code 2", "client_auth.ca: no such file", True), ConfigurationError, "client_auth.ca"),
        (End("ended with exit code 1", "cannot write the log"), StartError, "^cannot write the log$"),
        (KILLED, StartError, "^a worker was killed by SIGKILL before it was ready$"),
    ],
)
def test_a_first_worker_that_cannot_start_ends_the_gate(end: End, kind: type[Exception], says: str) -> None:
    """With its reason; those that are starting beside it are ended."""
    gate = Gate(2)
    gate.acts()
    assert gate.ended(1, end) == [News.STOPPING, Kill(2)]
    assert not gate.crew.over
    assert gate.ended(2) == []
    assert gate.crew.over
    with pytest.raises(kind, match=says):
        raise gate.crew.error or AssertionError


def test_a_later_one_is_tried_again_with_pauses() -> None:
    """While another one serves: twice as long each time, up to a bound."""
    gate = Gate(2)
    gate.acts()
    gate.serve(1, 2)
    assert gate.ended(2) == [News.REPLACED, Start()]
    pause, pid = FIRST_PAUSE * 2, 3
    for _ in range(10):
        assert gate.ended(pid) == []
        gate.now += pause - 0.001
        assert gate.acts() == []
        gate.now += 0.002
        assert gate.acts() == [Start()]
        pause, pid = min(pause * 2, LONGEST_PAUSE), pid + 1


def test_one_that_could_not_be_forked_is_tried_again(two: Gate) -> None:
    """No memory, too many processes: the others go on."""
    two.crew.not_started(End("", "a worker cannot be started: cannot allocate memory"), two.now)
    assert two.acts() == []
    assert not two.crew.stopping


# -- ends that nobody asked for


def test_workers_that_keep_dying_end_the_gate(one: Gate) -> None:
    """The first few are replaced at once, the next after pauses."""
    for pid in range(1, QUICK_MOST + 1):
        acts = one.ended(pid)
        assert acts == ([News.REPLACED, Start()] if pid <= QUICK_FREE else [News.REPLACED])
        if pid > QUICK_FREE:
            one.now = one.crew.next_fill()
            assert one.acts() == [Start()]
        one.serve(pid + 1)
    assert one.ended(QUICK_MOST + 1) == [News.STOPPING]
    assert "keep ending right after their start" in str(one.crew.error)


def test_a_worker_that_lived_a_while_is_no_such_case(one: Gate) -> None:
    """It is replaced at once, however often that happens."""
    for pid in range(1, 20):
        one.now += QUICK_SECONDS
        assert one.ended(pid) == [News.REPLACED, Start()]
        one.serve(pid + 1)


def test_who_does_not_react_is_killed_once(one: Gate) -> None:
    """It has a moment to be gone, then it is killed again."""
    one.look()
    one.now += 1
    assert one.look(w1=one.now - HANG) == []
    assert one.look(w1=one.now - HANG - 0.1) == [Kill(1)]
    one.now += 1
    assert one.look() == []
    one.now += GRACE_SECONDS
    assert one.look() == [Kill(1)]


def test_a_gate_that_was_stopped_as_a_whole_blames_nobody(one: Gate) -> None:
    """A suspended machine: the workers get the time to react that they had."""
    one.look()
    beat = one.now
    one.now += 3600
    assert one.look(w1=beat) == []
    for _ in range(11):
        one.now += 1
        acts = one.look(w1=beat)
    assert acts == [Kill(1)]


def test_a_start_has_an_end() -> None:
    """A file on a file system that does not answer."""
    gate = Gate()
    gate.acts()
    for _ in range(int(START_SECONDS)):
        gate.now += 1
        assert gate.look(w1=0.0) == []
    gate.now += 1
    assert gate.look(w1=0.0) == [Kill(1)]


# -- relief


def test_who_is_asked_to_end_is_relieved_first(one: Gate) -> None:
    """The successor serves before the other one leaves, which is not a crash."""
    one.crew.tires(1)
    assert one.acts() == [Start()]
    assert one.acts() == []
    assert one.serve(2) == [Tell(1, Order.RETIRE)]
    one.crew.leaves(1, 30.0, one.now)
    assert one.ended(1, End("ended with exit code 0")) == []


def test_a_successor_that_cannot_start_relieves_nobody(one: Gate) -> None:
    """A gate that goes on is better than none."""
    one.crew.tires(1)
    one.acts()
    assert one.ended(2) == []
    assert not one.crew.stopping
    one.now = one.crew.next_fill()
    assert one.acts() == [Start()]


def test_who_dies_before_it_is_relieved_gets_one_successor(one: Gate) -> None:
    """Not two."""
    one.crew.tires(1)
    one.acts()
    assert one.ended(1) == [News.REPLACED]
    assert one.serve(2) == []


def test_who_leaves_may_take_as_long_as_it_said(one: Gate) -> None:
    """And a moment longer; then it is killed."""
    one.crew.tires(1)
    one.acts()
    one.serve(2)
    one.crew.leaves(1, 30.0, one.now)
    one.look()
    for _ in range(30 + int(GRACE_SECONDS)):
        one.now += 1
        assert one.look() == []
    one.now += 1
    assert one.look() == [Kill(1)]


# -- stopping


def test_stopping_in_order_and_at_once(one: Gate) -> None:
    """The second time; nobody is started any more, and who does not obey is killed."""
    one.crew.stop(one.now)
    assert one.acts() == [News.STOPPING, Tell(1, Order.STOP)]
    one.crew.stop(one.now)
    assert one.acts() == [Tell(1, Order.CUT)]
    one.now += CUT_SECONDS + 0.1
    assert one.look() == [Kill(1)]
    assert one.ended(1) == []
    assert one.crew.over
    assert one.crew.error is None


def test_who_is_still_starting_is_not_waited_for() -> None:
    """It has no visitors."""
    gate = Gate()
    gate.acts()
    gate.crew.stop(gate.now)
    assert gate.acts() == [News.STOPPING, Kill(1)]


def test_whoever_still_has_visitors_reloads(one: Gate) -> None:
    """Also while the gate stops: who is revoked now must not stay until the last download has ended."""
    one.crew.stop(one.now)
    one.acts()
    one.crew.reload()
    assert one.acts() == [Tell(1, Order.RELOAD)]


# -- reloading


def test_each_worker_reloads_for_itself() -> None:
    """Who is still starting is told too: it may have read the old files. The news is that all have answered."""
    gate = Gate(2)
    gate.acts()
    gate.serve(1)
    gate.crew.reload()
    assert gate.acts() == [News.RELOADING, Tell(1, Order.RELOAD), Tell(2, Order.RELOAD)]
    gate.crew.reloaded(1)
    assert gate.acts() == []
    assert News.RELOADED in gate.ended(2)


def test_a_worker_that_drains_reloads_too(two: Gate) -> None:
    """Others accept in its place, but its visitors are judged anew as well."""
    two.crew.leaves(1, 30.0, two.now)
    two.acts()
    two.crew.reload()
    assert Tell(1, Order.RELOAD) in two.acts()


def test_everybody_opens_the_logs_anew() -> None:
    """Who is still starting may have opened the old one."""
    gate = Gate()
    gate.acts()
    gate.crew.reopen()
    assert gate.acts() == [Tell(1, Order.REOPEN)]
