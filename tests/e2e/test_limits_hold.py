"""Too many connections: the gate takes what it can hold, lets others wait, and goes on when there is room."""

import errno
import os
import resource
import signal
import socket
import ssl
from pathlib import Path

import pytest

from tests.app import App
from tests.e2e.test_every_reason_is_told_apart import without_uvloop
from tests.gate_process import PATIENCE, Gate, until
from tests.visitors import Visitors

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


def connections(gate: Gate) -> int:
    found: int = gate.admin("/status")[1]["connections"]
    return found


@pytest.mark.parametrize("workers", [1, 2])
def test_connections_in_all(folder: Path, visitors: Visitors, workers: int) -> None:
    """limits.connections, over all workers: one more waits, which is said once, and is served as soon as one leaves."""
    alice = visitors.context("alice")
    tables = "[limits]\nconnections = 8"
    with App() as behind, Gate(folder, behind.url, server=f"workers = {workers}", tables=tables) as gate:
        held = [gate.connect(alice) for _ in range(8)]
        waiting = socket.create_connection(("127.0.0.1", gate.port), timeout=PATIENCE)
        waiting.settimeout(0.3)
        client = alice.wrap_socket(waiting, server_hostname="localhost", do_handshake_on_connect=False)
        with pytest.raises(TimeoutError):
            client.do_handshake()
        assert connections(gate) == 8
        assert gate.wait_for(lambda line: "accepting pauses: as many are open as limits.connections allows" in line)
        held.pop().close()
        client.settimeout(PATIENCE)
        client.do_handshake()
        client.sendall(GET)
        assert client.recv(12) == b"HTTP/1.1 200"
        for one in (*held, client):
            one.close()
        assert sum("accepting pauses" in line for line in gate.err) <= workers


def test_fewer_descriptors_than_connections(folder: Path, visitors: Visitors) -> None:
    """Who may open few files holds few connections: one more waits, and the log says what to raise."""
    alice = visitors.context("alice")
    with App() as behind, Gate(folder, behind.url) as gate:
        (worker,) = gate.workers()
        resource.prlimit(gate.process.pid, resource.RLIMIT_NOFILE, (84, 84))  # for its successor
        os.kill(worker, signal.SIGKILL)
        until(lambda: gate.workers() not in ([], [worker]))
        held = [gate.connect(alice) for _ in range(10)]
        waiting = socket.create_connection(("127.0.0.1", gate.port), timeout=PATIENCE)
        assert gate.wait_for(lambda line: "file descriptors for 10 connections and no more (LimitNOFILE" in line)
        held.pop().close()
        client = alice.wrap_socket(waiting, server_hostname="localhost")
        client.sendall(GET)
        assert client.recv(12) == b"HTTP/1.1 200"
        for one in (*held, client):
            one.close()


@pytest.mark.parametrize("workers", [1, 3])
def test_connections_from_one_address(folder: Path, visitors: Visitors, workers: int) -> None:
    """limits.connections_per_ip: one more is closed at once, and that is logged; another address is not affected."""
    alice = visitors.context("alice")
    tables = "[limits]\nconnections_per_ip = 3"
    with App() as behind, Gate(folder, behind.url, server=f"workers = {workers}", tables=tables) as gate:
        held = [gate.connect(alice) for _ in range(3)]
        with pytest.raises((OSError, ssl.SSLError)):
            gate.connect(alice)
        assert gate.wait_for(lambda line: "too many connections from this address" in line)
        with socket.create_connection(("127.0.0.1", gate.port), PATIENCE, ("127.0.0.2", 0)) as other:
            client = alice.wrap_socket(other, server_hostname="localhost")
            client.sendall(GET)
            assert client.recv(12) == b"HTTP/1.1 200"
            client.close()
        held.pop().close()
        until(lambda: connections(gate) < 3)
        assert gate.request(alice)[0] == 200
        for one in held:
            one.close()


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_file_descriptors_that_run_out(folder: Path, visitors: Visitors, loop: str) -> None:
    """Accepting pauses, whoever waits is served later, nobody is dropped; the log does not fill up."""
    alice = visitors.context("alice")
    environ = without_uvloop(folder) if loop == "asyncio" else {}
    with App() as behind, Gate(folder, behind.url, environ=environ) as gate:
        (worker,) = gate.workers()
        assert gate.request(alice)[0] == 200
        before = resource.prlimit(worker, resource.RLIMIT_NOFILE)
        most = len(os.listdir(f"/proc/{worker}/fd")) + 5
        resource.prlimit(worker, resource.RLIMIT_NOFILE, (most, before[1]))
        plain = [socket.create_connection(("127.0.0.1", gate.port), timeout=PATIENCE) for _ in range(12)]
        gate.wait_for(lambda line: f"accepting pauses: {os.strerror(errno.EMFILE).lower()}" in line)
        resource.prlimit(worker, resource.RLIMIT_NOFILE, before)
        for one in plain:
            client = alice.wrap_socket(one, server_hostname="localhost")
            client.sendall(GET)
            assert client.recv(12) == b"HTTP/1.1 200"
            client.close()
        assert sum("accepting pauses" in line for line in gate.err) <= 3
