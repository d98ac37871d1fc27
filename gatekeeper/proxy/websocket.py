"""WebSockets (RFC 6455): the key of a handshake, and where the frames of a tunnel end.

A close frame of the gate's own can be sent between two frames, also in the middle of a fragmented message (5.4), but
not inside of one. Nothing is unpacked, checked or changed.
"""

import base64
import hashlib
import os
from typing import Final

from gatekeeper.wire.response import ResponseHead

GOING_AWAY, POLICY_VIOLATION = 1001, 1008  # RFC 6455, 7.4.1

# RFC 6455, 1.3.
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

_CLOSE: Final = 0x8
_OPCODE: Final = 0x0F
_FIN: Final = 0x80
_MASKED, _LENGTH = 0x80, 0x7F
_LONGER: Final = {126: 2, 127: 8}  # so many bytes of length follow
_KEY: Final = 4
_MOST: Final = 125  # the payload of a control frame (RFC 6455, 5.5)


def new_key() -> bytes:
    """A value for Sec-WebSocket-Key (RFC 6455, 4.1)."""
    return base64.b64encode(os.urandom(16))


def accept_of(key: bytes) -> bytes:
    """The Sec-WebSocket-Accept that answers a key (RFC 6455, 4.2.2)."""
    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())


def accepts(head: ResponseHead, accept: bytes) -> bool:
    """RFC 6455, 4.1: an app that does not know the key did not mean this handshake."""
    lines = [line.partition(b":") for line in head.fields.split(b"\r\n")]
    return [value.strip() for name, _, value in lines if name.lower() == b"sec-websocket-accept"] == [accept]


class FrameTracker:
    """Follows the frames of the app's side of a tunnel (RFC 6455, 5.2), only to know where each one ends.

    ``closed`` tells that the app itself has sent a close frame.
    """

    __slots__ = ("_left", "_start", "closed")

    def __init__(self) -> None:
        self._left = 0  # of the frame under way
        self._start = b""  # of the next one's header
        self.closed = False

    @property
    def between(self) -> bool:
        """Whether the next byte is the first of a frame."""
        return not self._left and not self._start

    def feed(self, data: bytes) -> None:
        """Follow these bytes, which go to the client."""
        if len(data) <= self._left:
            self._left -= len(data)
            return
        size = len(data)
        between = not self._left and not self._start
        if between and 1 < size <= _MOST + 2 and data[1] == size - 2 and data[0] & _OPCODE != _CLOSE:
            return  # one whole frame, short and not masked, as most messages are: 0.2 µs instead of 1
        data, at, self._left = self._start + data, self._left, 0
        size = len(data)
        while at < size:
            header = _header_length(data, at)
            if size - at < header:
                break
            end = at + header + _payload_length(data, at)
            self.closed = self.closed or data[at] & _OPCODE == _CLOSE
            if end > size:
                self._left = end - size
            at = end
        self._start = data[at:]


def _header_length(data: bytes, at: int) -> int:
    """Of the frame that begins at ``at``; 2 while its second byte is not there."""
    if len(data) - at < 2:
        return 2
    second = data[at + 1]
    return 2 + _LONGER.get(second & _LENGTH, 0) + (_KEY if second & _MASKED else 0)


def _payload_length(data: bytes, at: int) -> int:
    short = data[at + 1] & _LENGTH
    longer = _LONGER.get(short)
    return short if longer is None else int.from_bytes(data[at + 2 : at + 2 + longer], "big")


def close_frame(code: int, reason: str) -> bytes:
    """A server's close frame (RFC 6455, 5.5.1), not masked; the reason is cut to what fits."""
    payload = code.to_bytes(2, "big") + reason.encode()[: _MOST - 2].decode(errors="ignore").encode()
    return bytes((_FIN | _CLOSE, len(payload))) + payload
