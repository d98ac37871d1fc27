"""How the connection to an app ended: what the kernel still holds of a response, and whether TLS ended properly."""

import asyncio
import os
import ssl
from collections.abc import Iterator
from typing import Final

# As much as a socket of Linux holds by itself (tcp(7), tcp_rmem).
LEFT_BYTES: Final = 6 * 1024 * 1024
_PIECE: Final = 256 * 1024


def left_unread(transport: asyncio.Transport) -> Iterator[bytes]:
    """What came before a connection without TLS was reset, in pieces.

    An app that answers before it has read the whole body, and closes, resets the connection (RFC 9112, 9.6). Whoever
    writes on is told of the reset before the answer is read, which the kernel still has.
    """
    socket = transport.get_extra_info("socket")
    if socket is None or transport.get_extra_info("ssl_object") is not None:
        return
    for _ in range(0, LEFT_BYTES, _PIECE):
        try:
            left = os.read(socket.fileno(), _PIECE)
        except OSError:
            return
        if not left:
            return
        yield left


def ends_properly(transport: asyncio.Transport) -> bool:
    """Whether an end that was read from the socket is one: with TLS, it has to come as close_notify. asyncio tells both
    ends alike, uvloop only this one.
    """
    tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
    if tls is None:
        return True
    try:
        return tls.read(1) == b""
    except ssl.SSLError:
        return False
