"""Socket activation: systemd's own program opens the sockets and starts the gate with them."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.app import App
from tests.gate_process import PATIENCE, ROOT, configure
from tests.ports import accepts, free_port
from tests.tools import needs
from tests.visitors import Visitors


@contextmanager
def activated(configuration: Path, *sockets: tuple[int, str]) -> Iterator[list[str]]:
    """The lines on stderr of a gate that systemd-socket-activate starts at the first connection."""
    needs("systemd-socket-activate")
    command = ["systemd-socket-activate", *(f"--listen=127.0.0.1:{port}" for port, _ in sockets)]
    command.append(f"--fdname={':'.join(name for _, name in sockets)}")
    command += [sys.executable, "-m", "gatekeeper", "serve", "-c", str(configuration)]
    process = subprocess.Popen(
        command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE, text=True
    )
    lines: list[str] = []
    assert process.stderr is not None
    reader = threading.Thread(target=lines.extend, args=(process.stderr,), daemon=True)
    # Nothing connects before the sockets are there: the program says so, and then only reads.
    first = process.stderr.readline()
    assert "Listening on" in first, first
    for _ in sockets[1:]:
        process.stderr.readline()
    reader.start()
    try:
        yield lines
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)
        reader.join(PATIENCE)
        process.stderr.close()


def test_the_first_visitor_starts_the_gate(folder: Path, visitors: Visitors) -> None:
    """The sockets are taken by name: `admin` for operators, every other one for visitors; what the configuration says
    of addresses is not opened beside them."""
    https, more, admin = free_port(), free_port(), free_port()
    with App() as behind:
        unused = free_port()
        configuration = configure(folder, behind.url, listen=f'"127.0.0.1:{unused}"', admin="127.0.0.1:0")
        with activated(configuration, (https, "https"), (admin, "admin"), (more, "internal")) as lines:
            for port in (https, more):
                plain = socket.create_connection(("127.0.0.1", port), PATIENCE)
                with visitors.context("alice").wrap_socket(plain, server_hostname="localhost") as visitor:
                    visitor.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                    assert visitor.recv(12) == b"HTTP/1.1 200"
            with socket.create_connection(("127.0.0.1", admin), PATIENCE) as operator:
                operator.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert operator.recv(12) == b"HTTP/1.1 200"
            assert not accepts(("127.0.0.1", unused))
    said = [line for line in lines if "listening on" in line or "admin on" in line]
    assert said == [
        f"gatekeeper: listening on https://127.0.0.1:{https}\n",
        f"gatekeeper: listening on https://127.0.0.1:{more}\n",
        f"gatekeeper: admin on http://127.0.0.1:{admin}\n",
    ]
