"""HTTP/1.1 (and 1.0) to a client: one request at a time; pipelined requests wait.

Parses heads, removes the framing of bodies, and frames responses. Everything about a connection
that persists or closes after a response is decided here (RFC 9112, 9).
"""

from typing import Protocol

from gatekeeper.errors import MessageError
from gatekeeper.proxy.client.dispatch import dispatch
from gatekeeper.proxy.deadline import Deadline, Timeout
from gatekeeper.proxy.proxy import Proxy
from gatekeeper.proxy.states import PauseReason
from gatekeeper.proxy.streams import Headers, RequestHandler
from gatekeeper.proxy.visit import Visit
from gatekeeper.wire.framing import LENGTH, Body, chunk, last_chunk
from gatekeeper.wire.request import CACHED_BLOCK_BYTES, RequestHead, unreadable_head, without_empty_lines
from gatekeeper.wire.response import ResponseHead, framing_line, own_response

# What a client may send ahead of its turn before reading from it stops; one head of the largest size fits.
MAX_BUFFERED_BYTES = 64 * 1024
# When the gate stops, a client gets this long after its last answer for one more request, which is then answered with
# Connection: close. Closing at once would lose the request that is just on its way.
DRAIN_IDLE_SECONDS = 1.0

_IDLE = Timeout.IDLE
_CR = 0x0D
_NO_HEAD = unreadable_head(b"")


class Link(Protocol):
    """What the codec needs of its connection."""

    deadline: Deadline

    @property
    def closing(self) -> bool:
        """Whether nothing can be sent any more, or nothing may be."""

    @property
    def close_notify_received(self) -> bool:
        """Whether the client has said that it sends no more."""

    @property
    def unsent(self) -> int:
        """Bytes that the kernel has not taken yet."""

    @property
    def paused(self) -> set[PauseReason]:
        """Why nothing is read at the moment."""

    def write(self, data: bytes) -> None:
        """Encrypt and send."""

    def pause_reading(self, why: PauseReason) -> None:
        """Read no more until every reason for it is gone."""

    def resume_reading(self, why: PauseReason) -> None:
        """Take one reason back."""

    def linger(self, last: bytes = b"") -> None:
        """Send ``last`` and close_notify, and give the client time to read it."""

    def close(self) -> None:
        """Close: the client sends no more, and nothing is left to be answered."""

    def abort_tls(self) -> None:
        """Close without close_notify, behind what is on its way."""

    def abort(self) -> None:
        """Close at once."""

    def delivered(self) -> bool:
        """Whether the client's kernel has acknowledged everything."""


class Http1:
    """The codec of one connection, and the stream of its only request."""

    __slots__ = (
        "_body",
        "_buffered",
        "_chunked",
        "_closes",
        "_holds_back",
        "_keep_alive",
        "_last",
        "_link",
        "_proxy",
        "_slow",
        "_taking",
        "_tunnel",
        "_visit",
        "deadline",
        "handler",
        "head",
    )

    def __init__(self, link: Link, visit: Visit) -> None:
        self._link = link
        self._visit = visit
        self._proxy: Proxy = visit.proxy
        self.deadline = link.deadline
        self.handler: RequestHandler | None = None
        self.head: RequestHead = _NO_HEAD
        self._buffered = b""
        self._slow = False
        self._taking = False  # requests are being taken up, so that nothing needs to be begun from within
        # The request's.
        self._body: Body | None = None  # what is still to come
        self._holds_back = False  # its body stays in the buffer, because there is no upstream yet
        self._closes = False  # it is the last one, whatever its head says
        # The answer's.
        self._keep_alive = False
        self._chunked = False
        self._tunnel = False
        self._last = b""  # the end of a last answer, which goes out with close_notify

    # -- called by the connection

    def receive(self, data: bytes) -> None:
        """Decrypted bytes: requests, a body, the bytes of a tunnel."""
        handler = self.handler
        if handler is None:
            self._taking = True
            over = self._take_request(data)
            self._taking = False
            if over:
                self._take_requests()
        elif self._tunnel:
            handler.request_content(data)
        elif self._body is not None and not self._holds_back:
            self._read_body(handler, self._body, data)
        else:
            self._buffer(data)

    def close_notify_received(self) -> None:
        """What the client has asked for whole is answered, and then the connection ends (RFC 8446, 6.1)."""
        link, handler = self._link, self.handler
        if handler is None:
            if not (self._buffered and (self._slow or PauseReason.ASKING in link.paused)):
                link.close()
        else:
            behind = self._behind_request()
            if behind is None or self.head.upgrade or not handler.client_closed():
                link.close()
            elif not behind:
                self._closes, self._keep_alive = True, False

    def _behind_request(self) -> bytes | None:
        """What has come behind the request; None while some of the request is still to come."""
        if self._body is None:
            return self._buffered
        body = self.head.body()
        if body is None or not self._holds_back:
            return None
        try:
            return body.feed(self._buffered)[1]
        except MessageError:
            return None

    def fin_received(self) -> None:
        """TLS does not outlive it: what the client has not got by now it may never get."""
        if self.handler is not None:
            self.handler.client_closed()

    def connection_lost(self) -> None:
        """Whoever waits for something from the client waits in vain."""
        handler, self.handler = self.handler, None
        if handler is not None:
            handler.client_gone()

    def pause_writing(self) -> None:
        """The client does not take what was sent."""
        self._slow = True
        if self.handler is not None:
            self.handler.client_is_slow()

    def resume_writing(self) -> None:
        """The client has taken what was sent."""
        self._slow = False
        if self.handler is not None:
            self.handler.client_is_ready()
        elif not self._link.closing:
            self._next()

    def expired(self, timeout: Timeout) -> None:
        """Nothing came in time, or nothing was taken."""
        if self.handler is not None:
            self.handler.expired(timeout)
        elif timeout is Timeout.REQUEST_HEADER and self._buffered:
            self._visit.requests += 1
            late = MessageError(408, "The request header did not arrive in time.")
            self._reject(late, self._buffered, self._proxy.wall())
        else:
            self._link.linger()

    def judge_anew(self) -> None:
        """Where nothing is under way there is nothing to do: the next request is judged in any case."""
        if self.handler is not None:
            self.handler.judge_anew()

    def drain(self) -> None:
        """Close soon if nothing is under way; what is, ends with ``Connection: close``."""
        if self.handler is not None:
            self.handler.drain()
        elif not self._buffered:
            self.await_request()

    def await_request(self) -> None:
        """Nothing is under way: the client may ask within ``timeouts.idle``, or a moment if the gate stops."""
        idle = self._visit.snapshot.timeouts.idle
        self.deadline.set(_IDLE, min(idle, DRAIN_IDLE_SECONDS) if self._proxy.draining else idle)

    # -- requests

    def _take_requests(self) -> None:
        """Take up what came ahead, until a request has to be waited for. In a loop: a client may send thousands in one
        packet."""
        self._taking = True
        over = True
        while over and self._buffered and not self._slow:
            data, self._buffered = self._buffered, b""
            over = self._take_request(data)
        self._taking = False
        if over and self._slow:
            self._link.pause_reading(PauseReason.AHEAD)

    def _take_request(self, data: bytes) -> bool:
        """Take up one request; True if it is over already and the next one may follow."""
        already = len(self._buffered)
        if already:
            data, self._buffered = self._buffered + data, b""
        visit = self._visit
        reader = visit.snapshot.reader
        # A head that is known ends where it ends: asking for it takes 0.02 µs, looking for the empty line 0.4.
        if visit.until and len(data) <= CACHED_BLOCK_BYTES and data in reader.cached:
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
            if authorizer.admitted:
                head = reader.cached[text]
            else:
                line, _, block = text.partition(b"\r\n")
                head = reader.read(line, block, cache=False)
        except MessageError as error:
            self._reject(error, data, now)
            return False
        self.head = head
        body = self._body = None if head.wire_head else head.body()
        self._holds_back = False
        if body is None:
            self._buffered = rest
        handler = dispatch(self, visit, authorizer, head, now)
        if handler is not None:
            self.handler = handler
            handler.begin()
            if rest and self.handler is handler:
                self._take_rest(handler, body, rest)
            if self.handler is not None:
                return False
        return not self._link.closing

    def _take_rest(self, handler: RequestHandler, body: Body | None, rest: bytes) -> None:
        """What came with the head: of the body, or ahead of its turn."""
        if body is None:
            if len(rest) > MAX_BUFFERED_BYTES:
                self._link.pause_reading(PauseReason.AHEAD)
        elif self._holds_back:
            self._buffer(rest)
        else:
            self._read_body(handler, body, rest)

    def _incomplete(self, data: bytes, already: int) -> None:
        try:
            self._visit.snapshot.reader.incomplete(data, already)
        except MessageError as error:
            self._visit.requests += 1
            self._reject(error, data, self._proxy.wall())
            return
        if data and not already:
            self.deadline.set(Timeout.REQUEST_HEADER, self._visit.snapshot.timeouts.request_header)
        self._buffered = data

    def _ask(self, data: bytes) -> None:
        """The request waits, and nothing is read, until the OCSP responder has said something about its client."""
        self._buffered = data
        visit = self._visit
        self._link.pause_reading(PauseReason.ASKING)
        self.deadline.set(_IDLE, visit.snapshot.timeouts.idle)
        self._proxy.judge.ask(visit.snapshot, visit.tls.peer, self._asked)

    def _asked(self) -> None:
        self._link.resume_reading(PauseReason.ASKING)
        if not self._link.closing:
            self._next()

    def _next(self) -> None:
        """Take up the next request, unless the client has not even read the last answers: those would pile up here."""
        link = self._link
        if self._slow:
            link.pause_reading(PauseReason.AHEAD)
            return
        link.resume_reading(PauseReason.AHEAD)
        self._take_requests()
        if link.close_notify_received:
            self.close_notify_received()

    def _buffer(self, data: bytes) -> None:
        """Put aside what belongs to the next request."""
        self._buffered += data
        if len(self._buffered) > MAX_BUFFERED_BYTES:
            self._link.pause_reading(PauseReason.AHEAD)

    def _read_body(self, handler: RequestHandler, body: Body, data: bytes) -> None:
        try:
            content, rest = body.feed(data)
        except MessageError as error:
            handler.request_failed(error.status, error.detail)
            return
        if rest is None:
            handler.request_content(content)
            return
        self._body = None
        if rest:
            self._buffer(rest)
        handler.request_end(content, body.trailers)

    def _reject(self, error: MessageError, data: bytes, now: float) -> None:
        """Answer a request that could not be read. Nobody knows where the next one begins, so none is looked for."""
        visit = self._visit
        request_id = visit.next_request_id()
        self.head = unreadable_head(data)
        sent = self.send_error(error.status, error.detail, request_id, close=True)
        self._proxy.journal.answered(visit.visitor, self.head, error.status, sent, request_id, now, error.detail)
        self.finished()

    # -- the answer, called by the handler

    @property
    def unsent(self) -> int:
        """Bytes that the kernel has not taken yet."""
        return self._link.unsent

    def pause_request(self, why: PauseReason) -> None:
        """Read no more from the client until every reason for it is gone."""
        self._link.pause_reading(why)
        if why is PauseReason.CONNECTING:
            self._holds_back = True

    def resume_request(self, why: PauseReason) -> None:
        """Take one reason back."""
        self._link.resume_reading(why)
        if why is PauseReason.CONNECTING and self._holds_back:
            self._holds_back = False
            data, self._buffered = self._buffered, b""
            self._link.resume_reading(PauseReason.AHEAD)  # more than the buffer's limit may have come with the head
            if data and self.handler is not None and self._body is not None:
                self._read_body(self.handler, self._body, data)

    def send_interim(self, head: ResponseHead) -> None:
        """1xx, which HTTP/1.0 does not know (RFC 9110, 15.2)."""
        if self.head.minor == 1:
            self._link.write(head.fields + b"\r\n")

    def send_whole(self, head: ResponseHead, content: bytes, trailers: bytes) -> None:
        """A response that is complete."""
        request = self.head
        if request.wire_head and head.content_length == len(content) and not self._visit.warning:
            self._keep_alive = keep_alive = not (request.closes or self._closes or self._proxy.draining)
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
        """The head of a response with a body that goes on, and what has come of it."""
        start = self._response_head(head, has_body=True)
        self._link.write(start + (chunk(content) if self._chunked else content))

    def send_content(self, content: bytes) -> None:
        """More of the body, or of the tunnel."""
        self._link.write(chunk(content) if self._chunked else content)

    def send_end(self, content: bytes, trailers: bytes) -> None:
        """The end of the body."""
        self._write_last(chunk(content) + last_chunk(trailers) if self._chunked else content)

    def _write_last(self, data: bytes) -> None:
        """In one piece with close_notify if the connection ends: a second one would cost both sides 5 µs."""
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
        return head.fields + framing + warning + self._connection_line() + b"\r\n"

    def _may_keep_alive(self) -> bool:
        return self._body is None and self.head.keep_alive and not self._closes and not self._proxy.draining

    def _connection_line(self) -> bytes:
        if not self._keep_alive:
            return b"Connection: close\r\n"
        return b"Connection: keep-alive\r\n" if self.head.minor == 0 else b""

    def send_own(self, status: int, headers: Headers, body: bytes, *, close: bool) -> None:
        """An answer of the gate itself."""
        self._keep_alive = not close and self._may_keep_alive()
        self._link.write(self._own_response(status, headers, body))

    def _own_response(self, status: int, headers: Headers, body: bytes) -> bytes:
        close, now = not self._keep_alive, self._proxy.wall()
        return own_response(status, headers, body, method=self.head.method, close=close, now=now)

    def send_error(self, status: int, detail: str, request_id: str, *, close: bool) -> int:
        """An error page of the gate itself; returns the number of body bytes."""
        page = self._visit.error_page(self.head, status, detail, request_id)
        self.send_own(page.status, page.headers, page.body, close=close)
        return len(page.body)

    def switch(self, head: ResponseHead, rest: bytes) -> None:
        """101: from now on bytes, both ways (RFC 9110, 7.8). What came before its turn belongs to the tunnel."""
        self._tunnel, self._keep_alive, self._chunked = True, False, False
        self._link.write(head.fields + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n" + rest)
        data, self._buffered = self._buffered, b""
        if data and self.handler is not None:
            self.handler.request_content(data)
        self._link.resume_reading(PauseReason.AHEAD)

    def finished(self) -> None:
        """The request is dealt with: go on with the next one, or end the connection."""
        self.handler = None
        if not self._keep_alive:
            last, self._last = self._last, b""
            self._buffered = b""
            self._link.linger(last)
            return
        if self._proxy.draining:
            self.await_request()
        else:
            self.deadline.set(_IDLE, self._visit.snapshot.timeouts.idle)
        if (self._buffered or self._slow) and not self._taking:
            self._next()

    def refuse(self, status: int, headers: Headers, body: bytes) -> None:
        """A 403 is the last answer of its connection."""
        self._keep_alive = False
        self._last = self._own_response(status, headers, body)
        self.finished()

    def abort(self) -> None:
        """Without close_notify, so that the client can tell that something is missing."""
        self.handler = None
        self._link.abort_tls()

    def reset(self) -> None:
        """Close at once, whatever the client has not read yet."""
        self.handler = None
        self._link.abort()

    def delivered(self) -> bool:
        """Whether the client's kernel has acknowledged everything."""
        return self._link.delivered()


def _split_head(data: bytes, already: int) -> tuple[bytes, bytes]:
    """A request head, blank line included, and what comes behind it; b"" and what is there of it if it is not whole.
    The first ``already`` bytes were looked at before.
    """
    if data[0] == _CR:
        data = without_empty_lines(data)
    end = data.find(b"\r\n\r\n", already - 3 if already > 3 else 0) + 4
    return (data[:end], data[end:]) if end >= 4 else (b"", data)
