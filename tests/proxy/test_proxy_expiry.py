"""One timer for the ends of all verdicts."""

from typing import Any

import pytest

from gatekeeper.proxy.expiry import LONGEST_WAIT, Expiry
from tests.proxy.virtual import VirtualLoop


class Clock:
    """A loop, a clock on the wall that may be set, and what ended."""

    def __init__(self) -> None:
        self.loop = VirtualLoop()
        self.offset = 1_000_000.0
        self.ended: list[Any] = []
        self.expiry = Expiry(self.loop, self.wall, self.ended.append)

    def wall(self) -> float:
        return self.offset + self.loop.time()

    def note(self, name: Any, seconds: float) -> float:
        until = self.wall() + seconds
        self.expiry.note(name, until)
        return until


@pytest.fixture
def clock() -> Any:
    clock = Clock()
    yield clock
    clock.loop.close()


def test_each_verdict_ends_at_its_moment(clock: Clock) -> None:
    """In the order of the moments, not of noting; several may end at once."""
    clock.note("b", 20)
    clock.note("a", 10)
    clock.note("c", 20)
    clock.loop.advance(9.9)
    assert clock.ended == []
    clock.loop.advance(0.2)
    assert clock.ended == ["a"]
    clock.loop.advance(10)
    assert clock.ended[0] == "a"
    assert set(clock.ended) == {"a", "b", "c"}


def test_what_is_forgotten_does_not_end(clock: Clock) -> None:
    """And what was never noted can be forgotten."""
    until = clock.note("a", 10)
    clock.note("b", 10)
    clock.expiry.forget("a", until)
    clock.expiry.forget("c", until + 1)
    clock.loop.advance(11)
    assert clock.ended == ["b"]


def test_a_clock_that_is_set_is_noticed(clock: Clock) -> None:
    """The loop's own clock does not know of it, so the wall is looked at once in a while."""
    clock.note("a", 5000)
    clock.offset += 5000
    clock.loop.advance(LONGEST_WAIT + 1)
    assert clock.ended == ["a"]


def test_a_clock_that_is_set_back_ends_nothing_early(clock: Clock) -> None:
    """The moment counts, not the seconds until then; and it is not missed when the wall comes to it again."""
    clock.note("a", 10)
    clock.offset -= 5000
    clock.loop.advance(5000)
    assert clock.ended == []
    clock.loop.advance(10 + LONGEST_WAIT)
    assert clock.ended == ["a"]


def test_a_verdict_may_be_noted_while_others_end(clock: Clock) -> None:
    """Judged anew and let in again: it ends at the new moment."""
    clock.expiry._ended = lambda name: clock.ended.append(name) or (name == "a" and clock.note("b", 7))  # type: ignore[assignment]
    clock.note("a", 10)
    clock.loop.advance(11)
    assert clock.ended == ["a"]
    clock.loop.advance(7)
    assert clock.ended == ["a", "b"]
