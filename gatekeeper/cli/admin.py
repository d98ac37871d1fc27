"""Requests to the admin listener of the running gate.

Without http.client and without pydantic, each of which takes longer to load than all that is done here: a container
asks every ten seconds.
"""

import json
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gatekeeper.config.document import read_document
from gatekeeper.errors import ConfigurationError, GatekeeperError, UsageError
from gatekeeper.settings.addresses import DEFAULT_ADMIN, ListenAddress, SocketPath, parse_listen

if TYPE_CHECKING:
    from gatekeeper.config.configuration import Configuration

TIMEOUT_SECONDS = 5.0
_EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with, not bound
_OFF = 'there is no admin listener: admin.listen is "off"'


def admin_address(configuration: "Configuration") -> ListenAddress:
    """The address of the admin listener in this configuration; UsageError if it is off."""
    listen = configuration.settings.admin.listen
    if listen is None:
        raise UsageError(_OFF)
    return listen


def written_admin_address(path: Path) -> ListenAddress:
    """The same, without checking anything else in the file: it may have mistakes while the gate runs.

    UsageError if it is off, ConfigurationError if it cannot be read.
    """
    document, source, unfilled = read_document(path)
    table = document.get("admin", {})
    listen = table.get("listen", DEFAULT_ADMIN) if isinstance(table, dict) else None
    wrong = [message for where, message in unfilled if where == ("admin", "listen")]
    if listen == "off":
        raise UsageError(_OFF)
    try:
        if wrong or not isinstance(listen, str):
            raise ValueError(*wrong or ['should be an address and a port, such as "127.0.0.1:9000", or "off"'])
        address = parse_listen(listen)
    except ValueError as error:
        raise ConfigurationError(source.mistake("admin.listen", str(error)), source=str(path)) from None
    return address.within(Path(os.path.abspath(path)).parent) if isinstance(address, SocketPath) else address


def read_status(listen: ListenAddress) -> dict[str, Any]:
    """The JSON of ``/status``; GatekeeperError if the admin listener does not answer."""
    return ask(listen, "/status")[1]


def ask(listen: ListenAddress, path: str) -> tuple[int, dict[str, Any]]:
    """Status code and JSON of a GET request; GatekeeperError if the admin listener does not answer."""
    try:
        with _connect(listen) as connection:
            connection.sendall(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        if not answer:
            raise ValueError("it closed the connection")
        # RFC 9112, 4: HTTP-version SP status-code SP. An answer to HTTP/1.0 ends with its connection, unchunked.
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split(b" ", 2)[1]), json.loads(body)
    except (OSError, ValueError, IndexError) as error:
        raise GatekeeperError(f"the admin listener {listen} does not answer: {error}") from error


def _connect(listen: ListenAddress) -> socket.socket:
    if isinstance(listen, SocketPath):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(TIMEOUT_SECONDS)
        connection.connect(str(listen.path))
        return connection
    return socket.create_connection((_EVERY_ADDRESS.get(listen.host, listen.host), listen.port), TIMEOUT_SECONDS)
