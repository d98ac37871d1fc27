"""Timeouts: one timer for each connection, which can be moved without re-arming it."""

from asyncio import AbstractEventLoop, TimerHandle
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from math import inf


class Timeout(Enum):
    """What a connection or stream waits for. Most have their duration in ``[timeouts]``, under the same name."""

    HANDSHAKE = "handshake"
    REQUEST_HEADER = "request_header"
    IDLE = "idle"
    REQUEST_BODY = "request_body"
    RESPONSE_HEADER = "response_header"
    STREAM = "stream_idle"
    TUNNEL = "tunnel_idle"
    LINGER = "linger"
    REPLY = "reply"
    DELIVERY = "delivery"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """``[timeouts]`` as plain numbers, in seconds: an attribute of a pydantic model costs 25 ns."""

    handshake: float
    request_header: float
    idle: float
    connect: float
    response_header: float
    stream_idle: float
    tunnel_idle: float


class Deadline:
    """Calls ``expired(wait)`` once, when the time that was set last has passed.

    Setting a later time than before costs a comparison: the timer fires at the old time, finds that it has moved,
    and is armed again. With keep-alive that is once in a timeout instead of twice in a request (0.2 µs against 3
    µs).
    """

    __slots__ = ("_armed", "_due", "_expired", "_handle", "_loop", "_time", "wait")

    def __init__(self, loop: AbstractEventLoop, expired: Callable[[Timeout], None]) -> None:
        self._loop = loop
        self._time = loop.time
        self._expired = expired
        self._handle: TimerHandle | None = None
        self._armed = inf  # when the handle fires
        self._due = 0.0
        self.wait = Timeout.HANDSHAKE

    def set(self, wait: Timeout, seconds: float) -> None:
        """Expire for ``wait`` in ``seconds``, in place of what was set before."""
        self.wait = wait
        self._due = due = self._time() + seconds
        if due < self._armed:
            self._arm()

    def cancel(self) -> None:
        """Do not expire, unless it is set again."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
            self._armed = inf

    def end(self) -> None:
        """Never expire again. Drops the callback, so that a closed connection needs no garbage collector."""
        self.cancel()
        self._expired = _nobody

    def _arm(self) -> None:
        self.cancel()
        self._armed = self._due
        self._handle = self._loop.call_at(self._due, self._fire)

    def _fire(self) -> None:
        self._handle = None
        self._armed = inf
        if self._loop.time() < self._due:
            self._arm()
        else:
            self._expired(self.wait)


class StreamDeadlines:
    """The deadlines of a connection's streams, which share one timer: arming and cancelling one for each request costs
    2 µs. When it fires, it looks at all that are set, and is armed again for the first of the others.
    """

    __slots__ = ("_handle", "_loop", "armed_for", "time", "waiting")

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._loop = loop
        self.time = loop.time
        self.waiting: dict[StreamDeadline, None] = {}
        self._handle: TimerHandle | None = None
        self.armed_for = inf

    def arm(self, due: float) -> None:
        """Fire at this time, which is before `armed_for`."""
        self.end()
        self.armed_for = due
        self._handle = self._loop.call_at(due, self._fire)

    def end(self) -> None:
        """Fire no more, until a deadline is set."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
            self.armed_for = inf

    def _fire(self) -> None:
        self._handle = None
        self.armed_for = inf
        now = self.time()
        try:
            for deadline in list(self.waiting):
                deadline.expire(now)
        finally:  # the others' deadlines must not be lost with one that raises
            if self.waiting:
                self.arm(min([deadline.due for deadline in self.waiting]))


class StreamDeadline(Deadline):
    """A `Deadline` among others."""

    __slots__ = ("_all", "due")

    def __init__(self, deadlines: StreamDeadlines, expired: Callable[[Timeout], None]) -> None:
        self._all = deadlines
        self._expired = expired
        self.due = 0.0
        self.wait = Timeout.HANDSHAKE

    def set(self, wait: Timeout, seconds: float) -> None:
        """Expire for ``wait`` in ``seconds``, in place of what was set before."""
        deadlines = self._all
        self.wait = wait
        self.due = due = deadlines.time() + seconds
        deadlines.waiting[self] = None
        if due < deadlines.armed_for:
            deadlines.arm(due)

    def cancel(self) -> None:
        """Do not expire, unless it is set again."""
        self._all.waiting.pop(self, None)

    def end(self) -> None:
        """Never expire again. Drops the callback, so that a stream that is over needs no garbage collector."""
        self._all.waiting.pop(self, None)
        self._expired = _nobody

    def expire(self, now: float) -> None:
        """Called by the timer: expire if it is time, and another that expired has not cancelled it."""
        if self in self._all.waiting and self.due <= now:
            del self._all.waiting[self]
            self._expired(self.wait)


def _nobody(_wait: Timeout) -> None:
    """The callback of a deadline that has ended."""
