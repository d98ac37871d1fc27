"""Behind a load balancer that speaks the PROXY protocol, the visitor's own address is what counts."""

import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPSConnection
from pathlib import Path

import pytest

from tests.app import App
from tests.gate_process import PATIENCE, Gate
from tests.tools import needs
from tests.visitors import Visitors

FROM_HERE = 'proxy_protocol_from = ["127.0.0.1/32"]'
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
HAPROXY = """\
defaults
  mode tcp
  timeout connect 60s
  timeout client 60s
  timeout server 60s
  timeout check 60s
listen gate
  bind fd@{fd}
  server gate 127.0.0.1:{port} {option}
"""


@contextmanager
def haproxy(folder: Path, port: int, option: str) -> Iterator[int]:
    """A real one in front; it inherits its listening socket, so that its port is known and open."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        configuration = folder / "haproxy.cfg"
        configuration.write_text(HAPROXY.format(fd=listener.fileno(), port=port, option=option))
        process = subprocess.Popen(["haproxy", "-db", "-q", "-f", configuration], pass_fds=[listener.fileno()])
        try:
            yield listener.getsockname()[1]
        finally:
            process.terminate()
            process.wait(PATIENCE)


@pytest.mark.parametrize("option", ["send-proxy", "send-proxy-v2", "send-proxy-v2 check-send-proxy check inter 100ms"])
def test_haproxy(folder: Path, visitors: Visitors, option: str) -> None:
    """Version 1, version 2, and version 2 with health checks, which come as LOCAL."""
    needs("haproxy")
    with (
        App() as behind,
        Gate(folder, behind.url, server=FROM_HERE) as gate,
        haproxy(folder, gate.port, option) as port,
    ):
        here = socket.create_connection(("127.0.0.1", port), PATIENCE, ("127.0.0.9", 0))
        client = visitors.context("alice").wrap_socket(here, server_hostname="localhost")
        client.sendall(GET)
        assert client.recv(12) == b"HTTP/1.1 200"
        source = here.getsockname()[1] if here.fileno() >= 0 else client.getsockname()[1]
        client.close()
        (asked,) = behind.asked
        assert asked.header("X-Forwarded-For") == "127.0.0.9"
        assert asked.header("X-Real-IP") == "127.0.0.9"
        assert gate.logged(1)[0]["client"] == f"127.0.0.9:{source}"


def test_limits_count_the_visitor(folder: Path, visitors: Visitors) -> None:
    """Not the balancer, from which everybody comes."""
    tables = "[limits]\nconnections_per_ip = 1"
    with App() as behind, Gate(folder, behind.url, server=FROM_HERE, tables=tables) as gate:
        first = announced(gate, visitors, b"PROXY TCP4 192.0.2.1 192.0.2.9 4000 443\r\n")
        other = announced(gate, visitors, b"PROXY TCP4 192.0.2.2 192.0.2.9 4000 443\r\n")
        with pytest.raises((OSError, ssl.SSLError)):
            announced(gate, visitors, b"PROXY TCP4 192.0.2.1 192.0.2.9 4001 443\r\n")
        assert gate.wait_for(lambda line: "192.0.2.1:4001: too many connections" in line)
        first.close()
        other.close()


def announced(gate: Gate, visitors: Visitors, header: bytes) -> ssl.SSLSocket:
    plain = socket.create_connection(("127.0.0.1", gate.port), timeout=PATIENCE)
    plain.sendall(header)
    client = visitors.context("alice").wrap_socket(plain, server_hostname="localhost")
    client.sendall(GET)
    assert client.recv(12) == b"HTTP/1.1 200"
    return client


def test_a_header_from_anyone_else_is_refused(folder: Path, visitors: Visitors) -> None:
    """Closed without a word, and logged: whoever may say where they come from may say anything."""
    with App() as behind, Gate(folder, behind.url) as gate:
        for header in (b"PROXY TCP4 192.0.2.1 192.0.2.9 4000 443\r\n", b"\r\n\r\n\0\r\nQUIT\n\x20\x00\0\0"):
            with socket.create_connection(("127.0.0.1", gate.port), PATIENCE) as plain:
                plain.sendall(header)
                assert plain.recv(100) == b""
        assert gate.wait_for(lambda line: "begins with a PROXY header" in line)
        assert behind.asked == []
        assert gate.request(visitors.context("alice"))[0] == 200


def test_a_missing_header_is_refused(folder: Path, visitors: Visitors) -> None:
    """A listed balancer that sends none is set up wrongly: its visitors would all look like itself."""
    with App() as behind, Gate(folder, behind.url, server=FROM_HERE) as gate:
        with pytest.raises((OSError, ssl.SSLError)):
            HTTPSConnection("localhost", gate.port, context=visitors.context("alice"), timeout=PATIENCE).request(
                "GET", "/"
            )
        assert gate.wait_for(lambda line: "it does not begin with a PROXY header" in line)
        assert behind.asked == []


def test_a_slow_header_is_cut_off(folder: Path) -> None:
    """timeouts.handshake."""
    tables = '[timeouts]\nhandshake = "300ms"'
    with App() as behind, Gate(folder, behind.url, server=FROM_HERE, tables=tables) as gate:
        with socket.create_connection(("127.0.0.1", gate.port), PATIENCE) as plain:
            plain.sendall(b"PROXY TCP4")
            with pytest.raises(ConnectionResetError):
                raise ConnectionResetError if plain.recv(1) == b"" else AssertionError
        assert gate.wait_for(lambda line: "its PROXY header did not arrive in time" in line)
