"""An exchange that has the whole body of the request before it asks the app (``upstream.request_buffering``)."""

import errno
import logging
import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from gatekeeper.gate.decision import Forward
from gatekeeper.proxy.deadline import Timeout
from gatekeeper.proxy.exchange import Exchange
from gatekeeper.proxy.request_buffer import RequestBuffer, disk_threads
from gatekeeper.proxy.states import CONNECTING, WAITING, PauseReason
from gatekeeper.proxy.streams import ClientStream, UpstreamStream
from gatekeeper.proxy.visit import Visit
from gatekeeper.wire.block import with_length
from gatekeeper.wire.request import RequestHead
from gatekeeper.wire.response import ResponseHead, read_response

_CONTINUE = read_response(b"HTTP/1.1 100 Continue\r\n\r\n")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

_log = logging.getLogger("gatekeeper")


def exchange_for(stream: ClientStream, visit: Visit, head: RequestHead, forward: Forward, started: float) -> Exchange:
    """The exchange for a request that may have a body."""
    if head.has_body and visit.snapshot.upstreams[forward.upstream].settings.request_buffering:
        return BufferedExchange(stream, visit, head, forward, started)
    return Exchange(stream, visit, head, forward, started)


class BufferedExchange(Exchange):
    """Until the body is complete, the exchange is `CONNECTING`, and no connection to the app is taken.

    ``_is_busy`` tells that a thread works on the buffer, which must not be closed or written by another one then.
    """

    __slots__ = ("_attempt", "_buffer", "_is_busy", "_is_complete", "_is_dropped", "_trailers")
    keeps_body = True

    def __init__(self, stream: ClientStream, visit: Visit, head: RequestHead, forward: Forward, started: float) -> None:
        super().__init__(stream, visit, head, forward, started)
        self._buffer = RequestBuffer()
        self._trailers = b""
        self._attempt = 0  # each one reads the buffer from the beginning
        self._is_busy = self._is_complete = self._is_dropped = False

    # -- the body comes in

    def begin(self) -> None:
        """Wait for the body; the app could not say that it does not want it, so the gate asks for it (RFC 9110,
        10.1.1).
        """
        if self._is_too_large(self.head.block.length):
            return
        if self.head.block.expects_continue:
            self.stream.send_interim(_CONTINUE)
        self._touch(Timeout.REQUEST_BODY)

    def request_content(self, content: bytes) -> None:
        """More of the body, or bytes of the tunnel."""
        if self._request_ended:
            super().request_content(content)
        elif self._take(content):
            self._touch(Timeout.REQUEST_BODY)
            self._buffer.append(content)
            self._go_on()

    def request_end(self, content: bytes, trailers: bytes) -> None:
        """The end of the body."""
        if self._take(content):
            self._buffer.append(content)
            self._trailers = trailers
            self._is_complete = True
            self._go_on()

    def _go_on(self) -> None:
        """Write what must be written, and ask the app once everything is there."""
        if self._is_busy:
            return
        if self._buffer.is_due:
            self.stream.pause_request(PauseReason.DISK)
            self._in_thread(partial(self._buffer.write, self._buffer.take()), self._written)
        elif self._is_complete:
            self._request_ended = True
            self.head = replace(self.head, block=with_length(self.head.block, self._buffer.length))
            super().begin()

    def _written(self, _: Any) -> None:
        self.stream.resume_request(PauseReason.DISK)
        if self.state is CONNECTING:
            self._go_on()

    # -- the body goes out

    def _send(self, upstream: UpstreamStream, now: float) -> None:
        super()._send(upstream, self.visit.proxy.wall())

    def _await_response(self) -> None:
        self._attempt += 1
        self._buffer.rewind()
        self._touch(Timeout.REQUEST_BODY)
        if self.head.has_body:
            self._pump()
        else:
            self.stream.deadline.set(Timeout.RESPONSE_HEADER, self._pool.timeouts.response_header)

    def _pump(self) -> None:
        """Send as much of the body as the app takes."""
        buffer = self._buffer
        while self.upstream is not None and not (self._upstream_slow or self._is_busy or buffer.is_at_end):
            if buffer.is_in_file:
                self._in_thread(buffer.read, partial(self._read, self._attempt))
            else:
                self._pass_on(buffer.read())

    def _read(self, attempt: int, content: bytes) -> None:
        """``attempt`` is the one for which this was read: another one has begun again."""
        if attempt == self._attempt and self.upstream is not None:
            self._pass_on(content)
        self._pump()

    def _pass_on(self, content: bytes) -> None:
        self._buffer.passed(content)
        if not self._buffer.is_at_end:
            self._touch(Timeout.REQUEST_BODY)
            self._upstream().send_content(content)
            return
        if self.state is WAITING:
            self.stream.deadline.set(Timeout.RESPONSE_HEADER, self._pool.timeouts.response_header)
        self._upstream().send_end(content, self._trailers)

    def upstream_is_slow(self) -> None:
        """Wait. The client has nothing more to send."""
        self._upstream_slow = True

    def upstream_is_ready(self) -> None:
        """The app has taken what was buffered."""
        self._upstream_slow = False
        self._pump()

    def expired(self, timeout: Timeout) -> None:
        """As ever, except that the client is not blamed for a disk that hangs."""
        if timeout is Timeout.REQUEST_BODY and self._is_busy:
            self._disk_failed(TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT)))
        else:
            super().expired(timeout)

    # -- the threads

    def _in_thread(self, work: Callable[[], Any], then: Callable[[Any], None]) -> None:
        self._is_busy = True
        future = self.visit.proxy.loop.run_in_executor(disk_threads(), work)
        future.add_done_callback(partial(self._done, then))

    def _done(self, then: Callable[[Any], None], future: Any) -> None:
        self._is_busy = False
        if self._is_dropped:
            self._close()
        if future.cancelled():
            return
        error = future.exception()
        if error is None:
            if not self._is_dropped:
                then(future.result())
        elif isinstance(error, OSError):
            self._disk_failed(error)
        else:
            self.fail(500, "The request body could not be stored.")
            raise error

    def _disk_failed(self, error: OSError) -> None:
        if self._is_dropped:
            return
        why = f"the request body could not be stored: {error.strerror or error}"
        _log.error("upstream %s: %s", self.forward.upstream, why)
        self.fail(507 if error.errno in _FULL else 500, "The request body could not be stored.", why)

    # -- the end

    def response_whole(self, head: ResponseHead, content: bytes, trailers: bytes) -> None:
        """Pass on a complete response, which ends the exchange."""
        super().response_whole(head, content, trailers)
        self._drop()

    def _answered(self, head: ResponseHead) -> None:
        super()._answered(head)
        if self._buffer.is_at_end:
            self._drop()  # a download may go on for long

    def _end(self) -> None:
        super()._end()
        self.stream.resume_request(PauseReason.DISK)
        self._drop()

    def _drop(self) -> None:
        """Nobody needs the body any more."""
        if self._is_dropped:
            return
        self._is_dropped = True
        if not self._is_busy:
            self._close()

    def _close(self) -> None:
        self.visit.proxy.loop.run_in_executor(disk_threads(), self._buffer.close)
