"""One timer for a connection, moved without being armed anew."""

from collections.abc import Iterator

import pytest

from gatekeeper.proxy.deadline import Deadline, Timeout
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
