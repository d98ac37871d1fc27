"""HTTP/2 towards visitors: the server's half (RFC 9113, 8.3.1; RFC 8441)."""

from typing import Final, Protocol

from gatekeeper.errors import HTTP2Error
from gatekeeper.wire.framing import LENGTH
from gatekeeper.wire.http2.budget import Budget
from gatekeeper.wire.http2.connection import Connection, ConnectionHandler
from gatekeeper.wire.http2.frame_handlers import FRAME_HANDLERS
from gatekeeper.wire.http2.frames import (
    DEFAULT_WINDOW,
    ENABLE_CONNECT_PROTOCOL,
    END_STREAM,
    INITIAL_WINDOW_SIZE,
    MAX_CONCURRENT_STREAMS,
    MAX_HEADER_LIST_SIZE,
    MAX_STREAM_ID,
    NO_RFC7540_PRIORITIES,
    PREFACE,
    ErrorCode,
    goaway_frame,
    ping_frame,
    protocol_error,
    settings_frame,
    window_update_frame,
)
from gatekeeper.wire.http2.messages import trailers
from gatekeeper.wire.http2.requests import BlockReader, RejectedRequest
from gatekeeper.wire.http2.stream import CONNECTION_WINDOW, STREAM_WINDOW, Stream
from gatekeeper.wire.request import RequestHead

# RFC 9113, 6.5.2 recommends no less.
MAX_STREAMS: Final = 100
# Streams that the visitor left out, in so many places; Firefox begins with the third.
REMEMBERED_GAPS: Final = 8
_DRAINING: Final = b"draining"
_PROBE: Final = b"read yet"


class ServerHandler(ConnectionHandler, Protocol):
    """What the owner of a visitor's connection is told."""

    __slots__ = ()

    def request(self, stream: Stream, head: RequestHead, ended: bool) -> None:
        """A request. If ``ended``, it has no body, and `StreamHandler.end` is not called.

        Set ``stream.handler`` and answer it, now or later; call `Stream.finished` last. Where ``head.upgrade``, it is
        a WebSocket handshake by extended CONNECT: answer it by `Stream.switch`, and what comes and goes is the
        tunnel's. The app gets ``Sec-WebSocket-Key`` from whoever forwards it: none came.
        """
        ...

    def rejected(self, stream: Stream, request: RejectedRequest) -> None:
        """A request that is malformed or too large: answer it with ``request.error``, and call `Stream.finished`.

        What else comes on the stream is thrown away. RFC 9113, 8.1.1 allows the answer before the stream error.
        """
        ...

    def header_begun(self) -> None:
        """The beginning of a request's header, or of its trailers, has come. Most come whole, and are not told of."""
        ...

    def probed(self) -> None:
        """The visitor has read all that had been sent when `ServerConnection.probe` was called last."""
        ...


class ServerConnection(Connection):
    """One connection of a visitor. Its first bytes to send, SETTINGS, are there at once.

    ``max_streams`` are how many requests may be in hand at once: those that the visitor cancelled count until their
    owner has finished with them (CVE-2023-44487). It may be set higher for what comes before the visitor knows what was
    announced. ``cache`` is whether heads may be cached with those of others that were let in. It may be set at any
    time.
    """

    __slots__ = ("_announced", "_cancelled", "_probes", "_reader", "_server", "_skipped", "cache", "max_streams")

    def __init__(
        self, handler: ServerHandler, reader: BlockReader, *, max_streams: int = MAX_STREAMS, cache: bool = True
    ) -> None:
        super().__init__(handler, reader.reader.limits.head, reader.reader.stripped, FRAME_HANDLERS)
        self._server = handler
        self._reader = reader
        self._probes = 0
        self._announced = self.max_streams = max_streams
        self._cancelled = Budget()
        self._skipped: tuple[range, ...] = ()
        self.cache = cache
        self._preface = PREFACE
        settings = (
            (MAX_CONCURRENT_STREAMS, max_streams),
            (INITIAL_WINDOW_SIZE, STREAM_WINDOW),
            (MAX_HEADER_LIST_SIZE, reader.reader.limits.head),
            (ENABLE_CONNECT_PROTOCOL, 1),
            (NO_RFC7540_PRIORITIES, 1),
        )
        self.out += settings_frame(settings), window_update_frame(0, CONNECTION_WINDOW - DEFAULT_WINDOW)

    def renew(self, reader: BlockReader) -> None:
        """Read what follows by another reader: after a reload other names may be the gate's own."""
        self._reader = reader
        self.stripped = reader.reader.stripped

    def block(self, stream_id: int, flags: int, block: bytes) -> None:
        """A request, or the trailers of one."""
        ended = flags & END_STREAM != 0  # bool() is a call
        if stream_id <= self.last_stream_id or not stream_id & 1 or self.sent_goaway >= 0:
            self._block_of_none_new(stream_id, ended, block)
            return
        read, self.table = self._reader.read(self.table, block, ended=ended, cache=self.cache)
        if stream_id - self.last_stream_id > 2:
            self._skipped = *self._skipped[1 - REMEMBERED_GAPS :], range(self.last_stream_id + 1 | 1, stream_id, 2)
        self.last_stream_id = stream_id
        if self.active >= self.max_streams:
            self.refuse_stream(stream_id, ErrorCode.REFUSED_STREAM)  # RFC 9113, 5.1.2
            return
        stream = self.streams[stream_id] = Stream(self, stream_id, self.peer_window, STREAM_WINDOW)
        self.active += 1
        stream.remote_ended = ended
        if isinstance(read, RejectedRequest):
            self._server.rejected(stream, read)
            return
        if not ended and read.block.framing is LENGTH:
            stream.remaining = read.block.length
        self._server.request(stream, read, ended)

    def _block_of_none_new(self, stream_id: int, ended: bool, block: bytes) -> None:
        """Trailers, or what comes on a stream that is over, or begun in vain."""
        stream = self.streams.get(stream_id)
        if stream is not None:
            trailers(self, stream, ended, block)
            return
        if stream_id <= self.last_stream_id or not stream_id & 1:
            if any(stream_id in gap for gap in self._skipped):
                raise protocol_error("a stream begins behind a later one")  # RFC 9113, 5.1.1
            self.require_reset(stream_id)
        _, self.table = self._reader.read(self.table, block, ended=ended, cache=self.cache)
        self.spend("field blocks on streams that are over")  # RFC 9113, 6.8: read on for the table's sake

    def spend_reset(self, what: str) -> None:
        """Count a stream that was reset, by whomever: its request may have begun to cost the app something, for
        a few bytes (CVE-2023-44487, CVE-2025-8671). Only requests that were answered earn some, and no content of
        requests: a byte with each would make the limit void.
        """
        self._cancelled.earn(self.completed)
        self.completed = 0
        if not self._cancelled.spend(self.now):
            raise HTTP2Error(ErrorCode.ENHANCE_YOUR_CALM, f"too many {what}")

    def block_begun(self) -> None:
        """Tell the owner, who knows how long the rest may take."""
        self._server.header_begun()

    def drain(self) -> None:
        """Ask the visitor to begin no further request, but take those that are on their way (RFC 9113, 6.8).

        `go_away` follows by itself when the visitor has read this; call it after a second in any case.
        """
        if self.sent_goaway < 0 and self.failure is None:
            self.out += goaway_frame(MAX_STREAM_ID, ErrorCode.NO_ERROR), ping_frame(_DRAINING)

    def probe(self) -> None:
        """Find out when the visitor has read what was sent by now: what it sent before has come then (RFC 9113, 6.7).

        `ServerHandler.probed` is called, unless the visitor leaves PING unanswered.
        """
        self._probes += 1
        self.out.append(ping_frame(_PROBE))

    def settings_acknowledged(self) -> None:
        """No more streams than were announced (RFC 9113, 5.1.2), whatever ``max_streams`` was until now."""
        self.max_streams = self._announced

    def ping_acknowledged(self, data: bytes) -> None:
        """What was sent before our PING has been read, and what crossed it has come."""
        if data == _DRAINING:
            self.go_away()
        elif data == _PROBE and self._probes:
            self._probes -= 1
            if not self._probes:
                self._server.probed()
