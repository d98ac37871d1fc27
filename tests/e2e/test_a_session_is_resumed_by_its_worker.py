"""``session_resumption = true``: a worker remembers its sessions until the authorities change; another one does a full
handshake.
"""

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app import App
from tests.certificates import make_authority
from tests.gate_process import PATIENCE, Gate, until
from tests.visitors import Visitors

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@pytest.fixture(params=[1, 2])
def workers(request: pytest.FixtureRequest) -> int:
    count: int = request.param
    return count


@pytest.fixture
def gate(folder: Path, app: App, workers: int) -> Iterator[Gate]:
    server, client_auth = f"workers = {workers}\n", "session_resumption = true\n"
    with Gate(folder, app.url, server=server, client_auth=client_auth) as gate:
        yield gate


def visit(gate: Gate, holder: ssl.SSLContext, session: ssl.SSLSession | None = None) -> ssl.SSLSocket:
    """One request; the closed connection, with what it knows of its session."""
    plain = socket.create_connection(("127.0.0.1", gate.port), timeout=PATIENCE)
    with holder.wrap_socket(plain, server_hostname="localhost", session=session) as connection:
        connection.sendall(GET)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
        assert answer.startswith(b"HTTP/1.1 200 "), answer
        connection.known = connection.session, connection.session_reused  # type: ignore[attr-defined]
        return connection


def known(connection: ssl.SSLSocket) -> tuple[ssl.SSLSession, bool]:
    found: tuple[ssl.SSLSession, bool] = connection.known  # type: ignore[attr-defined]
    return found


def test_every_visit_with_a_session_is_served(gate: Gate, visitors: Visitors, workers: int) -> None:
    """One worker resumes each; with two, it depends on which of them the kernel chooses."""
    alice = visitors.context("alice", ssl.TLSVersion.TLSv1_3)
    count = 0
    session, resumed = known(visit(gate, alice))
    assert not resumed
    assert session.has_ticket
    for _ in range(20):
        session, resumed = known(visit(gate, alice, session))
        assert resumed or workers > 1
        count += resumed
    until(lambda: f"gatekeeper_tls_resumed_total {count}\n" in gate.admin_text("/metrics"))


def test_no_session_survives_a_change_of_the_authorities(gate: Gate, visitors: Visitors, workers: int) -> None:
    """Although the old authority is still trusted: the next visit is a whole handshake."""
    alice = visitors.context("alice", ssl.TLSVersion.TLSv1_3)
    session, _ = known(visit(gate, alice))
    bundle = gate.folder / "ca.crt"
    bundle.write_bytes(bundle.read_bytes() + make_authority("Other CA").certificate_pem)
    gate.wait_for(lambda _: sum("INFO: reloaded " in line for line in gate.err) >= workers)
    _, resumed = known(visit(gate, alice, session))
    assert not resumed
