"""``gatekeeper healthcheck``: ask the running gate whether it is ready; for a container's HEALTHCHECK."""

import argparse
import http.client
import json
import socket
import sys

from gatekeeper.cli.configuration import add_config_option, load_configuration
from gatekeeper.cli.parser import Commands
from gatekeeper.errors import GatekeeperError, UsageError
from gatekeeper.settings.addresses import Address, ListenAddress, SocketPath

TIMEOUT_SECONDS = 5.0
_EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with, not bound


def add_command(commands: Commands) -> None:
    """Add ``healthcheck`` to the command line."""
    parser = commands.add_parser(
        "healthcheck",
        help="ask the running gate whether it is ready",
        description="Ask /readyz of the admin listener: exit 0 if the gate is ready, 1 if it is not.",
        epilog="example: gatekeeper healthcheck -c gatekeeper.toml",
    )
    add_config_option(parser)
    parser.set_defaults(run=_healthcheck)


def _healthcheck(options: argparse.Namespace) -> int:
    listen = load_configuration(options).settings.admin.listen
    if listen is None:
        raise UsageError('there is nobody to ask: admin.listen is "off"')
    status, body = _ask(listen)
    failing = [f"{name}: {check['detail']}" for name, check in body.get("checks", {}).items() if not check["ok"]]
    if status == 200:
        print("ready")
        return 0
    print("not ready: " + ("; ".join(failing) or f"status {status}"), file=sys.stderr)
    return 1


def _ask(listen: ListenAddress) -> tuple[int, dict[str, dict[str, dict[str, object]]]]:
    connection = _UnixConnection(listen) if isinstance(listen, SocketPath) else _tcp_connection(listen)
    try:
        connection.request("GET", "/readyz")
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
