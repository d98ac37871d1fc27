"""Frames that carry messages: DATA, HEADERS, CONTINUATION (RFC 9113, 6.1, 6.2, 6.10 and 8.1)."""

from typing import Final

from gatekeeper.errors import HTTP2Error, MessageError
from gatekeeper.wire.http2.connection import Connection
from gatekeeper.wire.http2.control import require_other
from gatekeeper.wire.http2.fields import malformed, trailer_lines
from gatekeeper.wire.http2.frames import (
    END_HEADERS,
    END_STREAM,
    PADDED,
    PRIORITY_FLAG,
    ErrorCode,
    protocol_error,
    window_update_frame,
)
from gatekeeper.wire.http2.hpack import decode
from gatekeeper.wire.http2.stream import CONNECTION_WINDOW, Stream

# RFC 9113, 10.5.1 leaves it to us (CVE-2024-27983). Eight of 16 KiB are more than a header may have.
MAX_CONTINUATIONS: Final = 8
# How long a body that nobody wants is read on, so that its sender sees the response: nginx's lingering_time. Checked
# when some of it comes.
DISCARD_SECONDS: Final = 30.0


def data(connection: Connection, stream_id: int, flags: int, payload: bytes) -> None:
    """RFC 9113, 6.1."""
    if not stream_id:
        raise protocol_error("DATA on stream 0")
    size = len(payload)
    connection.receive_window -= size
    if connection.receive_window < 0:
        raise HTTP2Error(ErrorCode.FLOW_CONTROL_ERROR, "more than the connection's window")
    connection.received += size
    if connection.received * 2 >= CONNECTION_WINDOW:
        connection.out.append(window_update_frame(0, connection.received))
        connection.receive_window += connection.received
        connection.received = 0
    content = unpad(payload) if flags & PADDED else payload
    stream = connection.streams.get(stream_id)
    if content:
        connection.budget.earn()
    elif not flags & END_STREAM:
        connection.spend("empty DATA frames")
    if stream is None or stream.is_reset:
        if stream is None:
            connection.require_reset(stream_id)
        connection.spend("frames on streams that were reset", 0.25)
    elif stream.remote_ended:
        raise HTTP2Error(ErrorCode.STREAM_CLOSED, "DATA behind END_STREAM")  # RFC 9113, 5.1
    else:
        _content(connection, stream, content, size, bool(flags & END_STREAM))


def _content(connection: Connection, stream: Stream, content: bytes, size: int, end: bool) -> None:
    stream.receive_window -= size
    if stream.receive_window < 0:
        connection.stream_error(stream, ErrorCode.FLOW_CONTROL_ERROR)
        return
    if not stream.remote_begun:
        connection.stream_error(stream, ErrorCode.PROTOCOL_ERROR)  # RFC 9113, 8.1: content without a head
        return
    length = len(content)
    if stream.remaining >= 0:
        # RFC 9113, 8.1.1: a body of another length than announced. As soon as it shows: the app must not take a
        # message that is not one.
        stream.remaining -= length
        if stream.remaining < 0 or (end and stream.remaining):
            connection.stream_error(stream, ErrorCode.PROTOCOL_ERROR)
            return
    stream.held += size
    stream.remote_ended = end
    if size != length:
        stream.consumed(size - length)
    if stream.is_finished:
        _discard(connection, stream, length)
    elif length:
        stream.handler.content(content)
    if end:
        if not stream.is_reset:
            stream.handler.end(b"")
        connection.settle(stream)


def _discard(connection: Connection, stream: Stream, size: int) -> None:
    stream.consumed(size)
    if not stream.discard_until:
        stream.discard_until = connection.now + DISCARD_SECONDS
    elif connection.now > stream.discard_until and not stream.remote_ended:
        stream.reset(ErrorCode.NO_ERROR)  # RFC 9113, 8.1


def headers(connection: Connection, stream_id: int, flags: int, payload: bytes) -> None:
    """RFC 9113, 6.2."""
    if not stream_id:
        raise protocol_error("HEADERS on stream 0")
    if flags & PADDED:
        payload = unpad(payload)
    if flags & PRIORITY_FLAG:
        if len(payload) < 5:
            raise HTTP2Error(ErrorCode.FRAME_SIZE_ERROR, "HEADERS is too short for its priority")
        require_other(stream_id, payload)
        payload = payload[5:]  # RFC 9113, 5.3.2: ignored
    if flags & END_HEADERS:
        connection.block(stream_id, flags, payload)
    else:
        connection.block_stream, connection.block_flags = stream_id, flags
        connection.block_parts, connection.continuations = [payload], 0
        connection.await_block(stream_id)


def continuation(connection: Connection, stream_id: int, flags: int, payload: bytes) -> None:
    """RFC 9113, 6.10."""
    if not connection.block_stream:
        raise protocol_error("CONTINUATION without a field block")
    connection.block_parts.append(payload)
    connection.continuations += 1
    if connection.continuations > MAX_CONTINUATIONS or sum(map(len, connection.block_parts)) > connection.max_block:
        raise HTTP2Error(ErrorCode.ENHANCE_YOUR_CALM, "a field block has no end")
    if flags & END_HEADERS:
        block = b"".join(connection.block_parts)
        connection.block_stream, connection.block_parts = 0, []
        connection.block(stream_id, connection.block_flags, block)


def trailers(connection: Connection, stream: Stream, ended: bool, block: bytes) -> None:
    """The block behind a body (RFC 9113, 8.1)."""
    fields, connection.table = decode(connection.table, block)
    if stream.is_reset:
        return
    if stream.remote_ended:
        raise HTTP2Error(ErrorCode.STREAM_CLOSED, "HEADERS behind END_STREAM")
    try:
        if not ended or stream.remaining > 0:
            raise malformed("A trailer section does not end its message.")
        lines = trailer_lines(fields, connection.stripped)
    except MessageError:
        connection.stream_error(stream, ErrorCode.PROTOCOL_ERROR)
        return
    stream.remote_ended = True
    stream.handler.end(lines)
    connection.settle(stream)


def unpad(payload: bytes) -> bytes:
    """The payload without its padding (RFC 9113, 6.1)."""
    if not payload or payload[0] >= len(payload):
        raise protocol_error("padding is longer than its frame")
    return payload[1 : len(payload) - payload[0]]
