"""HTTP/2 to an app (RFC 9113): one connection is shared by as many requests as the app takes at a time.

What the app sends is read as a whole first and told to the exchanges afterwards, so that a short response is one call.
"""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol, cast

from gatekeeper.errors import HTTP2Error
from gatekeeper.proxy.streams import EndpointHealth
from gatekeeper.wire.http2.client import ClientConnection, ClientHandler

# What one connection has for the kernel; more waits in its streams, each of which is bounded by itself.
WRITE_HIGH_WATER: Final = 256 * 1024
# GOAWAY gets this long to reach the app.
CLOSE_SECONDS: Final = 2.0


class OpenStream(Protocol):
    """One of the streams on a connection."""

    def gone(self, error: Exception) -> None:
        """The connection is lost."""


class Untold(Protocol):
    """A response with news that its exchange has not been told."""

    def tell(self) -> None:
        """Tell it now."""


class Owner(EndpointHealth, Protocol):
    """What a connection reports to: the endpoint that it was made for."""

    def opened(self, connection: "HTTP2Connection") -> None:
        """The connection is open."""

    def lost(self, connection: "HTTP2Connection") -> None:
        """The connection was closed, by either side."""

    def capacity_changed(self) -> None:
        """There may be room for another request, or a connection has become idle."""


class HTTP2Connection(ClientHandler):
    """One connection to an endpoint, and the streams on it.

    ``idle_since`` is when the last stream ended. ``fault`` says why the connection cannot be used, "" if it can.
    """

    __slots__ = (
        "_capacity",
        "_loop",
        "_lost",
        "_retired",
        "_scheduled",
        "_sending",
        "_told",
        "_write_paused",
        "authority",
        "codec",
        "endpoint",
        "fault",
        "heard_at",
        "idle_since",
        "streams",
        "transport",
        "used",
    )
    transport: asyncio.Transport

    def __init__(self, endpoint: Owner, authority: bytes, scheme: bytes) -> None:
        self.endpoint = endpoint
        self.authority = authority
        self.codec = ClientConnection(self, authority, scheme)
        self.streams: dict[OpenStream, None] = {}
        self.fault = ""
        self.used = False
        self.idle_since = 0.0
        self.heard_at = 0.0
        self._lost = False
        self._retired = False
        self._capacity = False
        self._scheduled = False
        self._sending = False
        self._write_paused = False
        self._told: list[Untold] = []

    @property
    def has_room(self) -> bool:
        """Whether another request can go here now. Before the app's first SETTINGS, one at a time."""
        codec = self.codec
        return (
            codec.can_open
            and not self._retired
            and (codec.settings_seen or not codec.active)
            and not self.transport.is_closing()
        )

    @property
    def is_starting(self) -> bool:
        """Whether the app's first SETTINGS, with the number of streams, are still to come."""
        return not self.codec.settings_seen and not self._retired and not self.transport.is_closing()

    @property
    def takes_requests(self) -> bool:
        """Whether the app would look at another request at all (RFC 9113, 6.8)."""
        return self.codec.failure is None and not self.codec.goaway and not self.transport.is_closing()

    def time(self) -> float:
        """The loop's."""
        return self._loop.time()

    def call_soon(self, callback: Callable[[], None]) -> None:
        """The loop's."""
        self._loop.call_soon(callback)

    # -- called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._loop = asyncio.get_running_loop()
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=WRITE_HIGH_WATER)
        self.heard_at = self.idle_since = self.time()
        self.endpoint.opened(self)
        tls = transport.get_extra_info("ssl_object")
        if tls is not None and tls.selected_alpn_protocol() != "h2":
            # RFC 9113, 3.2: a server that does not choose h2 takes the preface for something else.
            self.fault = "the app does not offer HTTP/2 (ALPN h2)"
            self.transport.abort()
            return
        self.send()

    def data_received(self, data: bytes) -> None:
        codec = self.codec
        self.heard_at = now = self.time()
        seen = codec.settings_seen
        codec.receive(data, now)
        self._capacity = self._capacity or codec.settings_seen is not seen
        told, self._told = self._told, []
        for response in told:
            response.tell()
        self.settle()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self.endpoint.lost(self)
        self._lose(error or ConnectionResetError(self.fault or "the connection was closed"))

    def _lose(self, error: Exception) -> None:
        self._lost = True
        while self.streams:
            next(iter(self.streams)).gone(error)

    def pause_writing(self) -> None:
        self._write_paused = True

    def resume_writing(self) -> None:
        self._write_paused = False
        self.send()

    # -- called by the codec

    def going_away(self, last_stream_id: int, code: int) -> None:
        """GOAWAY (RFC 9113, 6.8): streams above were told already, those below go on."""

    def failed(self, error: HTTP2Error) -> None:
        """RFC 9113, 5.4.1. What is left is told when the bytes at hand are read."""
        self.fault = f"the app does not speak HTTP/2: {error}" if not self.used else f"HTTP/2 error: {error}"

    def capacity_changed(self) -> None:
        """Told to the endpoint when the bytes at hand are read: a new stream must not begin within the codec."""
        self._capacity = True

    def note(self, response: Untold) -> None:
        """Something came of a response, to be told when the bytes at hand are read."""
        self._told.append(response)

    # -- for its streams and its endpoint

    def send(self) -> None:
        """Write what is due, while the transport's buffer has room."""
        if self._sending:
            return
        self._sending = True
        try:
            while not self._write_paused and not self.transport.is_closing():
                data = self.codec.data_to_send()
                if not data:
                    break
                self.transport.write(data)
        finally:
            self._sending = False

    def send_soon(self) -> None:
        """The same at the end of this turn of the loop: head, body and end of a call, and those of others, in one."""
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._send_scheduled)

    def _send_scheduled(self) -> None:
        self._scheduled = False
        self.send()

    def settle(self) -> None:
        """After anything that a stream or the app did: send, close what is of no more use, report room."""
        self.send()
        codec = self.codec
        if codec.failure is not None:
            if not self._lost:
                self._close()
                self._lose(ConnectionResetError(self.fault))
        elif not codec.active and (self._retired or codec.goaway):
            self._close()
        if self._capacity:
            self._capacity = False
            self.endpoint.capacity_changed()

    def left(self, stream: OpenStream) -> None:
        """A stream has ended."""
        self.streams.pop(stream, None)
        self.idle_since = self.time()
        self._capacity = True
        self.settle()

    def retire(self) -> None:
        """Open no more streams, and close after the last."""
        self._retired = True
        if not self.codec.active and not self.streams:
            self.codec.go_away()
            self.send()
            self._close()

    def _close(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()
            self._loop.call_later(CLOSE_SECONDS, self.transport.abort)
