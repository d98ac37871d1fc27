"""One request of an HTTP/2 connection, and its response: between `wire.http2.stream.Stream` and a request's handler."""

import logging
from typing import Final

from gatekeeper.errors import in_one_line
from gatekeeper.gate.decision import Authorizer
from gatekeeper.proxy.client.dispatch import dispatch
from gatekeeper.proxy.client.http2_request import Http2Request
from gatekeeper.proxy.deadline import Timeout
from gatekeeper.proxy.states import PauseReason
from gatekeeper.proxy.streams import ClientStream, Headers, RequestHandler
from gatekeeper.proxy.websocket import accepts
from gatekeeper.refusal import grpc
from gatekeeper.wire.http2.frames import ErrorCode
from gatekeeper.wire.http2.stream import SEND_HIGH
from gatekeeper.wire.response import ResponseHead, own_response, read_own_response, read_response

_log = logging.getLogger("gatekeeper")

# What an app may say to a client about its request; all else is between the app and the gate. Not REFUSED_STREAM: a
# client would repeat what the app has begun with (RFC 9113, 8.7).
_PASSED_CODES: Final = frozenset({ErrorCode.CANCEL, ErrorCode.ENHANCE_YOUR_CALM})
# RFC 9113, 8.1.1: a malformed request is an error of its stream, behind the answer that says why. curl and others show
# nothing of an answer that they read in one piece with RST_STREAM, and httpx nothing of one that RST_STREAM ends: it is
# complete, as nginx's, and where that closes the stream, the error is the connection's (5.4.1), which ends in any case.
RESET_SECONDS: Final = 0.1
_NO_TUNNEL: Final = read_response(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")


class Http2Stream(Http2Request, ClientStream):
    """A request's stream."""

    __slots__ = ()

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
            self._end_malformed()
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

    def _end_malformed(self) -> None:
        if self._stream.remote_ended:
            self._owner.broken()
        else:
            self._stream.reset(ErrorCode.PROTOCOL_ERROR)
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
            self._owner.flush()  # the rest, which is not sent, may take its time
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
        self._stream.send_whole(read_own_response(text), body)
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
        self._owner.ended(self.id, stream.unsent)
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
