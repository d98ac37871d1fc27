"""HTTP/1.1 (and 1.0) to a client: the codec of one connection. Its requests go through an `http1_stream.Http1Stream`.

Finds and reads request heads, one at a time; pipelined requests wait (RFC 9112, 9.3.2).
"""

from typing import Final

from gatekeeper.errors import MessageError
from gatekeeper.proxy.client.dispatch import dispatch
from gatekeeper.proxy.client.http1_stream import MAX_BUFFERED_BYTES, Http1Stream, Owner
from gatekeeper.proxy.deadline import Timeout
from gatekeeper.proxy.proxy import Proxy
from gatekeeper.proxy.states import PauseReason
from gatekeeper.proxy.streams import Codec, Link, RequestHandler
from gatekeeper.proxy.visit import Visit
from gatekeeper.wire.framing import Body
from gatekeeper.wire.request import CACHED_BLOCK_BYTES, RequestReader, unreadable_head, without_empty_lines

_CR: Final = 0x0D


class Http1(Codec, Owner):
    """The codec of one connection. ``link`` and ``visit`` are the connection's."""

    __slots__ = ("_link", "_proxy", "_reader", "_taking", "_visit", "stream")

    def __init__(self, link: Link, visit: Visit) -> None:
        self._link = link
        self._visit = visit
        self._proxy: Proxy = visit.proxy
        self.stream = Http1Stream(self, link, visit)
        self._reader: RequestReader | None = None  # of the stream's head
        self._taking = False  # requests are being taken up, so that nothing needs to be begun from within
        self.stream.await_request()

    # -- called by the connection

    def receive(self, data: bytes) -> None:
        """Decrypted bytes from the client: request heads, a body, or the bytes of a tunnel."""
        stream = self.stream
        handler = stream.handler
        if handler is None:
            self._taking = True
            over = self._take_request(data)
            self._taking = False
            if over:
                self._take_requests()
        elif stream.tunnel:
            handler.request_content(data)
        elif stream.body is not None and not stream.holds_back:
            stream.read_body(handler, stream.body, data)
        else:
            stream.put_aside(data)

    def close_notify_received(self) -> None:
        """The client sends no more (RFC 8446, 6.1): answer complete requests, then close."""
        link, stream = self._link, self.stream
        handler = stream.handler
        if handler is None:
            if not (stream.ahead and (stream.slow or PauseReason.ASKING in link.paused)):
                link.close()
        else:
            behind = self._behind_request()
            if behind is None or not handler.client_closed():
                link.close()
            elif not behind:
                stream.end_after_answer()

    def _behind_request(self) -> bytes | None:
        """The bytes that follow the current request; None if that is incomplete."""
        stream = self.stream
        if stream.body is None:
            return stream.ahead
        body = stream.head.body()
        if body is None or not stream.holds_back:
            return None
        try:
            return body.feed(stream.ahead)[1]
        except MessageError:
            return None

    def fin_received(self) -> None:
        """TCP was closed for writing, which ends TLS: what the client has not received by now may never arrive."""
        handler = self.stream.handler
        if handler is not None:
            handler.client_closed()

    def connection_lost(self) -> None:
        """The client is gone: tell the handler of the current request."""
        self.stream.lost()

    def pause_writing(self) -> None:
        """The transport's buffer is full: the client reads more slowly than the app sends."""
        stream = self.stream
        stream.slow = True
        if stream.handler is not None:
            stream.handler.client_is_slow()

    def resume_writing(self) -> None:
        """The transport's buffer has drained."""
        stream = self.stream
        stream.slow = False
        if stream.handler is not None:
            stream.handler.client_is_ready()
        elif not self._link.closing:
            self._next()

    def expired(self, timeout: Timeout) -> None:
        """The connection's deadline has passed: a request head is late, or nothing was asked, sent or taken."""
        stream = self.stream
        if stream.handler is not None:
            stream.handler.expired(timeout)
        elif timeout is Timeout.REQUEST_HEADER and stream.ahead:
            self._visit.requests += 1
            late = MessageError(408, "The request header did not arrive in time.")
            self._reject(late, stream.ahead, self._proxy.wall())
        else:
            self._link.linger()

    def judge_anew(self) -> None:
        """The verdict may have changed: tell the current request. Every further one is judged when it begins."""
        handler = self.stream.handler
        if handler is not None:
            handler.judge_anew()

    def drain(self) -> None:
        """Close soon if no request is under way; otherwise its response carries ``Connection: close``."""
        stream = self.stream
        if stream.handler is not None:
            stream.handler.drain()
        elif not stream.ahead:
            stream.await_request()

    # -- requests

    def _take_requests(self) -> None:
        """Take up pipelined requests until one is not answered at once. A loop and no recursion: one packet can hold
        thousands of them.
        """
        stream = self.stream
        self._taking = True
        over = True
        while over and stream.ahead and not stream.slow:
            data, stream.ahead = stream.ahead, b""
            over = self._take_request(data)
        self._taking = False
        if over and stream.slow:
            self._link.pause_reading(PauseReason.AHEAD)

    def _take_request(self, data: bytes) -> bool:
        """Take up one request; True if it has been answered and the next one may follow."""
        stream = self.stream
        already = len(stream.ahead)
        if already:
            data, stream.ahead = stream.ahead + data, b""
        visit = self._visit
        reader = visit.snapshot.reader
        # A head that is known ends where it ends. To compare a browser's with the last one takes 0.01 µs, to hash it
        # and look it up 0.5, to look for the empty line 0.4.
        repeated = data == stream.head.text
        if repeated or (visit.until and len(data) <= CACHED_BLOCK_BYTES and data in reader.cached):
            text, rest = data, b""
        else:
            text, rest = _split_head(data, already)
            if not text:
                self._incomplete(rest, already)
                return False
        now = self._proxy.wall()
        authorizer = visit.authorizer(now)
        if not authorizer.admitted and authorizer.pending:
            self._ask(data)
            return False
        visit.requests += 1
        reader = visit.snapshot.reader
        try:
            if not authorizer.admitted:
                line, _, block = text.partition(b"\r\n")
                stream.head = reader.read(line, block, cache=False)
            elif not repeated or reader is not self._reader:
                stream.head, self._reader = reader.cached[text], reader
        except MessageError as error:
            self._reject(error, data, now)
            return False
        head = stream.head
        body = stream.body = None if head.wire_head else head.body()
        stream.holds_back = False
        if body is None:
            stream.ahead = rest
        handler = dispatch(stream, visit, authorizer, head, now)
        if handler is not None:
            stream.handler = handler
            handler.begin()
            if rest and stream.handler is handler:
                self._take_rest(handler, body, rest)
            if stream.handler is not None:
                return False
        return not self._link.closing

    def _take_rest(self, handler: RequestHandler, body: Body | None, rest: bytes) -> None:
        """The bytes behind the head: body, or pipelined requests."""
        stream = self.stream
        if body is None:
            if len(rest) > MAX_BUFFERED_BYTES:
                self._link.pause_reading(PauseReason.AHEAD)
        elif stream.holds_back:
            stream.put_aside(rest)
        else:
            stream.read_body(handler, body, rest)

    def _incomplete(self, data: bytes, already: int) -> None:
        try:
            self._visit.snapshot.reader.incomplete(data, already)
        except MessageError as error:
            self._visit.requests += 1
            self._reject(error, data, self._proxy.wall())
            return
        if data and not already:
            self._link.deadline.set(Timeout.REQUEST_HEADER, self._visit.snapshot.timeouts.request_header)
        self.stream.ahead = data

    def _ask(self, data: bytes) -> None:
        """Put the request aside and stop reading until the OCSP responder has answered, or did not in time."""
        self.stream.ahead = data
        visit = self._visit
        self._link.pause_reading(PauseReason.ASKING)
        self._link.deadline.set(Timeout.IDLE, visit.snapshot.timeouts.idle)
        visit.ask(self._asked)

    def _asked(self) -> None:
        self._link.resume_reading(PauseReason.ASKING)
        if not self._link.closing:
            self._next()

    def next_request(self) -> None:
        """Called by the stream when a request is finished. `_take_requests`, where it runs, goes on by itself."""
        if not self._taking:
            self._next()

    def _next(self) -> None:
        """Take up the next request, unless the client does not read its responses: those would fill the memory."""
        link = self._link
        if self.stream.slow:
            link.pause_reading(PauseReason.AHEAD)
            return
        link.resume_reading(PauseReason.AHEAD)
        self._take_requests()
        if self._visit.tls.received_eof:
            self.close_notify_received()

    def _reject(self, error: MessageError, data: bytes, now: float) -> None:
        """Answer a malformed request. Where the next one would begin is unknown, so the connection closes."""
        stream = self.stream
        visit = self._visit
        request_id = visit.next_request_id()
        stream.head = unreadable_head(data)
        sent = visit.send_error(stream, stream.head, error.status, error.detail, request_id, close=True)
        self._proxy.journal.answered(visit.visitor, stream.head, error.status, sent, request_id, now, error.detail)
        stream.finished()


def _split_head(data: bytes, already: int) -> tuple[bytes, bytes]:
    """A request head, blank line included, and what comes behind it; b"" and what is there of it if it is not whole.
    The first ``already`` bytes were looked at before.
    """
    if data[0] == _CR:
        data = without_empty_lines(data)
    end = data.find(b"\r\n\r\n", already - 3 if already > 3 else 0) + 4
    if end < 4:
        return b"", data
    # mypyc copies a slice that is the whole, and a copy has to be hashed once more.
    return (data, b"") if end == len(data) else (data[:end], data[end:])
