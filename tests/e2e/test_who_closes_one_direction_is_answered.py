"""Clients that close their own side of TLS behind a request, as Go's ``CloseWrite`` does, over real sockets."""

import socket
import ssl
from contextlib import suppress
from pathlib import Path

import pytest

from tests.app import App
from tests.gate_process import PATIENCE, Gate
from tests.visitors import Visitors

ASK = b"POST /%d HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello"


class HalfClosing:
    """A client of its own, because Python's sockets wait in ``unwrap`` for the other side to say goodbye as well."""

    def __init__(self, context: ssl.SSLContext, port: int) -> None:
        self._socket = socket.create_connection(("localhost", port), PATIENCE)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname="localhost")
        while not self._shaken():
            self._socket.sendall(self._outgoing.read())
            self._incoming.write(self._socket.recv(65536))

    def _shaken(self) -> bool:
        with suppress(ssl.SSLWantReadError):
            self._tls.do_handshake()
            return True
        return False

    def ask(self, said: bytes) -> bytes:
        """Say this; what comes back first."""
        self._tls.write(said)
        self._socket.sendall(self._outgoing.read())
        while True:
            with suppress(ssl.SSLWantReadError):
                return self._tls.read(65536)
            self._incoming.write(self._socket.recv(65536))

    def last_words(self, said: bytes) -> bytes:
        """Say this and close_notify in one packet; what comes back before the gate closes too."""
        self._tls.write(said)
        with suppress(ssl.SSLWantReadError):
            self._tls.unwrap()
        self._socket.sendall(self._outgoing.read())
        with self._socket:
            while got := self._socket.recv(65536):
                self._incoming.write(got)
        heard = b""
        with suppress(ssl.SSLZeroReturnError):  # anything else, and the gate did not say goodbye
            while piece := self._tls.read(65536):
                heard += piece
        return heard


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_every_request_is_answered_and_then_the_connection_ends(
    visitors: Visitors, folder: Path, app: App, version: ssl.TLSVersion
) -> None:
    """As nginx does it; RFC 8446, 6.1."""
    with Gate(folder, app.url) as gate:
        heard = HalfClosing(visitors.context("alice", version), gate.port).last_words(ASK % 1 + ASK % 2)
    assert heard.count(b"HTTP/1.1 200 OK\r\n") == 2
    assert heard.endswith(b"POST /2: 5 bytes\n")
    assert heard.count(b"\r\nConnection: close\r\n") == 1
    assert [asked.body for asked in app.asked] == [b"hello", b"hello"]
