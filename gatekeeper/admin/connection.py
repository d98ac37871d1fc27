"""One connection to the admin listener: a request, an answer, the end.

The gate's own reader and writer of HTTP, because every worker has this listener: aiohttp would take 25 MiB of memory
and a third of the time that a start needs.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import cast

from gatekeeper.errors import MessageError
from gatekeeper.wire.request import HeadLimits, RequestHead, RequestReader
from gatekeeper.wire.response import own_response

_log = logging.getLogger("gatekeeper")

_READER = RequestReader(HeadLimits(head=16 * 1024))
_HEADERS = (("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"))


@dataclass(frozen=True, slots=True)
class AdminAnswer:
    """A status, a body of ``media_type``, and further headers."""

    body: bytes
    media_type: str = "application/json; charset=utf-8"
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()


def plain(status: int, text: str) -> AdminAnswer:
    """A sentence."""
    return AdminAnswer(f"{text}\n".encode(), "text/plain; charset=utf-8", status)


Answerer = Callable[[RequestHead], Awaitable[AdminAnswer]]


class AdminConnection(asyncio.Protocol):
    """Reads one request, has ``answerer`` answer it, and closes behind the answer. ``ended`` is called at the end.

    Bodies are not read. The connection is aborted after ``seconds``, whatever its state. ``answered`` is done once the
    answer is written, or never will be.
    """

    _transport: asyncio.Transport

    def __init__(
        self,
        answerer: Answerer,
        loop: asyncio.AbstractEventLoop,
        seconds: float,
        ended: Callable[["AdminConnection"], object],
    ) -> None:
        self._answerer = answerer
        self._loop = loop
        self._ended = ended
        self._seconds = seconds
        self._received = b""
        self.task: asyncio.Task[None] | None = None
        self.answered: asyncio.Future[None] = loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        self._transport = cast(asyncio.Transport, transport)
        self._timer = self._loop.call_later(self._seconds, self._transport.abort)

    def connection_lost(self, _error: Exception | None) -> None:
        """The connection is closed."""
        self._timer.cancel()
        if self.task is not None:
            self.task.cancel()
        self._set_answered()
        self._ended(self)

    def data_received(self, data: bytes) -> None:
        """Bytes of a request, or of its body, which are discarded."""
        if self.task is not None:
            return
        already, self._received = len(self._received), self._received + data
        end = self._received.find(b"\r\n\r\n") + 4
        try:
            if end < 4:
                _READER.incomplete(self._received, already)
                return
            line, _, block = self._received[:end].partition(b"\r\n")
            head = _READER.read(line, block, cache=False)
        except MessageError as error:
            self._write(b"GET", plain(error.status, error.detail))
            return
        self.task = self._loop.create_task(self._serve(head))

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    async def _serve(self, head: RequestHead) -> None:
        try:
            answer = await self._answerer(head)
        except Exception:
            _log.exception("admin: a request could not be answered")
            answer = plain(500, "This request could not be answered.")
        self._write(head.method, answer)

    def _write(self, method: bytes, answer: AdminAnswer) -> None:
        """Send FIN after the answer and wait for the client's: a reset could discard the answer before it is read."""
        headers = (*_HEADERS, ("Content-Type", answer.media_type), *answer.headers)
        transport = self._transport
        transport.write(own_response(answer.status, headers, answer.body, method=method, close=True, now=time.time()))
        if transport.can_write_eof():
            transport.write_eof()
        else:
            transport.close()
        self._set_answered()

    def _set_answered(self) -> None:
        if not self.answered.done():
            self.answered.set_result(None)
