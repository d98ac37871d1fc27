"""A thousand visits as browsers make them leave nothing on stderr beside the lines of the start."""

import socket
from http.client import HTTPSConnection
from pathlib import Path

from tests.app import App
from tests.gate_process import PATIENCE, Gate, until
from tests.visitors import Visitors

CONNECTIONS, REQUESTS = 100, 10


def test_a_thousand_visits(folder: Path, visitors: Visitors) -> None:
    """Ten requests on each of a hundred connections; beside each of them one that is opened in advance and dropped."""
    alice = visitors.context("alice")
    with App() as behind, Gate(folder, behind.url) as gate:
        at_start = len(gate.err)
        for _ in range(CONNECTIONS):
            socket.create_connection(("127.0.0.1", gate.port)).close()
            connection = HTTPSConnection("localhost", gate.port, context=alice, timeout=PATIENCE)
            for _ in range(REQUESTS):
                connection.request("GET", "/")
                response = connection.getresponse()
                response.read()
                assert response.status == 200
            connection.close()
        until(lambda: gate.admin("/status")[1]["handshakes"]["failed"] == CONNECTIONS)
        assert len(gate.logged(CONNECTIONS * REQUESTS)) == CONNECTIONS * REQUESTS
        assert gate.err[at_start:] == []
