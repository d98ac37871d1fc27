"""An endpoint that speaks HTTP/2: few connections, each shared by many requests."""

import ssl
from typing import Any

from gatekeeper.proxy.upstream.endpoint import Endpoint
from gatekeeper.proxy.upstream.http2 import HTTP2Connection
from gatekeeper.proxy.upstream.http2_stream import HTTP2Stream
from gatekeeper.settings.addresses import Address, SocketPath


class HTTP2Endpoint(Endpoint):
    """As `Endpoint`; a further connection is made where no other has room for a request."""

    def __init__(
        self,
        title: str,
        address: Address | SocketPath,
        tls: ssl.SSLContext | None = None,
        server_name: str | None = None,
        *,
        limit: int = 0,
        slow_start: float = 0.0,
    ) -> None:
        super().__init__(title, address, tls, server_name, limit=limit, slow_start=slow_start)
        self._connections: dict[HTTP2Connection, None] = {}

    @property
    def busy(self) -> int:
        """Requests under way, and connections that are being opened."""
        return len(self._connecting) + sum(connection.codec.active for connection in self._connections)

    @property
    def idle(self) -> int:
        """Connections without a request, but for those that are being closed."""
        return sum(
            not connection.codec.active and not connection.transport.is_closing() for connection in self._connections
        )

    @property
    def has_capacity(self) -> bool:
        """Whether a request can go there: on a connection with room, or on one that may still be opened."""
        return self._roomy() is not None or self.may_open

    @property
    def may_open(self) -> bool:
        """Whether one more connection is needed and allowed. While one awaits its first SETTINGS, requests queue."""
        if self._connecting or self._roomy() is not None:
            return False
        if any(connection.is_starting for connection in self._connections):
            return False
        return not self.limit or len(self._connections) < self.limit

    def acquire(self) -> HTTP2Stream | None:
        """A stream on a connection with room, None if there is none."""
        connection = self._roomy()
        return HTTP2Stream(connection) if connection is not None else None

    def _roomy(self) -> HTTP2Connection | None:
        for connection in self._connections:
            if connection.has_room:
                return connection
        return None

    def _make(self) -> HTTP2Stream:
        return HTTP2Stream(self.new_connection())

    def new_connection(self, owner: Any = None) -> HTTP2Connection:
        """One that nobody has connected; ``owner`` is told of it instead of this endpoint."""
        named = isinstance(self.address, Address)
        authority = str(self.address).encode("ascii") if named else b"localhost"
        return HTTP2Connection(owner or self, authority, b"https" if self.tls else b"http")

    def _is_open(self, connection: object) -> bool:
        return connection in self._connections

    # -- told by its connections

    def opened(self, connection: HTTP2Connection) -> None:  # type: ignore[override]
        """A connection is open."""
        self._connecting -= {place for place in self._connecting if place.connection is connection}
        self.health.trying = False
        self._connections[connection] = None

    def lost(self, connection: HTTP2Connection) -> None:  # type: ignore[override]
        """A connection was closed by either side."""
        self._connections.pop(connection, None)
        self.freed()

    def capacity_changed(self) -> None:
        """There may be room for another request, or an idle connection."""
        self.freed()

    # -- upkeep

    def close_idle(self, before: float) -> int:
        """Close what has been idle since before that time; returns how many idle ones are left. With infinity,
        connections that are busy are closed behind their last request.
        """
        for connection in list(self._connections):
            idle = not connection.codec.active and connection.idle_since < before
            if idle or before == float("inf"):
                connection.retire()
        return self.idle

    def _ejected(self, pause: float, why: str) -> None:
        super()._ejected(pause, why)
        if pause:
            self.close_idle(float("inf"))  # the trial after the pause is a fresh connection
