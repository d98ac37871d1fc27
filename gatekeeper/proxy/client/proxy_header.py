"""Reads the PROXY header with which a load balancer begins a connection, before TLS."""

import asyncio
import logging
from collections.abc import Callable
from typing import cast

from gatekeeper.errors import ProxyHeaderError
from gatekeeper.proxy.client.connection import ClientConnection
from gatekeeper.proxy.client.redirect import RedirectConnection
from gatekeeper.proxy.forwarding import client_address
from gatekeeper.proxy.proxy import Proxy
from gatekeeper.tls.proxy_protocol import ProxyHeader, read_proxy_header

_log = logging.getLogger("gatekeeper")


NewConnection = Callable[[Proxy, str, str], ClientConnection | RedirectConnection]
"""Creates the protocol for a connection from the proxy, the client's address with port for the log, and its address."""


class ProxyHeaderReader(asyncio.Protocol):
    """Reads the header that the balancer must send, then hands the transport to the visitor's protocol.

    A missing, malformed or late header closes the connection without a response, since no visitor is known.
    ``balancer`` is its address, for the log; ``speak`` creates the visitor's protocol.
    """

    transport: asyncio.Transport

    def __init__(self, proxy: Proxy, balancer: str, speak: NewConnection = ClientConnection) -> None:
        self._proxy = proxy
        self._speak = speak
        self._balancer = balancer
        self._received = b""
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        seconds = self._proxy.snapshot.settings.timeouts.handshake
        self._timer = self._proxy.loop.call_later(seconds, self._refuse, "its PROXY header did not arrive in time")
        self._proxy.pending_added(self)

    def data_received(self, data: bytes) -> None:
        self._received += data
        try:
            header = read_proxy_header(self._received)
        except ProxyHeaderError as error:
            self._refuse(str(error))
            return
        if header is not None:
            self._hand_over(header)

    def connection_lost(self, error: Exception | None) -> None:
        self._forget()

    def abort(self) -> None:
        """Close at once."""
        self.transport.abort()

    def _hand_over(self, header: ProxyHeader) -> None:
        client, address = client_address(header.client or self.transport.get_extra_info("peername"))
        if self._proxy.over_limit(address):
            _log.info("closed at once: %s: too many connections from this address", client)
            self._forget()
            self.transport.abort()
            return
        connection = self._speak(self._proxy, client, address)
        self.transport.set_protocol(cast(asyncio.Protocol, connection))
        connection.connection_made(self.transport)
        self._forget()
        if header.rest:
            connection.data_received(header.rest)

    def _refuse(self, why: str) -> None:
        _log.warning("closed: %s: %s", self._balancer, why)
        self._proxy.metrics.handshake_ended("failed")
        self._forget()
        self.transport.abort()

    def _forget(self) -> None:
        self._proxy.pending_removed(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
