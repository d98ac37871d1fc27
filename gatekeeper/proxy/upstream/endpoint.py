"""One URL of an app: how to reach it, the connections to it, and its health."""

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import Callable, Collection
from ipaddress import ip_address
from typing import Final, Protocol, cast

from aiohappyeyeballs import start_connection

from gatekeeper.errors import UnreachableError
from gatekeeper.proxy.streams import UpstreamStream
from gatekeeper.proxy.upstream.health import Health
from gatekeeper.proxy.upstream.http1 import Owner, UpstreamConnection
from gatekeeper.proxy.upstream.http2 import HTTP2Connection
from gatekeeper.settings.addresses import Address, ListenAddress, SocketPath
from gatekeeper.settings.own_listeners import reaches

# A kept connection is closed before the app's own timeout is likely to close it under a request (uvicorn and
# Node.js wait 5 seconds, gunicorn 2, nginx 75).
KEEP_SECONDS: Final = 30.0
# A burst of more requests at once than this closes and opens connections all the time, and the kernel then searches for
# free ports: twice the CPU time of a request. Each had its use within the last `KEEP_SECONDS`.
MAX_IDLE: Final = 4096
# RFC 8305, 5: how long one address of a name is waited for before the next is tried beside it.
NEXT_ADDRESS_SECONDS = 0.25
# The gate itself has no room for another connection; that says nothing about the endpoint.
_OUR_OWN_FAULT: Final = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL}

_log = logging.getLogger("gatekeeper")


class PlaceOnConnection(UpstreamStream, Protocol):
    """Room for one exchange, on a connection that is open or that `Endpoint.connect` opens."""

    __slots__ = ()

    @property
    def connection(self) -> UpstreamConnection | HTTP2Connection:
        """The connection."""


class Endpoint(Owner):
    """One URL of an app. ``title`` is what the log calls it, ``limit`` bounds its connections, 0 does not.

    ``health`` decides if it gets requests, ``turn`` is when it was last chosen, ``freed`` is called as one closes.
    ``own_listeners`` are the gate's, which are no app.
    """

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
        self.title = title
        self.address = address
        self.tls = tls
        self.server_name = server_name
        self.limit = limit
        self.health = Health(slow_start)
        self._failure_told = False
        self.turn = 0
        self.freed: Callable[[], None] = _nobody_waits
        self.own_listeners: Collection[ListenAddress] = ()
        # What is busy is counted from these, so that no path through the code can leave it wrong.
        self._connecting: set[PlaceOnConnection] = set()
        self._open: set[UpstreamConnection] = set()
        self._idle: dict[UpstreamConnection, None] = {}  # most recently used last

    @property
    def busy(self) -> int:
        """Connections that carry an exchange, are being opened for one, or are being closed."""
        return len(self._connecting) + len(self._open) - len(self._idle)

    @property
    def idle(self) -> int:
        """Connections that carry no exchange."""
        return len(self._idle)

    @property
    def has_capacity(self) -> bool:
        """Whether one more exchange can go there: on an idle connection, or on one that may still be made."""
        return bool(self._idle) or self.may_open

    @property
    def may_open(self) -> bool:
        """Whether one more connection may be made."""
        return not self.limit or len(self._connecting) + len(self._open) < self.limit

    def acquire(self) -> PlaceOnConnection | None:
        """An idle connection that is still open, None if there is none."""
        while self._idle:
            connection, _ = self._idle.popitem()
            if not connection.transport.is_closing():
                return connection
        return None

    def release(self, connection: UpstreamConnection, now: float) -> None:
        """Keep a connection for the next exchange."""
        if connection.paused:
            connection.resume_response()
        if connection.transport.is_closing() or len(self._idle) >= MAX_IDLE or self.health.failed_check:
            connection.reset()
            return
        connection.used_before = True
        connection.idle_since = now
        self._idle[connection] = None

    def opened(self, connection: UpstreamConnection) -> None:
        """A connection is open. The exchange that asked for it may have ended meanwhile; `lost` follows in any case."""
        self._connecting.discard(connection)
        self.health.trying = False
        self._open.add(connection)

    def lost(self, connection: UpstreamConnection) -> None:
        """A connection was closed by either side."""
        self._open.discard(connection)
        self._idle.pop(connection, None)
        self.freed()

    def close_idle(self, before: float) -> int:
        """Close connections that have been idle since before that time; returns how many idle ones are left."""
        for connection in [one for one in self._idle if one.idle_since < before]:
            del self._idle[connection]  # busy until it is lost
            connection.reset()
        return len(self._idle)

    # -- connecting

    def reserve(self) -> PlaceOnConnection:
        """A connection for `connect` to open. It counts towards the limit from now on."""
        place = self._make()
        self._connecting.add(place)
        self.health.trying = True
        return place

    def _make(self) -> PlaceOnConnection:
        return UpstreamConnection(self)

    async def connect(self, loop: asyncio.AbstractEventLoop, place: PlaceOnConnection, seconds: float) -> None:
        """Open a reserved connection, TLS included. UnreachableError if that fails, takes longer than ``seconds``, or
        the app's certificate cannot be verified.
        """
        connection = place.connection
        try:
            async with asyncio.timeout(seconds):
                await self.dial(loop, connection)
            self._check_is_another(connection.transport)
            if connection.transport.is_closing():  # closed at once, so nobody will say it again
                raise ConnectionResetError(errno.ECONNRESET, connection.fault or "closed at once")
        except BaseException as error:
            if self._is_open(connection):
                connection.transport.abort()
            if isinstance(error, OSError):
                raise self._unreachable(error, loop.time(), seconds) from error
            raise
        finally:
            self.unreserve(place)
        if self.health.connected(loop.time()):
            self._failure_told = False
            _log.info("upstream %s: reachable again", self.title)

    def _check_is_another(self, transport: asyncio.Transport) -> None:
        """OSError if the connection leads to the gate itself: a request on a public route would come back without end,
        until all connections are taken.
        """
        peer = transport.get_extra_info("peername")
        if isinstance(peer, tuple):
            there = Address(peer[0], peer[1])
            if any(reaches(there, one) for one in self.own_listeners):
                raise OSError(errno.ELOOP, f"the gate itself listens at {there}")

    def _is_open(self, connection: object) -> bool:
        return connection in self._open

    def unreserve(self, place: PlaceOnConnection) -> None:
        """End the reservation: the connection is open, or will never be."""
        if place in self._connecting:
            self._connecting.discard(place)
            self.health.trying = False
            self.freed()

    async def dial(self, loop: asyncio.AbstractEventLoop, connection: UpstreamConnection | HTTP2Connection) -> None:
        """Connect, TLS included; OSError if that fails. It has no time limit and changes no counter."""
        address, protocol = self.address, cast(asyncio.Protocol, connection)
        if isinstance(address, SocketPath):
            await loop.create_unix_connection(lambda: protocol, str(address.path))
        elif _is_ip(address.host):
            await loop.create_connection(
                lambda: protocol, address.host, address.port, ssl=self.tls, server_hostname=self.server_name
            )
        else:
            reached = await _reach(loop, address)
            await loop.create_connection(lambda: protocol, sock=reached, ssl=self.tls, server_hostname=self.server_name)

    def _unreachable(self, error: OSError, now: float, seconds: float) -> UnreachableError:
        why = _reason(error)
        if error.errno in _OUR_OWN_FAULT:
            _log.error("upstream %s: cannot connect: %s", self.title, why)
            return UnreachableError(503, "The gate has no capacity for another connection to the app.", why)
        if isinstance(error, TimeoutError):
            why = why or f"no connection in {seconds:g} s"
            self._ejected(self.health.unreachable(now), why)
            return UnreachableError(504, "The app could not be reached in time.", why)
        self._ejected(self.health.unreachable(now), why)
        return UnreachableError(502, "The app cannot be reached.", why)

    def failed(self, why: str, now: float) -> None:
        """A request that was sent there got no answer."""
        self._ejected(self.health.failed(now), why)

    def _ejected(self, pause: float, why: str) -> None:
        if pause:
            # Said once: a dead app would else fill the log, with pauses that double.
            level = logging.DEBUG if self._failure_told else logging.WARNING
            self._failure_told = True
            _log.log(level, "upstream %s: ejected for %g s: %s; logged again when it is back", self.title, pause, why)

    def checked(self, why: str, now: float) -> None:
        """Take the result of a health check: what is wrong, "" if nothing."""
        if self.health.checked(not why, now):
            if why:
                _log.warning("upstream %s: gets no requests: %s", self.title, why)
            else:
                self._failure_told = False
                _log.info("upstream %s: gets requests again", self.title)
        if why:
            self.close_idle(float("inf"))


def _nobody_waits() -> None:
    pass


def _is_ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


async def _reach(loop: asyncio.AbstractEventLoop, address: Address) -> socket.socket:
    """A connection to the first of a name's addresses that takes one, IPv6 and IPv4 in turn (RFC 8305). The name is
    looked up anew each time, by the system's resolver and with its cache, if it has one.
    """
    found = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    return await start_connection(found, happy_eyeballs_delay=NEXT_ADDRESS_SECONDS, interleave=1, loop=loop)


def _reason(error: OSError) -> str:
    """Why connecting failed: OpenSSL's text for a certificate, else the system's; "" for the gate's own timeout."""
    words = getattr(error, "verify_message", "")
    return f"certificate verify failed: {words}" if words else error.strerror or str(error)
