"""One stream, as its owner sees it: what to call, and what is called (RFC 9113, 5)."""

from collections import deque
from typing import Final, Protocol

from gatekeeper.errors import MessageError
from gatekeeper.wire.http2.budget import BURST, Budget
from gatekeeper.wire.http2.encode import NO_TABLE, encode_lines, encode_response, encode_switch
from gatekeeper.wire.http2.frames import (
    DATA,
    DEFAULT_WINDOW,
    END_STREAM,
    MAX_FRAME,
    ErrorCode,
    frame_header,
    headers_frames,
    rst_stream_frame,
    whole_message,
    window_update_frame,
)
from gatekeeper.wire.response import ResponseHead

# Ours for the peer. A stream's grows while its owner keeps up; the connection's is given back as bytes come, because
# each stream is bounded by its own: one stalled stream must not stall the others.
STREAM_WINDOW: Final = 64 * 1024
CONNECTION_WINDOW: Final = 1024 * 1024
# What may wait in a stream before its owner should stop, and at how much it hears that it may go on.
SEND_HIGH: Final = 64 * 1024
SEND_LOW: Final = 16 * 1024
# A window grows while the owner takes all that comes: 64 KiB at a round trip of 50 ms are 1.3 MB/s.
MAX_STREAM_WINDOW: Final = 1024 * 1024
# By how much the windows of all streams may have grown together: what one connection can make us hold.
GROWTH: Final = 4 * 1024 * 1024
# What `Link.data_to_send` gives at once: four frames, a turn for four streams.
CHUNK: Final = 64 * 1024
# Streams that we reset: frames of theirs may be on the way, and are no error (RFC 9113, 5.1).
REMEMBERED_RESETS: Final = 256


class StreamHandler(Protocol):
    """What the owner of a stream is told. Each may call the stream."""

    __slots__ = ()

    def content(self, data: bytes) -> None:
        """Body bytes came. They count against the window until `Stream.consumed` is told of them."""
        ...

    def end(self, trailers: bytes) -> None:
        """The peer's message is complete; ``trailers`` are those that pass, as lines of HTTP/1.1."""
        ...

    def reset(self, code: int) -> None:
        """The stream is over before its time: the peer reset it, or broke a rule and was reset. Nothing may be sent."""
        ...

    def writable(self) -> None:
        """`Stream.unsent` fell to `SEND_LOW` after it had been above `SEND_HIGH`."""
        ...


class ResponseHandler(StreamHandler, Protocol):
    """The same for the owner of a request to an app."""

    __slots__ = ()

    def interim(self, head: ResponseHead) -> None:
        """A response 1xx; others follow."""
        ...

    def response(self, head: ResponseHead, ended: bool) -> None:
        """The response. If ``ended``, there is no body, and `end` is not called."""
        ...

    def malformed(self, error: MessageError) -> None:
        """The response is one that no client should see; the stream was reset."""
        ...


class Ignore:
    """The handler of a stream that has no other one: it ignores every event."""

    def content(self, data: bytes) -> None:
        """Ignored."""

    def end(self, trailers: bytes) -> None:
        """Ignored."""

    def reset(self, code: int) -> None:
        """Ignored."""

    def writable(self) -> None:
        """Ignored."""


IGNORE: Final = Ignore()


class Stream:
    """One request and its response. The owner sets ``handler`` and calls `finished` last; the connection does the rest.

    ``unsent`` are body bytes that wait here for the peer's windows: their progress is what an idle timeout should look
    at, not frames.
    """

    __slots__ = (
        "_queue",
        "_trailers",
        "_uncredited",
        "connection",
        "discard_until",
        "ended",
        "ending",
        "handler",
        "held",
        "id",
        "is_finished",
        "is_reset",
        "queued",
        "receive_window",
        "remaining",
        "remote_begun",
        "remote_ended",
        "send_window",
        "slow",
        "unsent",
        "window",
    )

    def __init__(self, connection: "Link", stream_id: int, send_window: int, window: int) -> None:
        self.connection = connection
        self.id = stream_id
        self.handler: StreamHandler = IGNORE
        # The peer's side.
        self.remote_begun = True  # the head of its message came: a request, or the final response
        self.remote_ended = False
        self.window = self.receive_window = window
        self.remaining = -1  # of the length that was announced; -1 if none was
        self.held = 0  # received and not yet consumed
        self._uncredited = 0
        self.discard_until = 0.0
        # Ours.
        self.send_window = send_window
        self.unsent = 0
        self.slow = False
        self.queued = False  # among the connection's ready streams
        self.ending = False  # END_STREAM waits behind what is unsent
        self.ended = False  # END_STREAM was sent
        self._queue: deque[memoryview] | None = None  # most responses are sent in one piece
        self._trailers = b""
        # Both.
        self.is_reset = False
        self.is_finished = False

    # Sending, server: a response.

    def send_whole(self, head: ResponseHead, content: bytes, lines: bytes = b"") -> None:
        """A complete response in one call; ``lines`` are header lines behind those of ``head``."""
        connection, size = self.connection, len(content)
        block = encode_response(head, lines) if lines or not head.hpack else head.hpack
        if (
            not 0 < size <= MAX_FRAME
            or len(block) >= MAX_FRAME
            or size > self.send_window
            or size > connection.send_window
            or connection.ready
            or self.is_reset
        ):
            self.send_block(block, end=not size)
            self.send_content(content)
            if size:
                self.send_end()
            return
        if connection.first_block:
            block, connection.first_block = connection.first_block + block, b""
        self.send_window -= size
        connection.send_window -= size
        if connection.budget.left < BURST:  # a call saved
            connection.budget.earn()
        connection.out += whole_message(self.id, block, content)
        self.ending = self.ended = True

    def send_head(self, head: ResponseHead, lines: bytes = b"", *, end: bool = False) -> None:
        """The head of a response; ``end`` if neither body nor trailers follow. An interim head goes the same way."""
        self.send_block(encode_response(head, lines), end=end)

    def switch(self, head: ResponseHead, lines: bytes = b"") -> None:
        """An app's 101 to a WebSocket handshake; what follows in both directions is the tunnel's (RFC 8441)."""
        self.send_block(encode_switch(head, lines), end=False)

    # Sending, both roles.

    def send_block(self, block: bytes, *, end: bool) -> None:
        """A field block that is ready for the wire."""
        if self.is_reset or self.ended:
            return
        connection = self.connection
        if connection.first_block:
            block, connection.first_block = connection.first_block + block, b""
        connection.out.append(headers_frames(self.id, block, END_STREAM if end else 0))
        if end:
            self._end()

    def send_content(self, content: bytes) -> None:
        """Body bytes; they wait in ``unsent`` for windows and for their turn."""
        if not content or self.is_reset or self.ending:
            return
        if self._queue is None:
            self._queue = deque()
        self._queue.append(memoryview(content))
        self.unsent += len(content)
        self.slow = self.slow or self.unsent > SEND_HIGH
        self._enqueue()

    def send_end(self, trailers: bytes = b"") -> None:
        """The end of our message, behind what is unsent; ``trailers`` are lines of HTTP/1.1."""
        if self.is_reset or self.ending or self.ended:
            return
        self.ending = True
        self._trailers = encode_lines(trailers) if trailers else b""
        if not self.unsent:
            self._send_end()

    def reset(self, code: int = ErrorCode.CANCEL) -> None:
        """RST_STREAM: the message is cut, or nobody wants the rest. The handler is not told."""
        if not self.is_reset and not (self.ended and self.remote_ended):
            self.connection.out.append(rst_stream_frame(self.id, code))
            self.connection.remember_reset(self.id)
        self.drop()

    # Receiving, both roles.

    def consumed(self, size: int) -> None:
        """``size`` bytes of content went on, or were thrown away: the peer may send as many more (RFC 9113, 6.9)."""
        self.held -= size
        self._uncredited += size
        if self._uncredited * 2 < self.window or self.remote_ended or self.is_reset:
            return
        if not self.held and self.window < MAX_STREAM_WINDOW and self.connection.may_grow(self.window):
            self._uncredited += self.window
            self.window *= 2
        self.receive_window += self._uncredited
        self.connection.out.append(window_update_frame(self.id, self._uncredited))
        self._uncredited = 0

    def finished(self) -> None:
        """The owner's last call: nothing more is wanted. What still comes is read on and thrown away for a time, so
        that clients see a response that came before the end of their upload; what is unsent still goes out.
        """
        if self.is_finished:
            return
        self.is_finished = True
        self.handler = IGNORE
        if self.held and not self.remote_ended:
            self.consumed(self.held)
        self.connection.settle(self)

    # The connection's.

    def write_frame(self, room: int) -> int:
        """Send the next DATA frame, of at most ``room`` bytes; what it took of the windows."""
        queue = self._queue
        assert queue  # noqa: S101 - only streams with unsent content are ready
        piece = queue[0]
        size = min(len(piece), room, self.send_window, MAX_FRAME)
        if size == len(piece):
            queue.popleft()
        else:
            piece, queue[0] = piece[:size], piece[size:]
        self.unsent -= size
        self.send_window -= size
        last = self.ending and not self.unsent
        flags = END_STREAM if last and not self._trailers else 0
        self.connection.out += frame_header(size, DATA, flags, self.id), piece
        if flags:
            self._end()
        elif last:
            self._send_end()
        return size

    def credit(self, increment: int) -> None:
        """The peer's window for us grew, or shrank below zero (RFC 9113, 6.9.2)."""
        self.send_window += increment
        self._enqueue()

    def drop(self) -> None:
        """The stream is reset, by whomever: nothing that waits goes out."""
        self.is_reset = True
        self._queue = None
        self.unsent = 0
        self.connection.settle(self)

    def _enqueue(self) -> None:
        if self.unsent and not self.queued and self.send_window > 0:
            self.queued = True
            self.connection.ready.append(self)

    def _send_end(self) -> None:
        if self._trailers:
            self.send_block(self._trailers, end=True)
        else:
            self.connection.out.append(frame_header(0, DATA, END_STREAM, self.id))
            self._end()

    def _end(self) -> None:
        self.ending = self.ended = True
        if self.is_finished:
            self.connection.settle(self)


class Link:
    """The sending half of a connection, and what it holds for its streams. `connection.Connection` is the other half.

    ``out`` are bytes for the peer in their order, ``ready`` the streams with content that their windows let pass, and
    ``now`` is when the last bytes of the peer came.
    """

    __slots__ = ("_grown", "_replies", "_resets", "budget", "first_block", "now", "out", "ready", "send_window")

    def __init__(self) -> None:
        self.out: list[bytes | memoryview] = []
        self.ready: deque[Stream] = deque()
        self.budget = Budget()
        self.first_block = NO_TABLE
        self.send_window = DEFAULT_WINDOW
        self.now = 0.0
        self._grown = 0
        self._replies = 0
        self._resets: dict[int, None] = {}

    def reply(self, frame: bytes) -> None:
        """Queue a frame that the peer asked for."""
        self._replies += 1
        self.out.append(frame)

    def data_to_send(self) -> bytes:
        """The next bytes for the peer: what is due, then a frame of each ready stream in turn up to some `CHUNK`.

        b"" if there is nothing now. Call it again while the transport takes more.
        """
        if self.ready:
            self._send_content()
        out = self.out
        if not out:
            return b""
        self.out = []
        self._replies = 0
        return b"".join(out)

    def _send_content(self) -> None:
        ready, room = self.ready, CHUNK
        relieved: list[Stream] = []
        while ready and room > 0 and self.send_window > 0:
            stream = ready.popleft()
            stream.queued = False
            if not stream.unsent or stream.send_window <= 0:
                continue
            size = stream.write_frame(self.send_window)
            self.budget.earn()
            self.send_window -= size
            room -= size
            stream.credit(0)
            if stream.slow and stream.unsent <= SEND_LOW:
                stream.slow = False
                relieved.append(stream)
        for stream in relieved:
            stream.handler.writable()

    def remember_reset(self, stream_id: int) -> None:
        """Take note that we reset this stream."""
        if len(self._resets) >= REMEMBERED_RESETS:
            del self._resets[next(iter(self._resets))]
        self._resets[stream_id] = None

    def may_grow(self, size: int) -> bool:
        """Whether a stream's window may grow by so much."""
        if self._grown + size > GROWTH:
            return False
        self._grown += size
        return True

    def settle(self, stream: Stream) -> None:
        """The stream may be over: both sides have ended, and its owner has finished."""
        raise NotImplementedError
