"""HTTP spoken to the TLS port is answered so that a person understands; TLS spoken to a plain port does no harm."""

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app import App
from tests.gate_process import PATIENCE, Gate


@pytest.fixture
def gate(app: App, folder: Path) -> Iterator[Gate]:
    with Gate(folder, app.url) as gate:
        yield gate


def test_plain_http_on_the_tls_port_is_told_to_use_https(gate: Gate, app: App) -> None:
    """A whole HTTP answer without TLS, then the end; nothing reaches the app."""
    with socket.create_connection(("127.0.0.1", gate.port), timeout=PATIENCE) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"Content-Length: %d\r\n" % len(body) in head
    assert b"https://" in body
    assert app.asked == []


def test_tls_on_the_admin_port_is_refused_and_the_port_goes_on(gate: Gate) -> None:
    """A ClientHello is no HTTP; the next one who asks is answered."""
    with socket.create_connection(("127.0.0.1", gate.admin_port), timeout=PATIENCE) as connection:
        client = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), hello := ssl.MemoryBIO())
        with pytest.raises(ssl.SSLWantReadError):
            client.do_handshake()
        connection.sendall(hello.read())
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert answer[:13] in (b"HTTP/1.0 400 ", b"HTTP/1.1 400 ")
    assert gate.admin("/healthz")[0] == 200
    assert gate.process.poll() is None
