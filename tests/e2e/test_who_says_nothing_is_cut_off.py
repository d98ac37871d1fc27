"""Clients that connect and stand still cost a connection for a bounded time, and nobody else is kept waiting."""

import socket
import ssl
from collections.abc import Iterator

import pytest

from tests.app import App
from tests.gate_process import PATIENCE, Gate
from tests.visitors import Visitors

# Long enough for the handshakes and requests of those who do not stand still, on a busy machine too.
TIMEOUTS = '[timeouts]\nhandshake = "4s"\nrequest_header = "4s"\nidle = "4s"\nstream_idle = "4s"\n'


@pytest.fixture(scope="module")
def app() -> Iterator[App]:
    with App() as app:
        yield app


@pytest.fixture(autouse=True)
def nothing_asked(app: App) -> None:
    app.asked.clear()


@pytest.fixture(scope="module")
def gate(app: App, visitors: Visitors, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    with Gate(visitors.furnish(tmp_path_factory.mktemp("gate")), app.url, tables=TIMEOUTS) as gate:
        yield gate


def plain(gate: Gate, *says: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", gate.port), timeout=PATIENCE)
    for data in says:
        connection.sendall(data)
    return connection


def client_hello() -> bytes:
    outgoing = ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def test_handshakes_that_stop(gate: Gate, visitors: Visitors) -> None:
    """Before the first byte, within the first message, and after it: a hundred of them, while others are served."""
    hello = client_hello()
    says = [(), (hello[:1],), (hello[:100],), (hello,)]
    still = [plain(gate, *says[number % 4]) for number in range(100)]
    assert gate.request(visitors.context("alice"))[0] == 200
    for connection in still:
        with connection:
            while connection.recv(65536):
                pass  # its side of the handshake, then the end


def test_requests_that_stop(gate: Gate, visitors: Visitors, app: App) -> None:
    """Within the head 408, within the body 408, between two requests a goodbye."""
    alice = visitors.context("alice")
    cases = (
        (b"GET / HTTP/1.1\r\nHo", b"HTTP/1.1 408 "),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf", b"HTTP/1.1 408 "),
        (b"", b""),
    )
    connections = [gate.connect(alice) for _ in cases]  # at once, so that one pause does for all
    for connection, (says, _) in zip(connections, cases, strict=True):
        connection.sendall(says)
    for connection, (_, answer) in zip(connections, cases, strict=True):
        with connection:
            got = b"".join(iter(lambda: connection.recv(65536), b""))  # noqa: B023  called at once
        assert got[: len(answer)] == answer
        assert bool(got) == bool(answer)
    assert app.asked == []


def test_plain_http_is_told_to_use_https(gate: Gate) -> None:
    """Somebody forgot the s."""
    with plain(gate, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n") as connection:
        got = b""
        while piece := connection.recv(65536):
            got += piece
    assert got.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"https://" in got


def test_what_is_no_tls_gets_an_alert(gate: Gate) -> None:
    """And a line on stderr; the next one is served."""
    with plain(gate, b"\x16\x03\x01\x00\x05hello") as connection:
        assert connection.recv(65536)[:2] == b"\x15\x03"
    gate.wait_for(lambda line: "tls failed: 127.0.0.1:" in line)
