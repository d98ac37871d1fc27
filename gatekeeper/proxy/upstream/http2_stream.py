"""One request to an app over HTTP/2, and its response."""

from collections.abc import Callable
from time import time
from typing import Any, Final

from gatekeeper.errors import MessageError, StreamResetError
from gatekeeper.proxy.streams import EndpointHealth, Replay, ResponseHandler, UpstreamStream
from gatekeeper.proxy.upstream.http2 import HTTP2Connection
from gatekeeper.wire.http2.client import ResponseStream
from gatekeeper.wire.http2.frames import ErrorCode
from gatekeeper.wire.http2.stream import ResponseHandler as WireHandler
from gatekeeper.wire.request import RequestHead
from gatekeeper.wire.response import ResponseHead, with_date
from gatekeeper.wire.rules import MessageRule

# As for HTTP/1.1: one 100 and a handful of 103 are use, more is an upstream gone wild.
MAX_INTERIM_RESPONSES: Final = 16
# How much of a request's body is kept until the app reacts, to be sent again where it says that it did not begin with
# the request. The usual gRPC call is smaller; a stream window is as large.
MAX_REPLAY_BYTES: Final = 64 * 1024
# Up to so much of a body waits for what else there will be in this turn of the loop: its own end, other requests.
SOON_BYTES: Final = 16 * 1024
# An app that vanished without a FIN takes every request of a shared connection with it. If nothing at all came for this
# long behind a request that was given up, no further one goes there.
SILENT_SECONDS: Final = 5.0


class HTTP2Stream(UpstreamStream):
    """One request on a shared connection. ``replay`` is set where the app has certainly not begun with it."""

    __slots__ = (
        "_has_body",
        "_kept",
        "_kept_bytes",
        "_opened_at",
        "_request_ended",
        "_response",
        "_slow",
        "_stream",
        "_trailers",
        "connection",
        "handler",
        "heard",
        "replay",
        "used_before",
    )

    def __init__(self, connection: HTTP2Connection) -> None:
        self.connection = connection
        self.handler: ResponseHandler | None = None
        self.used_before = False
        self.heard = False
        self.replay: Replay | None = None
        self._stream: ResponseStream | None = None
        self._opened_at = 0.0
        self._response = _Response(self, b"")
        self._has_body = False
        self._request_ended = False
        self._trailers = b""
        self._kept: list[bytes] | None = []
        self._kept_bytes = 0
        self._slow = False

    @property
    def endpoint(self) -> EndpointHealth:
        """Where it goes."""
        return self.connection.endpoint

    @property
    def unsent(self) -> int:
        """Bytes that wait for the app's windows."""
        return self._stream.unsent if self._stream is not None else 0

    # -- the request, called by the exchange

    def send_request(self, handler: ResponseHandler, head: RequestHead, headers: bytes, request_id: str) -> None:
        """Open a stream. ``headers`` are the lines about the visitor."""
        connection = self.connection
        self.handler = handler
        self._opened_at = connection.time()
        connection.streams[self] = None
        self._has_body = not head.wire_head and head.has_body
        self._request_ended = not self._has_body
        if not connection.takes_requests:
            connection.call_soon(self.refused)
            return
        # The app may close an idle connection just when it is used again; not one on which it is at work.
        self.used_before = connection.used and not connection.codec.active
        connection.used = True
        lines = head.block.forwarded_host + headers if head.wire_head else headers
        self._response = _Response(self, head.method)
        self._stream = connection.codec.open(
            self._response, head, lines, request_id.encode("latin-1"), end=self._request_ended
        )
        connection.send_soon()

    def send_content(self, content: bytes) -> None:
        """More of the request's body."""
        self._queue(content)
        if self.unsent > SOON_BYTES:
            self.connection.send()
        else:
            self.connection.send_soon()
        if self._stream is not None and self._stream.slow and not self._slow and self.handler is not None:
            self._slow = True
            self.handler.upstream_is_slow()

    def send_end(self, content: bytes, trailers: bytes) -> None:
        """The end of the request's body."""
        self._request_ended, self._trailers = True, trailers
        self._queue(content)
        if self._stream is not None:
            self._stream.send_end(trailers)
        self.connection.send_soon()

    def send_eof(self) -> bool:
        """There are no tunnels to an app over HTTP/2."""
        return False

    def _queue(self, content: bytes) -> None:
        if not content:
            return
        if self._stream is not None:
            self._stream.send_content(content)
        if self._kept is not None:
            self._kept.append(content)
            self._kept_bytes += len(content)
            if self._kept_bytes > MAX_REPLAY_BYTES:
                self._kept = None

    # -- the response, called by `_Response`

    def began(self) -> None:
        """A response has begun: the request cannot be sent again."""
        self.heard = True
        self._kept = None

    def writable(self) -> None:
        """Most of the buffered data has been sent."""
        self._slow = False
        if self.handler is not None:
            self.handler.upstream_is_ready()

    def consumed(self, size: int) -> None:
        """The client's side took content: the app may send as much more (RFC 9113, 6.9)."""
        if self._stream is not None:
            self._stream.consumed(size)

    def was_reset(self, code: int) -> None:
        """The app ended this stream, or broke a rule of it: of the request, it may have carried out any part. Nothing
        suggests that the next one fares better on this connection, which lives on.
        """
        self.used_before = False
        self.gone(StreamResetError(code))

    def refused(self) -> None:
        """RFC 9113, 8.7: the app has not begun with this request, and it may be sent again."""
        self.used_before = False
        if self._kept is not None:
            ended = self._has_body and self._request_ended
            self.replay = Replay(b"".join(self._kept), self._trailers, ended=ended)
        self.gone(ConnectionRefusedError("the app refused the stream"))

    def gone(self, error: Exception) -> None:
        """The connection is lost: no response follows, or no more of it."""
        handler, self.handler = self.handler, None
        self._finish()
        if handler is not None:
            handler.upstream_gone(error)

    # -- flow and end, called by the exchange and the pool

    def pause_response(self) -> None:
        """Take no more from the app than what its window still allows."""
        self._response.pause()

    def resume_response(self) -> None:
        """Give back what was kept of the window."""
        self._response.resume()
        self.connection.send()

    def release(self, now: float) -> None:
        """The response is complete. The rest of the request, if the app has not read it, is not sent."""
        self.handler = None
        self._finish()

    def reset(self) -> None:
        """Cancel the request by RST_STREAM (RFC 9113, 5.4.2); other requests go on."""
        self.handler = None
        connection = self.connection
        silent = connection.heard_at <= self._opened_at <= connection.time() - SILENT_SECONDS
        if self._stream is not None:
            self._stream.reset()
            if silent and not self.heard:
                connection.retire()
        self._finish()

    def finish(self, call_later: Callable[..., Any]) -> None:
        """There are no tunnels to an app over HTTP/2."""
        self.reset()

    def _finish(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            if stream.unsent or not self._request_ended:
                stream.reset()
            stream.finished()
        self.connection.left(self)


class _Response(WireHandler):
    """What the codec tells of one response, put together until the bytes at hand are read."""

    __slots__ = (
        "_content",
        "_ended",
        "_failure",
        "_head",
        "_interim",
        "_malformed",
        "_method",
        "_noted",
        "_owed",
        "_paused",
        "_stream",
        "_trailers",
    )

    def __init__(self, stream: HTTP2Stream, method: bytes) -> None:
        self._stream = stream
        self._method = method
        self._head: ResponseHead | None = None
        self._content: list[bytes] = []
        self._trailers = b""
        self._ended = False
        self._failure: Callable[[ResponseHandler], None] | None = None
        self._malformed: MessageError | None = None
        self._noted = False
        self._interim = 0
        self._paused = False
        self._owed = 0

    # -- called by the codec

    def interim(self, head: ResponseHead) -> None:
        """1xx, bounded (RFC 9110, 15.2)."""
        self._stream.began()
        self._interim += 1
        handler = self._stream.handler
        if self._interim > MAX_INTERIM_RESPONSES:
            self.malformed(MessageRule.RESPONSE_INTERIM.error())
        elif handler is not None:
            handler.response_interim(head)

    def response(self, head: ResponseHead, ended: bool) -> None:
        """The head; if ``ended`` that is all."""
        self._stream.began()
        try:
            self._head = with_date(head, time()) if head.undated else head
        except MessageError as error:
            self.malformed(error)
            return
        self._ended = ended
        self._note()

    def content(self, data: bytes) -> None:
        """More of the body."""
        self._content.append(data)
        self._note()

    def end(self, trailers: bytes) -> None:
        """The response is complete."""
        self._ended, self._trailers = True, trailers
        self._note()

    def reset(self, code: int) -> None:
        """The app ended the stream, or broke a rule of it."""
        stream = self._stream
        if code == ErrorCode.REFUSED_STREAM:
            self._failure = lambda _: stream.refused()
        else:
            self._failure = lambda _: stream.was_reset(code)
        self._note()

    def malformed(self, error: MessageError) -> None:
        """The head is one that no client should see."""
        self._stream.began()
        self._malformed = error
        self._note()

    def writable(self) -> None:
        """Most of the buffered data has been sent."""
        self._stream.writable()

    def _note(self) -> None:
        if not self._noted:
            self._noted = True
            self._stream.connection.note(self)

    # -- called by the connection and the stream

    def tell(self) -> None:
        """Tell the exchange of all that came since the last time."""
        self._noted = False
        handler = self._stream.handler
        if handler is None:
            return
        if self._malformed is not None:  # whatever came behind it, in the same bytes
            handler.response_malformed(self._malformed)
            return
        head, self._head = self._head, None
        content = b"".join(self._content)
        self._content.clear()
        self._give_back(len(content))
        if head is not None and (self._ended or head.body(self._method) is None):
            handler.response_whole(head, content, self._trailers)
        elif head is not None:
            handler.response_head(head, content)
        elif self._ended:
            handler.response_end(content, self._trailers)
        elif content:
            handler.response_content(content)
        # RFC 9113, 8.1: NO_ERROR behind a whole response only ends the upload.
        if self._failure is not None and self._stream.handler is handler:
            self._failure(handler)

    def _give_back(self, size: int) -> None:
        if self._paused:
            self._owed += size
        elif size:
            self._stream.consumed(size)

    def pause(self) -> None:
        """Keep what comes from the window."""
        self._paused = True

    def resume(self) -> None:
        """Give it back."""
        self._paused = False
        owed, self._owed = self._owed, 0
        self._give_back(owed)
