"""Expiry of verdicts: one timer for all connections, armed for the earliest expiry."""

import heapq
from asyncio import AbstractEventLoop, TimerHandle
from collections.abc import Callable
from typing import Generic, TypeVar

Key = TypeVar("Key")

# The timer runs on the monotonic clock, and the wall clock may be set meanwhile: look at it this often (seconds).
LONGEST_WAIT = 60.0


class Expiry(Generic[Key]):
    """Calls ``ended(key)`` at the time that was noted for the key, or soon after.

    Keys are grouped by time: many verdicts expire with the same CRL, and one more of those costs two lookups. A verdict
    is noted when it is made, not at each request.
    """

    def __init__(self, loop: AbstractEventLoop, wall: Callable[[], float], ended: Callable[[Key], None]) -> None:
        self._loop = loop
        self._wall = wall
        self._ended = ended
        self._waiting: dict[float, set[Key]] = {}
        self._moments: list[float] = []
        self._timer: TimerHandle | None = None

    def note(self, key: Key, until: float) -> None:
        """Call ``ended(key)`` at ``until`` (seconds since the epoch)."""
        waiting = self._waiting.get(until)
        if waiting is None:
            waiting = self._waiting[until] = set()
            heapq.heappush(self._moments, until)
            if self._moments[0] == until:
                self._arm()
        waiting.add(key)

    def forget(self, key: Key, until: float) -> None:
        """Undo `note`. Does nothing if the key was not noted."""
        waiting = self._waiting.get(until)
        if waiting is not None:
            waiting.discard(key)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._moments:
            wait = min(max(self._moments[0] - self._wall(), 0.0), LONGEST_WAIT)
            self._timer = self._loop.call_later(wait, self._fire)

    def _fire(self) -> None:
        self._timer = None
        now = self._wall()
        while self._moments and (self._moments[0] <= now or not self._waiting[self._moments[0]]):
            for key in self._waiting.pop(heapq.heappop(self._moments)):
                self._ended(key)
        self._arm()
