"""Frames about the connection and its streams (RFC 9113, 6.3 to 6.9)."""

from typing import Final

from gatekeeper.errors import HTTP2Error
from gatekeeper.wire.http2.connection import Connection
from gatekeeper.wire.http2.frames import (
    ACK,
    MAX_STREAM_ID,
    MAX_WINDOW,
    SETTINGS_ACK,
    ErrorCode,
    ping_frame,
    protocol_error,
    read_settings,
)

# SETTINGS with many parameters costs as much as several frames.
_SETTINGS_PER_TOKEN: Final = 16


def priority(connection: Connection, stream_id: int, flags: int, payload: bytes) -> None:
    """RFC 9113, 6.3: ignored, but for its form."""
    if not stream_id:
        raise protocol_error("PRIORITY on stream 0")
    if len(payload) != 5:
        raise HTTP2Error(ErrorCode.FRAME_SIZE_ERROR, "PRIORITY has not five bytes")
    require_other(stream_id, payload)
    connection.spend("PRIORITY frames")


def require_other(stream_id: int, priority: bytes) -> None:
    """RFC 7540, 5.3.1: a stream cannot depend on itself. An error of the stream there; RFC 9113, 5.4.1 allows this."""
    if int.from_bytes(priority[:4]) & MAX_STREAM_ID == stream_id:
        raise protocol_error("a stream depends on itself")


def rst_stream(connection: Connection, stream_id: int, flags: int, payload: bytes) -> None:
    """RFC 9113, 6.4."""
    if len(payload) != 4:
        raise HTTP2Error(ErrorCode.FRAME_SIZE_ERROR, "RST_STREAM has not four bytes")
    connection.require_begun(stream_id)
    connection.spend_reset("RST_STREAM frames")
    stream = connection.streams.get(stream_id)
    if stream is not None and not stream.is_reset:
        handler = stream.handler
        stream.drop()
        handler.reset(int.from_bytes(payload))


def settings(connection: Connection, stream_id: int, flags: int, payload: bytes) -> None:
    """RFC 9113, 6.5."""
    if stream_id:
        raise protocol_error("SETTINGS on a stream")
    if len(payload) % 6 or (flags & ACK and payload):
        raise HTTP2Error(ErrorCode.FRAME_SIZE_ERROR, "SETTINGS has a wrong length")
    connection.spend("SETTINGS frames", 1 + len(payload) // 6 / _SETTINGS_PER_TOKEN)
    if flags & ACK:
        connection.settings_acknowledged()
        return
    connection.settings_seen = True
    for name, value in read_settings(payload):
        connection.setting(name, value)
    connection.reply(SETTINGS_ACK)


def push_promise(connection: Connection, stream_id: int, flags: int, payload: bytes) -> None:
    """RFC 9113, 6.6 and 8.4: clients never send it, and servers not to us, who said so."""
    raise protocol_error("PUSH_PROMISE")


def ping(connection: Connection, stream_id: int, flags: int, payload: bytes) -> None:
    """RFC 9113, 6.7."""
    if stream_id:
        raise protocol_error("PING on a stream")
    if len(payload) != 8:
        raise HTTP2Error(ErrorCode.FRAME_SIZE_ERROR, "PING has not eight bytes")
    connection.spend("PING frames")
    if flags & ACK:
        connection.ping_acknowledged(payload)
    else:
        connection.reply(ping_frame(payload, ACK))


def goaway(connection: Connection, stream_id: int, flags: int, payload: bytes) -> None:
    """RFC 9113, 6.8."""
    if stream_id:
        raise protocol_error("GOAWAY on a stream")
    if len(payload) < 8:
        raise HTTP2Error(ErrorCode.FRAME_SIZE_ERROR, "GOAWAY is too short")
    connection.spend("GOAWAY frames")
    connection.peer_goes_away(int.from_bytes(payload[:4]) & MAX_STREAM_ID, int.from_bytes(payload[4:8]))


def window_update(connection: Connection, stream_id: int, flags: int, payload: bytes) -> None:
    """RFC 9113, 6.9."""
    if len(payload) != 4:
        raise HTTP2Error(ErrorCode.FRAME_SIZE_ERROR, "WINDOW_UPDATE has not four bytes")
    connection.spend("WINDOW_UPDATE frames")
    increment = int.from_bytes(payload) & MAX_WINDOW
    if not stream_id:
        if not increment:
            raise protocol_error("WINDOW_UPDATE by nothing")
        connection.send_window += increment
        if connection.send_window > MAX_WINDOW:
            raise HTTP2Error(ErrorCode.FLOW_CONTROL_ERROR, "the connection's window is too large")
        return
    connection.require_begun(stream_id)
    stream = connection.streams.get(stream_id)
    if stream is None or stream.is_reset:
        return
    if not increment:
        connection.stream_error(stream, ErrorCode.PROTOCOL_ERROR)
    elif stream.send_window + increment > MAX_WINDOW:
        connection.stream_error(stream, ErrorCode.FLOW_CONTROL_ERROR)
    else:
        stream.credit(increment)
