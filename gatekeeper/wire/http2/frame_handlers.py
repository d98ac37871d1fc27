"""Which function acts on which type of frame (RFC 9113, 6)."""

from typing import Final

from gatekeeper.wire.http2.connection import FrameHandler
from gatekeeper.wire.http2.control import goaway, ping, priority, push_promise, rst_stream, settings, window_update
from gatekeeper.wire.http2.messages import continuation, data, headers

FRAME_HANDLERS: Final[tuple[FrameHandler, ...]] = (
    data,
    headers,
    priority,
    rst_stream,
    settings,
    push_promise,
    ping,
    goaway,
    window_update,
    continuation,
)
