"""One timer for a connection, moved without being armed anew, and one for all streams of a connection."""

import weakref
from collections.abc import Callable, Iterator

import pytest

from gatekeeper.proxy.deadline import Deadline, StreamDeadline, StreamDeadlines, Timeout
from tests.proxy.virtual import VirtualLoop


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    loop = VirtualLoop()
    yield loop
    loop.close()


@pytest.fixture
def expired(loop: VirtualLoop) -> list[tuple[Timeout, float]]:
    return []


@pytest.fixture
def deadline(loop: VirtualLoop, expired: list[tuple[Timeout, float]]) -> Deadline:
    return Deadline(loop, lambda wait: expired.append((wait, loop.time())))


def test_it_expires_once(loop: VirtualLoop, deadline: Deadline, expired: list[tuple[Timeout, float]]) -> None:
    """At its time, not before and not again."""
    deadline.set(Timeout.IDLE, 5)
    loop.advance(4)
    assert expired == []
    loop.advance(100)
    assert expired == [(Timeout.IDLE, 5.0)]


def test_it_can_be_moved_further_away(
    loop: VirtualLoop, deadline: Deadline, expired: list[tuple[Timeout, float]]
) -> None:
    """And is then not felt at the old time."""
    deadline.set(Timeout.REQUEST_HEADER, 5)
    loop.advance(4)
    deadline.set(Timeout.STREAM, 60)
    loop.advance(59)
    assert expired == []
    loop.advance(1)
    assert expired == [(Timeout.STREAM, 64.0)]


def test_it_can_be_moved_closer(loop: VirtualLoop, deadline: Deadline, expired: list[tuple[Timeout, float]]) -> None:
    """The timer that was armed for later does not make it late."""
    deadline.set(Timeout.IDLE, 75)
    deadline.set(Timeout.REQUEST_HEADER, 10)
    loop.advance(10)
    assert expired == [(Timeout.REQUEST_HEADER, 10.0)]
    loop.advance(100)
    assert len(expired) == 1


def test_it_can_be_cancelled_and_set_again(
    loop: VirtualLoop, deadline: Deadline, expired: list[tuple[Timeout, float]]
) -> None:
    """A connection that is gone waits for nothing."""
    deadline.set(Timeout.IDLE, 5)
    deadline.cancel()
    deadline.cancel()
    loop.advance(10)
    assert expired == []
    deadline.set(Timeout.LINGER, 2)
    loop.advance(2)
    assert expired == [(Timeout.LINGER, 12.0)]


def test_it_can_be_set_while_it_expires(loop: VirtualLoop) -> None:
    """A connection that is still moving gets more time."""
    times = []

    def again(wait: Timeout) -> None:
        times.append(loop.time())
        if len(times) < 3:
            deadline.set(wait, 5)  # type: ignore[attr-defined]

    deadline = Deadline(loop, again)
    deadline.set(Timeout.STREAM, 5)
    loop.advance(60)
    assert times == [5.0, 10.0, 15.0]


class Streams:
    """Three deadlines that share a timer, and which of them have expired when."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.shared = StreamDeadlines(loop)
        self.expired: list[tuple[int, Timeout, float]] = []
        self.loop = loop
        self.all = [StreamDeadline(self.shared, self._note(number)) for number in range(3)]

    def _note(self, number: int) -> Callable[[Timeout], None]:
        return lambda wait: self.expired.append((number, wait, self.loop.time()))


@pytest.fixture
def streams(loop: VirtualLoop) -> Streams:
    return Streams(loop)


def test_each_stream_expires_at_its_own_time(loop: VirtualLoop, streams: Streams) -> None:
    """Once, whichever was set first."""
    streams.all[0].set(Timeout.STREAM, 60)
    streams.all[1].set(Timeout.RESPONSE_HEADER, 5)
    streams.all[2].set(Timeout.STREAM, 10)
    loop.advance(100)
    assert streams.expired == [
        (1, Timeout.RESPONSE_HEADER, 5.0),
        (2, Timeout.STREAM, 10.0),
        (0, Timeout.STREAM, 60.0),
    ]


def test_a_stream_that_is_moved_or_over_does_not_expire(loop: VirtualLoop, streams: Streams) -> None:
    """The timer that was armed for it looks at the others, and is armed again for them."""
    for deadline in streams.all:
        deadline.set(Timeout.STREAM, 5)
    streams.all[0].set(Timeout.TUNNEL, 20)
    streams.all[1].cancel()
    streams.all[2].end()
    streams.all[2].set(Timeout.STREAM, 5)
    loop.advance(19)
    assert streams.expired == []
    loop.advance(1)
    assert streams.expired == [(0, Timeout.TUNNEL, 20.0)]


def test_a_stream_that_another_ends_does_not_expire(loop: VirtualLoop) -> None:
    """Where both are due at the same moment: its request is over, and nobody is there for it."""
    shared = StreamDeadlines(loop)
    expired = []

    def first(wait: Timeout) -> None:
        expired.append(1)
        two.end()

    one = StreamDeadline(shared, first)
    two = StreamDeadline(shared, lambda wait: expired.append(2))
    one.set(Timeout.STREAM, 5)
    two.set(Timeout.STREAM, 5)
    loop.advance(10)
    assert expired == [1]


def test_a_stream_that_still_moves_is_set_again_while_it_expires(loop: VirtualLoop) -> None:
    """And goes on from then."""
    shared = StreamDeadlines(loop)
    times: list[float] = []

    def again(wait: Timeout) -> None:
        times.append(loop.time())
        one.set(wait, 3)

    one = StreamDeadline(shared, again)
    one.set(Timeout.STREAM, 5)
    loop.advance(12)
    assert times == [5.0, 8.0, 11.0]


def test_a_stream_that_raises_takes_no_other_deadline_with_it(loop: VirtualLoop) -> None:
    """The timer is armed for the others all the same."""
    shared = StreamDeadlines(loop)
    expired: list[Timeout] = []

    def broken(wait: Timeout) -> None:
        raise ValueError("a bug")

    one, two = StreamDeadline(shared, broken), StreamDeadline(shared, expired.append)
    one.set(Timeout.STREAM, 5)
    two.set(Timeout.STREAM, 7)
    with pytest.raises(ValueError, match="a bug"):
        loop.advance(5)
    loop.advance(2)
    assert expired == [Timeout.STREAM]


def test_streams_of_a_closed_connection_wait_for_nothing(loop: VirtualLoop, streams: Streams) -> None:
    """Its timer is cancelled."""
    streams.all[0].set(Timeout.STREAM, 5)
    streams.shared.end()
    loop.advance(10)
    assert streams.expired == []


def test_a_stream_that_is_over_is_freed_at_once(loop: VirtualLoop) -> None:
    """Neither the timer, which is still armed, nor the garbage collector is waited for."""

    class Owner:
        def expired(self, wait: Timeout) -> None:
            raise AssertionError

    owner, shared = Owner(), StreamDeadlines(loop)
    gone = weakref.ref(owner)
    deadline = StreamDeadline(shared, owner.expired)
    deadline.set(Timeout.STREAM, 5)
    deadline.end()
    del owner
    assert gone() is None
