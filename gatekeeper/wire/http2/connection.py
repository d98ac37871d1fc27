"""What both ends of an HTTP/2 connection do alike: frames, settings, flow control, limits (RFC 9113, 3 to 6)."""

from collections.abc import Callable
from typing import Final, Protocol

from gatekeeper.errors import HTTP2Error
from gatekeeper.wire.foreign import NameSet
from gatekeeper.wire.http2.frames import (
    ACK,
    CONTINUATION,
    DEFAULT_WINDOW,
    ENABLE_CONNECT_PROTOCOL,
    ENABLE_PUSH,
    HEADER,
    HEADER_BYTES,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    MAX_FRAME,
    MAX_FRAME_SIZE,
    MAX_STREAM_ID,
    MAX_WINDOW,
    NO_RFC7540_PRIORITIES,
    SETTINGS,
    ErrorCode,
    goaway_frame,
    protocol_error,
    rst_stream_frame,
)
from gatekeeper.wire.http2.hpack import EMPTY
from gatekeeper.wire.http2.stream import CONNECTION_WINDOW, STREAM_WINDOW, Link, Stream

# Acknowledgements and resets that wait for a peer who does not read (CVE-2019-9512, CVE-2019-9515).
MAX_QUEUED_REPLIES: Final = 100

_NONE: Final = -1 << 31  # no stream
_unpack_header: Final = HEADER.unpack_from
# RFC 9113, 6.5.2; RFC 8441, 3; RFC 9218, 2.1.
_BOOLEAN_SETTINGS: Final = frozenset({ENABLE_PUSH, ENABLE_CONNECT_PROTOCOL, NO_RFC7540_PRIORITIES})


class ConnectionHandler(Protocol):
    """What the owner of a connection is told."""

    __slots__ = ()

    def going_away(self, last_stream_id: int, code: int) -> None:
        """The peer sent GOAWAY: it begins no new streams, and takes none above ``last_stream_id``."""
        ...

    def failed(self, error: HTTP2Error) -> None:
        """A connection error; GOAWAY waits in `Connection.data_to_send`. All streams are lost; the handlers of those
        in `Connection.streams` were not told.
        """
        ...


class Connection(Link):
    """One connection, without its role. Feed `receive`; after each call of anything here, send `data_to_send`."""

    __slots__ = (
        "_frame_handlers",
        "_handler",
        "_held",
        "_late_block",
        "_preface",
        "active",
        "block_flags",
        "block_parts",
        "block_stream",
        "completed",
        "continuations",
        "failure",
        "last_stream_id",
        "max_block",
        "peer_window",
        "receive_window",
        "received",
        "sent_goaway",
        "settings_seen",
        "streams",
        "stripped",
        "table",
    )

    def __init__(
        self,
        handler: ConnectionHandler,
        header_limit: int,
        stripped: NameSet,
        frame_handlers: "tuple[FrameHandler, ...]",
    ) -> None:
        super().__init__()
        self._handler = handler
        self._frame_handlers = frame_handlers
        self.max_block = 2 * header_limit  # over the limit, an answer is owed; over this, nothing
        self.stripped = stripped
        self.streams: dict[int, Stream] = {}
        self.active = 0
        self.completed = 0  # requests that had their response
        self.failure: HTTP2Error | None = None
        self.table = EMPTY
        self.last_stream_id = 0
        self.sent_goaway = -1
        self.peer_window = DEFAULT_WINDOW
        self.receive_window = CONNECTION_WINDOW
        self._preface = b""
        self.settings_seen = False
        self._held = b""
        self.received = 0
        # An open field block (RFC 9113, 6.10).
        self.block_stream = 0
        self.block_flags = 0
        self.block_parts: list[bytes] = []
        self.continuations = 0
        self._late_block = _NONE  # the last that did not come at once: its stream, negative for trailers

    # Receiving.

    def receive(self, data: bytes, now: float) -> None:
        """Take bytes of the peer. ``now`` is in seconds, of any steady clock."""
        if self.failure is not None:
            return
        self.now = now
        try:
            if self._replies > MAX_QUEUED_REPLIES:
                raise HTTP2Error(ErrorCode.ENHANCE_YOUR_CALM, "replies pile up, the peer does not read")
            if self._held:
                data, self._held = self._held + data, b""
            if self._preface and not (data := self._read_preface(data)):
                return
            self._frames(data)
        except HTTP2Error as error:
            self.fail(error)

    def _read_preface(self, data: bytes) -> bytes:
        """RFC 9113, 3.4: what a client says first."""
        size = len(self._preface)
        if data[:size] != self._preface[: len(data)]:
            raise HTTP2Error(ErrorCode.PROTOCOL_ERROR, "no connection preface")
        if len(data) < size:
            self._held = data
            return b""
        self._preface = b""
        return data[size:]

    def _frames(self, data: bytes) -> None:
        at, size = 0, len(data)
        while (start := at + HEADER_BYTES) <= size:
            high, low, kind, flags, stream_id = _unpack_header(data, at)
            length = high << 8 | low
            if length > MAX_FRAME:
                raise HTTP2Error(ErrorCode.FRAME_SIZE_ERROR, "a frame is larger than allowed")  # RFC 9113, 4.2
            end = start + length
            if end > size:
                if kind == HEADERS and not self.block_stream:
                    self.await_block(stream_id & MAX_STREAM_ID)
                break
            payload, at = data[start:end], end
            stream_id &= MAX_STREAM_ID
            if self.block_stream and (kind != CONTINUATION or stream_id != self.block_stream):
                raise protocol_error("a field block is interrupted")  # RFC 9113, 6.10
            if not self.settings_seen and (kind != SETTINGS or flags & ACK):
                raise protocol_error("the first frame is not SETTINGS")  # RFC 9113, 3.4
            if kind <= CONTINUATION:
                self._frame_handlers[kind](self, stream_id, flags, payload)
            else:
                self.spend("frames of unknown types")  # RFC 9113, 5.5: ignored
        if at < size:
            self._held = data[at:] if at else data

    def spend(self, what: str, cost: float = 1.0) -> None:
        """Count a frame that carries nothing; HTTP2Error with ENHANCE_YOUR_CALM if there were too many."""
        if not self.budget.spend(self.now, cost):
            raise HTTP2Error(ErrorCode.ENHANCE_YOUR_CALM, f"too many {what}")

    def spend_reset(self, what: str) -> None:
        """Count a stream that the peer reset, or made us reset."""
        self.spend(what)

    def await_block(self, stream_id: int) -> None:
        """The beginning of a field block has come, and not its end. Called for each part of it."""
        block = stream_id if stream_id > self.last_stream_id else -stream_id
        if block != self._late_block:
            self._late_block = block
            self.block_begun()

    def block_begun(self) -> None:
        """A field block has begun whose end has not come yet."""

    def expire_block(self) -> None:
        """The time for what `block_begun` told of is over: a connection error, unless its end has come."""
        self._late_block = _NONE
        held = self._held
        unfinished = self.block_stream or (len(held) >= HEADER_BYTES and held[3] == HEADERS)
        if unfinished and self.failure is None:
            self.fail(HTTP2Error(ErrorCode.ENHANCE_YOUR_CALM, "a header did not arrive in time"))

    def block(self, stream_id: int, flags: int, block: bytes) -> None:
        """A complete field block of a stream."""
        raise NotImplementedError

    def setting(self, name: int, value: int) -> None:
        """One parameter of the peer's (RFC 9113, 6.5.2); those not named here are not about us, or ignored."""
        if name == INITIAL_WINDOW_SIZE:
            if value > MAX_WINDOW:
                raise HTTP2Error(ErrorCode.FLOW_CONTROL_ERROR, "the initial window is too large")
            change, self.peer_window = value - self.peer_window, value
            for stream in self.streams.values():
                if stream.send_window + change > MAX_WINDOW:
                    raise HTTP2Error(ErrorCode.FLOW_CONTROL_ERROR, "a window is too large")  # RFC 9113, 6.9.2
                stream.credit(change)
        elif name == MAX_FRAME_SIZE:
            if not MAX_FRAME <= value < 2**24:
                raise protocol_error("a frame size that no peer may have")
        elif name in _BOOLEAN_SETTINGS and value > 1:
            raise protocol_error("a setting that is neither 0 nor 1")

    def settings_acknowledged(self) -> None:
        """The peer holds itself to our SETTINGS from now on (RFC 9113, 6.5.3)."""

    def ping_acknowledged(self, data: bytes) -> None:
        """The answer to a PING of ours."""

    def peer_goes_away(self, last_stream_id: int, code: int) -> None:
        """GOAWAY came."""
        self._handler.going_away(last_stream_id, code)

    # Errors.

    def require_begun(self, stream_id: int) -> None:
        """A connection error for a frame on stream 0 or on an idle stream (RFC 9113, 5.1)."""
        if 0 <= self.sent_goaway < stream_id:
            return  # RFC 9113, 6.8: begun in vain
        if not stream_id & 1 or stream_id > self.last_stream_id:  # the server's are even, and it begins none
            raise protocol_error("a frame on a stream that was never begun")

    def require_reset(self, stream_id: int) -> None:
        """A connection error for a frame on a closed stream, unless it may have crossed our RST_STREAM or GOAWAY."""
        self.require_begun(stream_id)
        if stream_id not in self._resets and not 0 <= self.sent_goaway < stream_id:
            raise HTTP2Error(ErrorCode.STREAM_CLOSED, "a frame on a closed stream")  # RFC 9113, 5.1

    def stream_error(self, stream: Stream, code: int) -> None:
        """RFC 9113, 5.4.2: the peer broke a rule of this stream alone."""
        handler = stream.handler
        stream.drop()
        self.refuse_stream(stream.id, code)
        handler.reset(code)

    def refuse_stream(self, stream_id: int, code: int) -> None:
        """RST_STREAM for what the peer did; too many of these are a flood too (CVE-2025-8671)."""
        self.remember_reset(stream_id)
        self.reply(rst_stream_frame(stream_id, code))
        self.spend_reset("streams that had to be reset")

    def fail(self, error: HTTP2Error) -> None:
        """RFC 9113, 5.4.1."""
        self.failure = error
        self.out.append(goaway_frame(self.last_stream_id, error.code))
        self._held = b""
        self.ready.clear()
        self._handler.failed(error)

    # Sending.

    def go_away(self, code: int = ErrorCode.NO_ERROR) -> None:
        """GOAWAY: streams that the peer begins from now on are ignored; it may repeat them elsewhere."""
        if self.sent_goaway < 0 and self.failure is None:
            self.sent_goaway = self.last_stream_id
            self.out.append(goaway_frame(self.last_stream_id, code))

    # Of its streams.

    def settle(self, stream: Stream) -> None:
        """Forget a stream that is over, for the peer and for its owner."""
        over = stream.is_finished and (stream.is_reset or (stream.ended and stream.remote_ended))
        if over and self.streams.pop(stream.id, None) is not None:
            self.active -= 1
            if not stream.is_reset:
                self.completed += 1
            if stream.window != STREAM_WINDOW:
                self._grown -= stream.window - STREAM_WINDOW


FrameHandler = Callable[[Connection, int, int, bytes], None]
"""Acts on a frame: stream, flags, payload. `frame_handlers.FRAME_HANDLERS` has one for each type."""
