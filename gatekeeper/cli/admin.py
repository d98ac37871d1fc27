"""Requests to the admin listener of the running gate."""

import http.client
import json
import socket
from typing import Any

from gatekeeper.config import Configuration
from gatekeeper.errors import GatekeeperError, UsageError
from gatekeeper.settings.addresses import Address, ListenAddress, SocketPath

TIMEOUT_SECONDS = 5.0
_EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with, not bound


def admin_address(configuration: Configuration) -> ListenAddress:
    """The address of the admin listener in this configuration; UsageError if it is off."""
    listen = configuration.settings.admin.listen
    if listen is None:
        raise UsageError('there is no admin listener: admin.listen is "off"')
    return listen


def read_status(listen: ListenAddress) -> dict[str, Any]:
    """The JSON of ``/status``; GatekeeperError if the admin listener does not answer."""
    return ask(listen, "/status")[1]


def ask(listen: ListenAddress, path: str) -> tuple[int, dict[str, Any]]:
    """Status code and JSON of a GET request; GatekeeperError if the admin listener does not answer."""
    connection = _UnixConnection(listen) if isinstance(listen, SocketPath) else _tcp_connection(listen)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise GatekeeperError(f"the admin listener {listen} does not answer: {error}") from error
    finally:
        connection.close()


def _tcp_connection(listen: Address) -> http.client.HTTPConnection:
    host = _EVERY_ADDRESS.get(listen.host, listen.host)
    return http.client.HTTPConnection(host, listen.port, timeout=TIMEOUT_SECONDS)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, listen: SocketPath) -> None:
        super().__init__("localhost", timeout=TIMEOUT_SECONDS)
        self._path = str(listen.path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(TIMEOUT_SECONDS)
        self.sock.connect(self._path)
