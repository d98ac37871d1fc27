"""A connection to the app: one exchange at a time, kept for the next."""

import asyncio
import os
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from gatekeeper.proxy.exchange import Exchange
    from gatekeeper.proxy.upstream.endpoint import Endpoint

# As for the client's side: how much of a request body may wait for a slow app.
WRITE_HIGH_WATER = 256 * 1024
# What the visitor said last in a tunnel gets this long to reach the app.
FINISH_SECONDS = 2.0
# As much as a socket of Linux holds by itself (tcp(7), tcp_rmem).
LEFT_BYTES = 6 * 1024 * 1024


class UpstreamConnection(asyncio.Protocol):
    """Carries an exchange to one place of an upstream. ``used_before`` tells a kept connection from a fresh one."""

    __slots__ = ("_eof", "endpoint", "exchange", "idle_since", "paused", "transport", "used_before")
    transport: asyncio.Transport

    def __init__(self, endpoint: "Endpoint") -> None:
        self.endpoint = endpoint
        self.exchange: Exchange | None = None
        self.used_before = False
        self.idle_since = 0.0
        self.paused = False
        self._eof = False

    # -- called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=WRITE_HIGH_WATER)
        self.endpoint.opened(self)

    def data_received(self, data: bytes) -> None:
        if self.exchange is not None:
            self.exchange.upstream_sent(data)
        else:
            # Nothing was asked: whatever this is, it must not become the answer to the next request.
            self.transport.abort()

    def eof_received(self) -> bool:
        tls = self.transport.get_extra_info("ssl_object")
        self._eof = tls is None or _said_goodbye(tls)
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self.endpoint.lost(self)
        if error is not None:
            self._read_what_is_left()
        if error is None and not self._eof:
            # RFC 9112, 9.8: without a goodbye anybody in between could have cut what ends with the connection.
            error = ConnectionResetError("closed without a TLS goodbye")
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            exchange.upstream_gone(error)

    def _read_what_is_left(self) -> None:
        """An app that answers before it has read the whole body, and closes, resets the connection (RFC 9112, 9.6).

        Whoever writes on is told of the reset before the answer is read, which the kernel still has.
        """
        socket = self.transport.get_extra_info("socket")
        if socket is None or self.transport.get_extra_info("ssl_object") is not None:
            return
        with suppress(OSError):
            for _ in range(0, LEFT_BYTES, WRITE_HIGH_WATER):
                left = os.read(socket.fileno(), WRITE_HIGH_WATER)
                if not left or self.exchange is None:
                    return
                self.exchange.upstream_sent(left)

    def pause_writing(self) -> None:
        if self.exchange is not None:
            self.exchange.upstream_is_slow()

    def resume_writing(self) -> None:
        if self.exchange is not None:
            self.exchange.upstream_is_ready()

    # -- called by the exchange and the pool

    def write(self, data: bytes) -> None:
        """Send to the app; nothing happens if it has gone."""
        if not self.transport.is_closing():
            self.transport.write(data)

    def pause_reading(self) -> None:
        """Take nothing more from the app until `resume_reading`."""
        if not self.paused and not self.transport.is_closing():
            self.paused = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Go on after `pause_reading`."""
        if self.paused and not self.transport.is_closing():
            self.paused = False
            self.transport.resume_reading()

    def finish(self, loop: asyncio.AbstractEventLoop) -> None:
        """Say goodbye behind what is on its way; an app that does not take it in time loses it."""
        self.exchange = None
        self.transport.close()
        loop.call_later(FINISH_SECONDS, self.transport.abort)

    def close(self) -> None:
        """Give the connection up, with whatever is on its way: the app sees a reset, not a finished request."""
        self.exchange = None
        self.transport.abort()


def _said_goodbye(tls: ssl.SSLObject) -> bool:
    """Whether the end of the connection came as close_notify. asyncio tells both ends alike, uvloop only this one."""
    try:
        return tls.read(1) == b""
    except ssl.SSLError:
        return False
