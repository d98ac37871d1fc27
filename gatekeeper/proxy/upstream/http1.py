"""HTTP/1.1 to an app: a connection carries one exchange at a time and is kept for the next.

It frames requests and removes the framing of responses: an exchange sees heads, content and trailers.
"""

import asyncio
from collections.abc import Callable
from time import time
from typing import Any, ClassVar, Final, Protocol, cast

from gatekeeper.errors import MessageError
from gatekeeper.proxy.forwarding import whole_head
from gatekeeper.proxy.streams import EndpointHealth, ResponseHandler, UpstreamStream
from gatekeeper.proxy.upstream.closing import ends_properly, left_unread
from gatekeeper.wire.framing import CHUNKED, Body, UntilCloseBody, chunk, last_chunk
from gatekeeper.wire.request import RequestHead
from gatekeeper.wire.response import ResponseHead, incomplete_response, read_response, with_date
from gatekeeper.wire.rules import MessageRule

# As for the client's side: how much of a request body may wait for a slow app.
WRITE_HIGH_WATER: Final = 256 * 1024
# What the visitor said last in a tunnel gets this long to reach the app.
FINISH_SECONDS: Final = 2.0
# One 100 and a handful of 103 are use, more is an upstream gone wild.
MAX_INTERIM_RESPONSES: Final = 16

_END: Final = b"\r\n\r\n"


class Owner(EndpointHealth, Protocol):
    """What a connection reports to: its endpoint."""

    __slots__ = ()

    def opened(self, connection: "UpstreamConnection") -> None:
        """The connection is open."""

    def lost(self, connection: "UpstreamConnection") -> None:
        """The connection was closed, by either side."""

    def release(self, connection: "UpstreamConnection", now: float) -> None:
        """The connection can carry another exchange."""


class UpstreamConnection(UpstreamStream):
    """One connection to an endpoint. ``used_before`` tells a kept connection from a new one.

    ``heard`` tells whether anything of a response has come; ``idle_since`` is when the last exchange ended, by the
    loop's clock.
    """

    __slots__ = (
        "_awaiting_head",
        "_body",
        "_buffered",
        "_chunked",
        "_eof",
        "_interim",
        "_last",
        "_method",
        "_ordinary",
        "_owner",
        "_protocol",
        "_request_ended",
        "_reusable",
        "_sent_body",
        "handler",
        "heard",
        "idle_since",
        "paused",
        "transport",
        "used_before",
    )
    transport: asyncio.Transport
    fault = ""
    lenient: ClassVar[bool] = False

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self.handler: ResponseHandler | None = None
        self.used_before = False
        self.heard = False
        self.idle_since = 0.0
        self.paused = False
        self._eof = False
        # The request's.
        self._method = b""
        self._ordinary = self._chunked = False
        self._protocol = b""
        self._request_ended = True
        self._sent_body = False
        # The response's.
        self._awaiting_head = False
        self._buffered = b""
        self._interim = 0
        self._last: ResponseHead | None = None  # the head before, as it came
        self._body: Body | None = None
        self._reusable = False

    @property
    def endpoint(self) -> EndpointHealth:
        """Where it goes."""
        return self._owner

    @property
    def replay(self) -> None:
        """HTTP/1.1 has no word for "not begun"."""

    @property
    def connection(self) -> "UpstreamConnection":
        """The connection to open: in HTTP/1.1 it is its own only stream."""
        return self

    # -- called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=WRITE_HIGH_WATER)
        self._owner.opened(self)

    def data_received(self, data: bytes) -> None:
        handler = self.handler
        if handler is None:
            # Nothing was asked: whatever this is, it must not become the answer to the next request.
            self.transport.abort()
        elif self._awaiting_head:
            self._read_head(handler, data)
        elif self._body is not None:
            self._read_body(handler, self._body, data)
        else:
            handler.response_content(data)

    def eof_received(self) -> bool:
        self._eof = ends_properly(self.transport)
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self._owner.lost(self)
        if error is not None:
            for data in left_unread(self.transport):
                if self.handler is None:
                    break
                self.data_received(data)
        if error is None and not self._eof:
            # RFC 9112, 9.8: without a close_notify anybody in between could have cut what ends with the connection.
            error = ConnectionResetError("closed without close_notify")
        handler = self.handler
        if handler is None:
            return
        if error is None and isinstance(self._body, UntilCloseBody):
            self._reusable = False
            handler.response_end(b"", b"")
        else:
            self.handler = None
            handler.upstream_gone(error)

    def pause_writing(self) -> None:
        if self.handler is not None:
            self.handler.upstream_is_slow()

    def resume_writing(self) -> None:
        if self.handler is not None:
            self.handler.upstream_is_ready()

    # -- the request, called by the exchange

    def send_request(self, handler: ResponseHandler, head: RequestHead, headers: bytes, request_id: str) -> None:
        """Send a request's head. ``headers`` are the lines about the visitor."""
        self.handler = handler
        self.heard = self._sent_body = self._chunked = False
        self._awaiting_head = True
        self._interim = 0
        if head.wire_head:
            self._ordinary = self._request_ended = True
            self._protocol = b""
            # Whoever got this connection has just made sure that it is not closing.
            self.transport.write(
                b"".join((head.wire_head, headers, b"X-Request-Id: ", request_id.encode("ascii"), _END))
            )
            return
        block = head.block
        self._method = head.method
        self._ordinary = False
        self._protocol = head.upgrade.lower()
        self._chunked = block.framing is CHUNKED
        self._request_ended = not (self._chunked or block.length)
        self._write(whole_head(head, headers, request_id))

    def send_content(self, content: bytes) -> None:
        """More of the request's body, or of the tunnel."""
        self._sent_body = True
        self._write(chunk(content) if self._chunked else content)

    def send_end(self, content: bytes, trailers: bytes) -> None:
        """The end of the request's body."""
        self._request_ended = self._sent_body = True
        if self._chunked:
            self._write(chunk(content) + last_chunk(trailers))
        elif content:
            self._write(content)

    def send_eof(self) -> bool:
        """In a tunnel: tell the app that nothing more comes, and go on reading. False where TLS is in the way."""
        transport = self.transport
        if transport.is_closing() or not transport.can_write_eof():
            return False
        if self._protocol:
            self._protocol = b""
            transport.write_eof()
        return True

    @property
    def unsent(self) -> int:
        """Bytes that wait in the transport's buffer."""
        return self.transport.get_write_buffer_size()

    def _write(self, data: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(data)

    # -- the response

    def _read_head(self, handler: ResponseHandler, data: bytes) -> None:
        if self._buffered:
            data, self._buffered = self._buffered + data, b""
        self.heard = True
        head = self._last
        try:
            # To compare takes 0.2 µs, to look for the end of the head, to hash it and look it up 0.9.
            if head is not None and data.startswith(head.text):
                end = len(head.text)
            else:
                end = data.find(_END) + 4
                if end < 4:
                    incomplete_response(data)
                    self._buffered = data
                    return
                head = read_response(data if end == len(data) else data[:end])
                if head.status < 200:
                    self._read_interim(handler, head, data[end:])
                    return
                self._last = head if head.text else None
            if head.undated:
                head = with_date(head, time())
        except MessageError as error:
            handler.response_malformed(error)
            return
        self._awaiting_head = False
        if self._ordinary and head.content_length == len(data) - end:
            # Most responses: in one piece, to an ordinary request. The long way gives the same, and costs 2 µs more.
            self._reusable = True
            handler.response_whole(head, data[end:], b"")
            return
        self._begin_body(handler, head, data[end:])

    def _begin_body(self, handler: ResponseHandler, head: ResponseHead, data: bytes) -> None:
        body = head.body(b"GET" if self._ordinary else self._method, lenient=self.lenient)
        if body is None:
            self._reusable = head.reusable and not data
            handler.response_whole(head, b"", b"")
            return
        try:
            content, rest = body.feed(data)
        except MessageError as error:
            handler.response_head(head, b"")
            handler.response_malformed(error)
            return
        self._reusable = head.reusable
        if rest is None:
            self._body = body
            handler.response_head(head, content)
        else:
            self._reusable = head.reusable and not rest
            handler.response_whole(head, content, body.trailers)

    def _read_body(self, handler: ResponseHandler, body: Body, data: bytes) -> None:
        try:
            content, rest = body.feed(data)
        except MessageError as error:
            handler.response_malformed(error)
            return
        if rest is None:
            handler.response_content(content)
            return
        self._body = None
        self._reusable = self._reusable and not rest
        handler.response_end(content, body.trailers)

    def _read_interim(self, handler: ResponseHandler, head: ResponseHead, rest: bytes) -> None:
        """1xx, bounded (RFC 9110, 15.2); 101 makes a tunnel if the request asked for one (RFC 9110, 15.2.2)."""
        self._interim += 1
        if self._interim > MAX_INTERIM_RESPONSES:
            raise MessageRule.RESPONSE_INTERIM.error()
        if head.status == 101:
            # RFC 9110, 7.8: only to a protocol that was asked for, and not in the middle of the request.
            if not self._protocol or head.upgrade.lower() != self._protocol or not self._request_ended:
                raise MessageRule.RESPONSE_SWITCH.error()
            self._awaiting_head = self._chunked = False
            handler.response_switch(head, rest)
            return
        handler.response_interim(head)
        if rest and self.handler is handler:
            self._read_head(handler, rest)

    # -- flow and end, called by the exchange and the pool

    def pause_response(self) -> None:
        """Stop reading from the app until `resume_response`."""
        if not self.paused and not self.transport.is_closing():
            self.paused = True
            self.transport.pause_reading()

    def resume_response(self) -> None:
        """Undo `pause_response`."""
        if self.paused and not self.transport.is_closing():
            self.paused = False
            self.transport.resume_reading()

    def release(self, now: float) -> None:
        """The response is complete: keep the connection if its state is certain, otherwise close it."""
        self.handler = None
        if self._reusable and self._request_ended and not (self._sent_body and self.unsent):
            self._owner.release(self, now)
        else:
            self.transport.abort()

    def finish(self, call_later: Callable[..., Any]) -> None:
        """Close once the buffer is sent, or after `FINISH_SECONDS`."""
        self.handler = None
        self.transport.close()
        call_later(FINISH_SECONDS, self.transport.abort)

    def reset(self) -> None:
        """Close at once and discard what is unsent: the app sees a reset, not the end of a request."""
        self.handler = None
        self.transport.abort()
