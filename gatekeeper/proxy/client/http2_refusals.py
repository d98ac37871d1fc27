"""The end of an HTTP/2 connection whose client was refused, so that it can come with another certificate."""

from asyncio import AbstractEventLoop
from collections.abc import Callable
from typing import Final

from gatekeeper.proxy.deadline import Deadline, Timeout
from gatekeeper.wire.http2.server import ServerConnection

# How long a client must be quiet after it has read the last answer. Measured with requests in parallel: closing behind
# the first 403 loses the others' in Chromium, curl, Node, Java, httpx, grpcio; 20 ms lost some in Java.
QUIET_SECONDS: Final = 0.1
# A client that may have one request under way sends the next when it has read the answer to the last. It tells by the
# answer to a PING that it has; one that answers none gets so long.
UNREAD_SECONDS: Final = 5.0
# A refused client that goes on asking is not waited for any longer.
MAX_REFUSALS: Final = 100


class Refusals:
    """Counts the refusals of a connection, and calls ``end`` when each request that is on its way has its answer."""

    __slots__ = ("_connection", "_count", "_end", "_quiet")

    def __init__(self, loop: AbstractEventLoop, connection: ServerConnection, end: Callable[[], None]) -> None:
        self._connection = connection
        self._end = end
        self._count = 0
        self._quiet = Deadline(loop, self._when_quiet)

    def add(self) -> None:
        """A request got its last answer."""
        self._count += 1
        self._quiet.set(Timeout.LINGER, UNREAD_SECONDS)
        self._connection.probe()
        if self._count >= MAX_REFUSALS:
            self._connection.go_away()

    def all_read(self) -> None:
        """The client has read every answer so far."""
        self._quiet.set(Timeout.LINGER, QUIET_SECONDS)

    def forget(self) -> None:
        """The connection is closed."""
        self._quiet.end()

    def _when_quiet(self, timeout: Timeout) -> None:
        if self._connection.streams:  # it still sends a body that nobody wants, and its next request may wait behind it
            self._quiet.set(timeout, QUIET_SECONDS)
        else:
            self._end()
