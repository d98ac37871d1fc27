"""A body of any size passes both ways in bounded memory, also where one side stands still.

By default 192 MiB each way, which is far above every buffer; GATEKEEPER_TEST_BODY=4294967296 makes it 4 GiB.
"""

import os
import select
import socket
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import pytest

from tests.gate_process import PATIENCE, Gate
from tests.visitors import Visitors

MIB = 1024 * 1024
SIZE = int(os.environ.get("GATEKEEPER_TEST_BODY", 192 * MIB))
# Two buffers of 256 KiB each way, what goes through OpenSSL at once, and what malloc keeps for the next time.
GROWTH = 6 * MIB
# How much the kernel may hold of a body on both connections until its sender is held: Linux stops at 4 to 6 MiB each.
IN_THE_KERNEL = 32 * MIB
STILL = 0.3  # seconds without a byte: the sender is held

PIECE = b"x" * 262144
CHUNK = b"%x\r\n%b\r\n" % (len(PIECE), PIECE)

pytestmark = pytest.mark.timeout(600)


class BulkApp:
    """Sends SIZE bytes to a GET; takes everything of a POST, once ``go_on`` is set, and says how much it was."""

    def __enter__(self) -> Self:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.go_on = threading.Event()
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()
        self.sender: Sender | None = None
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(PATIENCE)

    def _serve(self) -> None:
        try:
            while True:
                connection, _ = self.listener.accept()
                with connection:
                    self._answer(connection)
        except OSError:
            pass  # the end of the test

    def _answer(self, connection: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(65536)
        if head.startswith(b"POST"):
            assert self.go_on.wait(PATIENCE)
            count = count_x(
                connection, b"\n" if b"chunked" not in head else b"\r\n0\r\n\r\n", head.partition(b"\r\n\r\n")[2]
            )
            connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 15\r\n\r\n%15d" % count)
            return
        chunked = head.startswith(b"GET /chunked")
        self.sender = Sender(connection, chunked=chunked)  # before the head, which the test waits for
        connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n")
        connection.sendall(
            b"Transfer-Encoding: chunked\r\n\r\n" if chunked else b"Content-Length: %d\r\n\r\n" % (SIZE + 1)
        )
        self.sender.send()


class Sender:
    """Sends SIZE times x and a line end, and knows when it is held."""

    def __init__(self, connection: socket.socket, *, chunked: bool) -> None:
        self.connection = connection
        self.moved = 0
        self.held = threading.Event()
        self._piece, self._last = (CHUNK, b"0\r\n\r\n") if chunked else (PIECE, b"\n")

    def send(self) -> None:
        for _ in range(SIZE // len(PIECE)):
            if not select.select([], [self.connection], [], STILL)[1]:
                self.held.set()
            self.connection.sendall(self._piece)
            self.moved += len(PIECE)
        self.connection.sendall(self._last)


def count_x(connection: socket.socket, end: bytes, last: bytes = b"") -> int:
    """Read up to ``end``; how many x there were."""
    count = last.count(b"x")
    buffer = bytearray(262144)
    while not last.endswith(end):
        size = connection.recv_into(buffer)
        assert size, "cut off"
        count += buffer.count(b"x", 0, size)
        last = (last + bytes(buffer[max(0, size - 16) : size]))[-16:]
    return count


@pytest.fixture(scope="module")
def app() -> Iterator[BulkApp]:
    with BulkApp() as app:
        yield app


@pytest.fixture(scope="module")
def gate(app: BulkApp, visitors: Visitors, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    with Gate(visitors.furnish(tmp_path_factory.mktemp("gate")), app.url) as gate:
        gate.memory_at_start = gate.memory()
        yield gate


@pytest.mark.parametrize(("framing", "end"), [("length", b"\n"), ("chunked", b"\r\n0\r\n\r\n")])
def test_a_client_that_stands_still_on_a_download(
    gate: Gate, app: BulkApp, visitors: Visitors, framing: str, end: bytes
) -> None:
    """The app is held while nobody reads, and everything arrives afterwards."""
    with gate.connect(visitors.context("alice")) as alice:
        alice.sendall(b"GET /%b HTTP/1.1\r\nHost: localhost\r\n\r\n" % framing.encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += alice.recv(1)
        assert app.sender is not None
        assert app.sender.held.wait(PATIENCE)
        assert app.sender.moved < IN_THE_KERNEL
        assert count_x(alice, end) == SIZE
    assert gate.memory() - gate.memory_at_start < GROWTH


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_an_app_that_stands_still_on_an_upload(gate: Gate, app: BulkApp, visitors: Visitors, framing: str) -> None:
    """The client is held while the app does not read, and everything arrives afterwards."""
    app.go_on.clear()
    with gate.connect(visitors.context("alice")) as alice:
        chunked = framing == "chunked"
        length = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % (SIZE + 1)
        alice.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\n%b\r\n\r\n" % length)
        sender = Sender(alice, chunked=chunked)
        thread = threading.Thread(target=sender.send, daemon=True)
        thread.start()
        assert sender.held.wait(PATIENCE)
        assert sender.moved < IN_THE_KERNEL
        app.go_on.set()
        thread.join(300)
        assert not thread.is_alive()
        answer = b""
        while len(answer) < 15 or b"\r\n\r\n" not in answer:
            answer += alice.recv(65536)
    assert int(answer[-15:]) == SIZE
    assert gate.memory() - gate.memory_at_start < GROWTH
