"""HTTP/2 towards apps: the client's half (RFC 9113, 8.3.2), by prior knowledge or after ALPN."""

from typing import Final, Protocol

from gatekeeper.errors import MessageError
from gatekeeper.wire.framing import LENGTH
from gatekeeper.wire.http2.connection import Connection, ConnectionHandler
from gatekeeper.wire.http2.encode import encode_request
from gatekeeper.wire.http2.frame_handlers import FRAME_HANDLERS
from gatekeeper.wire.http2.frames import (
    DEFAULT_WINDOW,
    ENABLE_PUSH,
    END_STREAM,
    INITIAL_WINDOW_SIZE,
    MAX_CONCURRENT_STREAMS,
    MAX_HEADER_LIST_SIZE,
    MAX_STREAM_ID,
    PREFACE,
    ErrorCode,
    protocol_error,
    settings_frame,
    window_update_frame,
)
from gatekeeper.wire.http2.hpack import decode
from gatekeeper.wire.http2.messages import trailers
from gatekeeper.wire.http2.responses import read_response_block
from gatekeeper.wire.http2.stream import CONNECTION_WINDOW, STREAM_WINDOW, ResponseHandler, Stream
from gatekeeper.wire.request import RequestHead
from gatekeeper.wire.response import MAX_HEAD_BYTES, ResponseHead
from gatekeeper.wire.rules import MessageRule

# Until the app has said how many it takes (RFC 9113, 6.5.2 has no bound then, and recommends no less).
ASSUMED_STREAMS: Final = 100


class ClientHandler(ConnectionHandler, Protocol):
    """What the owner of a connection to an app is told."""

    __slots__ = ()

    def capacity_changed(self) -> None:
        """`ClientConnection.can_open` may have another value: a stream was forgotten, or SETTINGS came."""
        ...


class ResponseStream(Stream):
    """One request to an app, with this ``method``."""

    __slots__ = ("method", "responses")

    def __init__(
        self, connection: Connection, stream_id: int, send_window: int, handler: ResponseHandler, method: bytes
    ) -> None:
        super().__init__(connection, stream_id, send_window, STREAM_WINDOW)
        self.method = method
        self.remote_begun = False
        self.handler = self.responses = handler


class ClientConnection(Connection):
    """One connection to an app; preface and SETTINGS are there to be sent at once.

    ``authority`` is for requests whose client named no host; ``max_streams`` is what the app allows.
    """

    __slots__ = ("_app", "_authority", "_scheme", "goaway", "max_streams")

    def __init__(self, handler: ClientHandler, authority: bytes, scheme: bytes = b"http") -> None:
        super().__init__(handler, MAX_HEAD_BYTES, frozenset(), FRAME_HANDLERS)
        self._app = handler
        self._authority = authority
        self._scheme = scheme
        self.max_streams = ASSUMED_STREAMS
        self.goaway = False
        settings = ((ENABLE_PUSH, 0), (INITIAL_WINDOW_SIZE, STREAM_WINDOW), (MAX_HEADER_LIST_SIZE, MAX_HEAD_BYTES))
        grown = window_update_frame(0, CONNECTION_WINDOW - DEFAULT_WINDOW)
        self.out += PREFACE, settings_frame(settings), grown

    @property
    def can_open(self) -> bool:
        """Whether the app takes another request on this connection now."""
        return (
            self.failure is None
            and not self.goaway
            and self.active < self.max_streams
            and self.last_stream_id < MAX_STREAM_ID - 1
        )

    def open(
        self, handler: ResponseHandler, head: RequestHead, lines: bytes = b"", request_id: bytes = b"", *, end: bool
    ) -> ResponseStream:
        """Send a request, with ``lines`` behind its own; ``end`` if it has neither body nor trailers.

        ``request_id`` is new each time, so it is not among the ``lines``, which are cached.

        Ask `can_open` before. `Stream.finished` is the last call, after `Stream.reset` if the response is not whole.
        """
        stream_id = self.last_stream_id + 2 if self.last_stream_id else 1
        self.last_stream_id = stream_id
        stream = ResponseStream(self, stream_id, self.peer_window, handler, head.method)
        self.streams[stream_id] = stream
        self.active += 1
        stream.send_block(encode_request(head, lines, self._authority, self._scheme, request_id), end=end)
        return stream

    def block(self, stream_id: int, flags: int, block: bytes) -> None:
        """A response, an interim one, or the trailers of one."""
        ended = flags & END_STREAM != 0  # bool() is a call
        stream = self.streams.get(stream_id)
        if stream is None or stream.is_reset:
            if stream is None:
                self.require_reset(stream_id)
            self.table = decode(self.table, block)[1]
            self.spend("field blocks on streams that are over")
        elif isinstance(stream, ResponseStream) and not stream.remote_begun:
            read, self.table = read_response_block(self.table, block)
            self._response(stream, read, ended)
        else:
            trailers(self, stream, ended, block)

    def _response(self, stream: ResponseStream, read: ResponseHead | MessageError, ended: bool) -> None:
        error = read if isinstance(read, MessageError) else _judge(stream, read, ended)
        if error is not None or isinstance(read, MessageError):
            handler = stream.responses
            stream.drop()
            self.refuse_stream(stream.id, ErrorCode.PROTOCOL_ERROR)
            handler.malformed(error or MessageRule.RESPONSE_STATUS_LINE.error())
        elif read.status < 200:
            self.spend("interim responses")
            stream.responses.interim(read)
        else:
            stream.remote_begun = True
            stream.remote_ended = ended
            stream.responses.response(read, ended)
            self.settle(stream)

    def setting(self, name: int, value: int) -> None:
        """MAX_CONCURRENT_STREAMS, and what both roles heed."""
        if name == ENABLE_PUSH and value:
            raise protocol_error("a server that wants to be pushed to")  # RFC 9113, 6.5.2
        if name == MAX_CONCURRENT_STREAMS:
            self.max_streams = value
            self._app.capacity_changed()
        super().setting(name, value)

    def require_reset(self, stream_id: int) -> None:
        """RFC 9113, 5.1: what comes on a stream that we reset is ignored. An app may take thousands of requests at once
        and visitors may cancel them together: no number of remembered ones is enough, so every stream may be one.
        """
        self.require_begun(stream_id)

    def peer_goes_away(self, last_stream_id: int, code: int) -> None:
        """RFC 9113, 6.8: what is above was not begun, and may be repeated elsewhere."""
        self.goaway = True
        for stream in [stream for stream in self.streams.values() if stream.id > last_stream_id]:
            if not stream.is_reset:
                handler = stream.handler
                stream.drop()
                handler.reset(ErrorCode.REFUSED_STREAM)
        super().peer_goes_away(last_stream_id, code)

    def settle(self, stream: Stream) -> None:
        """As every connection; then there is room for another."""
        active = self.active
        super().settle(stream)
        if self.active < active:
            self._app.capacity_changed()


def _judge(stream: ResponseStream, head: ResponseHead, ended: bool) -> MessageError | None:
    """RFC 9113, 8.1 and 8.1.1: an interim response ends nothing, and a body is as long as was said."""
    if head.status < 200:
        return MessageRule.RESPONSE_INTERIM.error() if ended else None
    body = head.body(stream.method)
    if body is None:
        stream.remaining = 0
    elif head.framing is LENGTH:
        stream.remaining = head.length
        if ended:
            return MessageRule.RESPONSE_LENGTH.error()
    return None
