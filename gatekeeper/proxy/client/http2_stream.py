"""One request of an HTTP/2 connection, and its response: between `wire.http2.stream.Stream` and a request's handler."""

import logging
from dataclasses import replace
from typing import Final, Protocol

from gatekeeper.errors import in_one_line
from gatekeeper.gate.decision import Authorizer
from gatekeeper.proxy.client.dispatch import dispatch
from gatekeeper.proxy.client.misdirected import MisdirectedHosts
from gatekeeper.proxy.deadline import Deadline, StreamDeadline, StreamDeadlines, Timeout
from gatekeeper.proxy.states import PauseReason
from gatekeeper.proxy.streams import ClientStream, Headers, Link, RequestHandler
from gatekeeper.proxy.visit import Visit
from gatekeeper.proxy.websocket import accept_of, accepts, new_key
from gatekeeper.refusal import grpc
from gatekeeper.wire.http2.frames import ErrorCode
from gatekeeper.wire.http2.stream import SEND_HIGH, Stream
from gatekeeper.wire.request import RequestHead
from gatekeeper.wire.response import ResponseHead, own_response, read_response

_log = logging.getLogger("gatekeeper")

# What an app may say to a client about its request; all else is between the app and the gate. Not REFUSED_STREAM: a
# client would repeat what the app has begun with (RFC 9113, 8.7).
_PASSED_CODES: Final = frozenset({ErrorCode.CANCEL, ErrorCode.ENHANCE_YOUR_CALM})
# RFC 9113, 8.1.1: a malformed request is an error of its stream, behind the answer that says why. curl and others show
# nothing of an answer that they read in one piece with RST_STREAM.
RESET_SECONDS: Final = 0.1
_NOT_PAUSED: Final[frozenset[PauseReason]] = frozenset()
_NO_TUNNEL: Final = read_response(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")


class Owner(Protocol):
    """The codec of the connection."""

    visit: Visit
    deadlines: StreamDeadlines
    misdirected: MisdirectedHosts

    @property
    def link(self) -> Link:
        """The client's connection."""

    def flush(self) -> None:
        """Send what is due."""

    def ended(self, stream: "Http2Stream") -> None:
        """The request is finished: send the end of its response."""

    def refused(self) -> None:
        """The request got 403."""


class Http2Stream(ClientStream):
    """A request's stream. ``id`` is its number, ``paused`` why the client gets no further credit for its body,
    ``malformed`` whether RST_STREAM ends the answer.
    """

    __slots__ = (
        "_accept",
        "_end",
        "_has_body",
        "_held",
        "_owner",
        "_stream",
        "_tunnel",
        "_uncredited",
        "_unsent",
        "_visit",
        "deadline",
        "handler",
        "head",
        "id",
        "malformed",
        "paused",
    )

    def __init__(self, owner: Owner, stream: Stream, head: RequestHead) -> None:
        self._owner = owner
        self._stream = stream
        self._visit = owner.visit
        self.id = stream.id
        self.deadline: Deadline = StreamDeadline(owner.deadlines, self._expired)
        self.handler: RequestHandler | None = None
        self.head = head
        self.malformed = False
        self.paused = _NOT_PAUSED
        self._accept = b""  # of a WebSocket handshake
        self._tunnel = False  # it came about
        self._has_body = False
        self._held: list[bytes] | None = None  # of the body, while there is nobody to give it to
        self._end: bytes | None = None  # trailers that wait behind it
        self._uncredited = 0
        self._unsent = 0
        stream.handler = self
        if not head.wire_head:
            self._has_body = head.has_body or bool(head.upgrade)
            if head.upgrade:
                self._give_key(head)

    def _give_key(self, head: RequestHead) -> None:
        """RFC 8441, 5: HTTP/2 has no Sec-WebSocket-Key, but the app's HTTP/1.1 handshake needs one."""
        key = new_key()
        self._accept = accept_of(key)
        block = head.block
        line = b"Sec-WebSocket-Key: %b\r\n" % key
        self.head = replace(head, block=replace(block, forward=block.forward + line))

    # -- called by the codec

    def dispatch(self, authorizer: Authorizer, now: float) -> None:
        """Dispatch the request, and start its handler."""
        visit, head = self._visit, self.head
        other_host = visit.tls.peer.leaf is None or visit.snapshot.hosts is not None
        if other_host and self._owner.misdirected.answered(self, head, authorizer, now):
            return
        handler = dispatch(self, visit, authorizer, head, now)
        if handler is not None:
            self.handler = handler
            handler.begin()

    def dispatch_late(self, authorizer: Authorizer, now: float) -> None:
        """The same for one that was paused until its client was judged."""
        self.paused -= {PauseReason.CONNECTING}
        self.dispatch(authorizer, now)
        if PauseReason.CONNECTING not in self.paused:
            self.resume_request(PauseReason.CONNECTING)

    def client_closed(self) -> None:
        """The client sends no more."""
        handler = self.handler
        whole = self._stream.remote_ended and not self._accept
        if handler is None or not whole or not handler.client_closed():
            self._stream.reset(ErrorCode.CANCEL)
            self.reset(ErrorCode.CANCEL)

    def lost(self) -> None:
        """The connection is closed."""
        handler, self.handler = self.handler, None
        if handler is not None:
            handler.client_gone()
        self.deadline.end()

    def _expired(self, timeout: Timeout) -> None:
        if self.handler is not None:
            self._tell_expired(self.handler, timeout)
            return
        if self.malformed:
            self._stream.reset(ErrorCode.PROTOCOL_ERROR)
            self._owner.flush()
            return
        # The response is complete, and its end waits for the client. WINDOW_UPDATEs of one byte are not enough.
        before, self._unsent = self._unsent, self._stream.unsent
        if not self._unsent:
            self.deadline.end()
        elif self._unsent != before:
            self.deadline.set(Timeout.STREAM, self._visit.snapshot.timeouts.stream_idle)
        else:
            self._stream.reset(ErrorCode.CANCEL)
            self._owner.flush()

    def _tell_expired(self, handler: RequestHandler, timeout: Timeout) -> None:
        try:
            handler.expired(timeout)
        except Exception as error:  # no deadline is set any more that would end the stream
            _log.error("reset: a deadline could not be handled: %s", in_one_line(error))
            self._give_up(handler)

    def _give_up(self, handler: RequestHandler) -> None:
        self.handler = None
        handler.client_gone()
        self.abort()

    # -- called by the wire's stream

    def content(self, data: bytes) -> None:
        """More of the body, or bytes of the tunnel."""
        handler = self.handler
        if handler is None or PauseReason.CONNECTING in self.paused or (self._accept and not self._tunnel):
            if self._held is None:
                self._held = []
            self._held.append(data)
            return
        if self._has_body:
            handler.request_content(data)
        if self.paused and self.handler is not None:
            self._uncredited += len(data)
        elif self.handler is not None:
            self._stream.consumed(len(data))

    def end(self, trailers: bytes) -> None:
        """The end of the body, or of the tunnel."""
        handler = self.handler
        if self._held or handler is None or PauseReason.CONNECTING in self.paused:
            self._end = trailers
        elif self._accept:
            # The client closes its half of a tunnel: a WebSocket says all that it has to say before that.
            handler.client_gone()
            self.finished()
        elif self._has_body:
            handler.request_end(b"", trailers)

    def reset(self, code: int | None = None) -> None:
        """The client gave the request up, or broke a rule of it, and ``code`` says how. Without one it is the handler
        that cuts the answer, because the client is let in no longer: the connection ends as after a 403.
        """
        handler, self.handler = self.handler, None
        if code is None:
            self._stream.reset(ErrorCode.CANCEL)
            self._owner.refused()
        elif handler is not None:
            handler.client_gone()
        self.finished()

    def writable(self) -> None:
        """Most of the buffered data has been sent."""
        if self.handler is not None:
            self.handler.client_is_ready()

    # -- the request, called by the handler

    def pause_request(self, why: PauseReason) -> None:
        """Give no more credit (RFC 9113, 6.9): at most one window of content follows."""
        self.paused |= {why}

    def resume_request(self, why: PauseReason) -> None:
        """Remove one reason, and give credit again if it was the last."""
        self.paused -= {why}
        if why is PauseReason.CONNECTING and not (self._accept and not self._tunnel):
            self._release()
        if not self.paused and self._uncredited:
            size, self._uncredited = self._uncredited, 0
            self._stream.consumed(size)
        self._owner.flush()

    def _release(self) -> None:
        """Pass on what was held back."""
        held, self._held = self._held, None
        for data in held or ():
            if self.handler is not None:
                self.content(data)
        end, self._end = self._end, None
        if end is not None and self.handler is not None:
            self.end(end)

    # -- the answer, called by the handler

    @property
    def unsent(self) -> int:
        """Bytes that wait for the client's windows."""
        return self._stream.unsent

    def send_interim(self, head: ResponseHead) -> None:
        """1xx: HEADERS without END_STREAM (RFC 9113, 8.1)."""
        self._stream.send_head(head)
        self._owner.flush()

    def send_whole(self, head: ResponseHead, content: bytes, trailers: bytes) -> None:
        """A complete response; `finished` follows, and sends it."""
        stream, warning = self._stream, self._visit.warning
        if self._accept and 200 <= head.status < 300:
            head, content, trailers = _NO_TUNNEL, b"", b""  # RFC 8441, 5: to the client a 2xx would be a tunnel
        if trailers:
            stream.send_head(head, warning)
            stream.send_content(content)
            stream.send_end(trailers)
        else:
            stream.send_whole(head, content, warning)

    def send_head(self, head: ResponseHead, content: bytes) -> None:
        """The head of a response, and the beginning of its body."""
        if self._accept and 200 <= head.status < 300:
            self._stream.send_whole(_NO_TUNNEL, b"")
            return
        self._stream.send_head(head, self._visit.warning)
        self.send_content(content)

    def send_content(self, content: bytes) -> None:
        """More of the body, or of the tunnel."""
        self._stream.send_content(content)
        self._owner.flush()
        if self._stream.unsent > SEND_HIGH and self.handler is not None:
            self.handler.client_is_slow()

    def send_end(self, content: bytes, trailers: bytes) -> None:
        """The end of the body; `finished` follows, and sends it."""
        self._stream.send_content(content)
        self._stream.send_end(trailers)

    def send_own(self, status: int, headers: Headers, body: bytes, *, close: bool) -> None:
        """An answer of the gate itself. The connection stays: its other requests have nothing to do with this one.

        An error of gRPC is a 200 to HTTP (PROTOCOL-HTTP2.md, "Responses"): clients look no further at another status.
        """
        if headers[:1] == (grpc.CONTENT_TYPE,):
            status = 200
            self.malformed = False  # a call has its status when it has ended
        headers = self._visit.own_headers(headers)
        text = own_response(status, headers, body, method=b"HEAD", close=False, now=self._visit.proxy.wall())
        if self.head.method == b"HEAD":
            body = b""
        if self.malformed:
            self._stream.send_head(read_response(text))
            self._stream.send_content(body)
        else:
            self._stream.send_whole(read_response(text), body)
        self._owner.flush()

    def switch(self, head: ResponseHead, rest: bytes) -> None:
        """101: the stream is a tunnel from now on; to the client that is a 200 (RFC 8441, 5)."""
        if not accepts(head, self._accept):
            if self.handler is not None:
                self._give_up(self.handler)
            else:
                self.abort()
            return
        self._tunnel = True
        self._stream.switch(head)
        self.send_content(rest)
        self._release()
        self._owner.flush()

    def finished(self) -> None:
        """The request is finished. What the client still sends is discarded for a time, so that it sees the response.
        For what is unsent it has ``stream_idle``, and as long again while it takes some of it.
        """
        self.handler = None
        stream = self._stream
        if self._tunnel:
            stream.send_end()
        self._held = None
        stream.finished()
        self._owner.ended(self)
        if self.malformed:
            self.deadline.set(Timeout.LINGER, RESET_SECONDS)
        elif stream.unsent:
            self._unsent = stream.unsent
            self.deadline.set(Timeout.STREAM, self._visit.snapshot.timeouts.stream_idle)
        else:
            self.deadline.end()

    def refuse(self, status: int, headers: Headers, body: bytes) -> None:
        """403, and `finished`."""
        self.send_own(status, headers, body, close=True)
        self._owner.refused()
        self.finished()

    def abort(self, code: int = 0) -> None:
        """RST_STREAM, so that the client can tell that something is missing (RFC 9113, 8.1)."""
        self._stream.reset(code if code in _PASSED_CODES else ErrorCode.INTERNAL_ERROR)
        self.finished()

    def delivered(self) -> bool:
        """Whether the client's kernel has acknowledged every byte that was sent."""
        return not self._stream.unsent and self._owner.link.delivered()
