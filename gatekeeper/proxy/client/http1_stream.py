"""One request of an HTTP/1.1 (or 1.0) connection, after its head, and the response to it.

Removes the framing of the request's body, frames the response, and decides whether the connection persists afterwards
(RFC 9112, 6 and 9.3).
"""

from typing import Final, Protocol

from gatekeeper.errors import MessageError
from gatekeeper.proxy.deadline import Timeout
from gatekeeper.proxy.proxy import Proxy
from gatekeeper.proxy.states import PauseReason
from gatekeeper.proxy.streams import ClientStream, Headers, Link, RequestHandler
from gatekeeper.proxy.visit import Visit
from gatekeeper.wire.framing import LENGTH, Body, chunk, last_chunk
from gatekeeper.wire.request import RequestHead, unreadable_head
from gatekeeper.wire.response import ResponseHead, framing_line, own_response

# What a client may send ahead of its turn before reading from it stops; one head of the largest size fits.
MAX_BUFFERED_BYTES: Final = 64 * 1024
# When the gate stops, a client gets this long after its last answer for one more request, which is then answered with
# Connection: close. Closing at once would lose the request that is just on its way.
DRAIN_IDLE_SECONDS: Final = 1.0
# What TCP sends at once (RFC 6928: ten segments), so that it has left before anything else of the client can arrive.
FIRST_FLIGHT_BYTES: Final = 14_600

_IDLE: Final = Timeout.IDLE
_NO_HEAD: Final = unreadable_head(b"")


class Owner(Protocol):
    """The codec of the connection."""

    __slots__ = ()

    def next_request(self) -> None:
        """The request is finished, and there are pipelined ones, or the client does not read its responses."""


class Http1Stream(ClientStream):
    """The stream of the current request. A connection has one stream, for one request after the other.

    ``handler`` is None while no request is under way. ``body`` reads the rest of the request's body, None if all of it
    has come; ``holds_back`` means that it waits unread for an upstream connection. ``ahead`` are bytes received before
    their turn. ``slow`` means that the transport's buffer is full. ``closes`` makes this request the connection's last,
    whatever its head says. In a ``tunnel`` the client's bytes go to the handler unchanged.
    """

    __slots__ = (
        "_chunked",
        "_is_long",
        "_keep_alive",
        "_last",
        "_link",
        "_owner",
        "_proxy",
        "_visit",
        "ahead",
        "body",
        "closes",
        "deadline",
        "handler",
        "head",
        "holds_back",
        "slow",
        "tunnel",
    )

    def __init__(self, owner: Owner, link: Link, visit: Visit) -> None:
        self._owner: Owner | None = owner
        self._link = link
        self._visit = visit
        self._proxy: Proxy = visit.proxy
        self.deadline = link.deadline
        self.handler: RequestHandler | None = None
        self.ahead = b""
        self.slow = False
        # The request's.
        self.head: RequestHead = _NO_HEAD
        self.body: Body | None = None
        self.holds_back = False
        self.closes = False
        # The answer's.
        self._keep_alive = False
        self._chunked = False
        self.tunnel = False
        self._is_long = False  # one of the answers was, for `_client_is_done`
        self._last = b""  # the end of a last answer, which goes out with close_notify

    def lost(self) -> None:
        """The connection is gone. Codec and stream refer to each other: without this cut they would be freed by the
        garbage collector only.
        """
        self._owner = None
        handler, self.handler = self.handler, None
        if handler is not None:
            handler.client_gone()

    def end_after_answer(self) -> None:
        """The client sends no further request: close after this response."""
        self.closes, self._keep_alive = True, False

    # -- the request's body

    def put_aside(self, data: bytes) -> None:
        """Keep bytes that came before their turn."""
        self.ahead += data
        if len(self.ahead) > MAX_BUFFERED_BYTES:
            self._link.pause_reading(PauseReason.AHEAD)

    def read_body(self, handler: RequestHandler, body: Body, data: bytes) -> None:
        """Pass the handler the content of a piece of the body."""
        try:
            content, rest = body.feed(data)
        except MessageError as error:
            handler.fail(error.status, error.detail)
            return
        if rest is None:
            handler.request_content(content)
            return
        self.body = None
        if rest:
            self.put_aside(rest)
        handler.request_end(content, body.trailers)

    def pause_request(self, why: PauseReason) -> None:
        """Stop reading from the client until every reason is removed again."""
        self._link.pause_reading(why)
        if why is PauseReason.CONNECTING:
            self.holds_back = True

    def resume_request(self, why: PauseReason) -> None:
        """Remove one reason, and read again if it was the last."""
        self._link.resume_reading(why)
        if why is PauseReason.CONNECTING and self.holds_back:
            self.holds_back = False
            data, self.ahead = self.ahead, b""
            self._link.resume_reading(PauseReason.AHEAD)  # more than the buffer's limit may have come with the head
            if data and self.handler is not None and self.body is not None:
                self.read_body(self.handler, self.body, data)

    # -- the answer, called by the handler

    @property
    def unsent(self) -> int:
        """Bytes that wait in the transport's buffer."""
        return self._link.unsent

    def send_interim(self, head: ResponseHead) -> None:
        """A 1xx response, which an HTTP/1.0 client must not be sent (RFC 9110, 15.2)."""
        if self.head.minor == 1:
            self._link.write(head.fields + b"\r\n")

    def send_whole(self, head: ResponseHead, content: bytes, trailers: bytes) -> None:
        """A complete response."""
        request = self.head
        if request.wire_head and head.content_length == len(content) and not self._visit.warning:
            self._keep_alive = keep_alive = not (request.closes or self.closes or self._proxy.draining)
            if keep_alive:
                self._link.write(head.wire_head + content)
            else:
                self._last = head.wire_head[:-2] + b"Connection: close\r\n\r\n" + content
            return
        has_body = bool(content) or head.body(request.method) is not None
        start = self._response_head(head, has_body=has_body)
        if self._chunked:
            content = chunk(content) + last_chunk(trailers)
        self._write_last(start + content)

    def send_head(self, head: ResponseHead, content: bytes) -> None:
        """The head of a response, and the beginning of its body."""
        self._is_long = True
        start = self._response_head(head, has_body=True)
        self._link.write(start + (chunk(content) if self._chunked else content))

    def send_content(self, content: bytes) -> None:
        """More of the body, or of the tunnel."""
        self._link.write(chunk(content) if self._chunked else content)

    def send_end(self, content: bytes, trailers: bytes) -> None:
        """The end of the body."""
        self._write_last(chunk(content) + last_chunk(trailers) if self._chunked else content)

    def _write_last(self, data: bytes) -> None:
        """Where the connection closes, send the data together with close_notify: apart they cost both sides 5 µs."""
        if not self._keep_alive:
            self._last = data
        elif data:
            self._link.write(data)

    def _response_head(self, head: ResponseHead, *, has_body: bool) -> bytes:
        """The head with this connection's framing and persistence (RFC 9112, 6.3 and 9.3)."""
        request = self.head
        by_length = head.framing is LENGTH
        self._chunked = has_body and not by_length and request.minor == 1
        delimited = not has_body or by_length or request.minor == 1
        self._keep_alive = delimited and self._may_keep_alive()
        warning = self._visit.warning
        if request.minor == 1 and self._keep_alive and not warning and (has_body or by_length):
            return head.wire_head
        framing = framing_line(head.framing, head.length, head.status) if by_length or self._chunked else b""
        connection = b"" if self._keep_alive else b"Connection: close\r\n"
        if self._keep_alive and request.minor == 0:
            connection = b"Connection: keep-alive\r\n"
        return head.fields + framing + warning + connection + b"\r\n"

    def _may_keep_alive(self) -> bool:
        return self.body is None and self.head.keep_alive and not self.closes and not self._proxy.draining

    def send_own(self, status: int, headers: Headers, body: bytes, *, close: bool) -> None:
        """A response of the gate's own."""
        self._keep_alive = not close and self._may_keep_alive()
        close, now = not self._keep_alive, self._proxy.wall()
        headers = self._visit.own_headers(headers)
        data = own_response(status, headers, body, method=self.head.method, close=close, now=now)
        self._is_long = self._is_long or len(data) > FIRST_FLIGHT_BYTES
        self._link.write(data)

    def switch(self, head: ResponseHead, rest: bytes) -> None:
        """101 (RFC 9110, 7.8): the connection is a tunnel from now on, and what has come ahead belongs to it."""
        self.tunnel, self._keep_alive, self._chunked = True, False, False
        self._link.write(head.fields + b"Connection: Upgrade\r\nUpgrade: %b\r\n\r\n" % head.upgrade + rest)
        data, self.ahead = self.ahead, b""
        if data and self.handler is not None:
            self.handler.request_content(data)
        self._link.resume_reading(PauseReason.AHEAD)

    # -- the end, called by the handler

    def finished(self) -> None:
        """The response is complete: go on with the next request, or close the connection."""
        self.handler = None
        if not self._keep_alive:
            last, self._last = self._last, b""
            if self._client_is_done(last):
                self._link.close(last)
                return
            self.ahead = b""
            self._link.linger(last)
            return
        if self._proxy.draining:
            self.await_request()
        else:
            self.deadline.set(_IDLE, self._visit.snapshot.timeouts.idle)
        if (self.ahead or self.slow) and self._owner is not None:
            self._owner.next_request()

    def _client_is_done(self, last: bytes) -> bool:
        """Whether the connection can be closed at once: the client has said that this is its last request (RFC 9112,
        9.3), and all of it was read. nginx does so too. That saves two turns of the loop, and a packet.

        Not after a long answer: the client may say close_notify before it has read all of that, and the kernel answers
        what comes for a closed socket with a reset, and drops what it has not sent.
        """
        if self.head.keep_alive or self.ahead or self.tunnel or self.body is not None:
            return False
        return not self._is_long and len(last) <= FIRST_FLIGHT_BYTES

    def await_request(self) -> None:
        """Give the client ``timeouts.idle`` for its next request, or `DRAIN_IDLE_SECONDS` if the gate is stopping."""
        idle = self._visit.snapshot.timeouts.idle
        self.deadline.set(_IDLE, min(idle, DRAIN_IDLE_SECONDS) if self._proxy.draining else idle)

    def refuse(self, status: int, headers: Headers, body: bytes) -> None:
        """403, the last response of its connection."""
        self._keep_alive = False
        now = self._proxy.wall()
        headers = self._visit.own_headers(headers)
        self._last = own_response(status, headers, body, method=self.head.method, close=True, now=now)
        self.finished()

    def abort(self, code: int = 0) -> None:
        """Close without close_notify, so that the client detects the truncation (RFC 8446, 6.1)."""
        self.handler = None
        self._link.abort_tls()

    def reset(self) -> None:
        """Close at once, and discard what is unsent."""
        self.handler = None
        self._link.abort()

    def delivered(self) -> bool:
        """Whether the client's kernel has acknowledged every byte that was sent."""
        return self._link.delivered()
