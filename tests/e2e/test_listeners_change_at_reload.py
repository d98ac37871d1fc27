"""`server.listen` and `server.workers` take effect at a reload, without a gap for whoever uses what stays."""

import signal
import socket
from pathlib import Path

import pytest

from tests.app import App
from tests.gate_process import Gate, configure, until
from tests.ports import accepts, free_port
from tests.visitors import Visitors


def test_a_listener_is_added_and_taken_away(folder: Path, visitors: Visitors) -> None:
    """The new address answers, then the old one is closed."""
    alice = visitors.context("alice")
    first, second = free_port(), free_port()
    with App() as behind, Gate(folder, behind.url, listen=f'"127.0.0.1:{first}"') as gate:
        configure(folder, behind.url, listen=f'["127.0.0.1:{first}", "127.0.0.1:{second}"]')
        gate.signal(signal.SIGHUP)
        gate.wait_for(lambda line: f"listening on https://127.0.0.1:{second}" in line)
        for gate.port in (first, second):
            assert gate.request(alice)[0] == 200
        configure(folder, behind.url, listen=f'"127.0.0.1:{second}"')
        gate.signal(signal.SIGHUP)
        until(lambda: not accepts(("127.0.0.1", first)))
        assert gate.request(alice)[0] == 200
        assert gate.admin("/status")[1]["worker_restarts"] == 0


def test_an_address_that_cannot_be_had_changes_nothing(folder: Path, visitors: Visitors) -> None:
    """The old listeners stay, the log says why, and the last reload counts as failed until it is mended."""
    port = free_port()
    with App() as behind, Gate(folder, behind.url, listen=f'"127.0.0.1:{port}"') as gate:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            wrong = f"127.0.0.1:{taken.getsockname()[1]}"
            configure(folder, behind.url, listen=f'"{wrong}"')
            gate.signal(signal.SIGHUP)
            gate.wait_for(lambda line: f"the listeners stay as they were: cannot listen on {wrong}" in line)
            assert gate.request(visitors.context("alice"))[0] == 200
            assert "gatekeeper_last_reload_success 0\n" in gate.admin_text("/metrics")
        configure(folder, behind.url, listen=f'"127.0.0.1:{port}"')
        gate.signal(signal.SIGHUP)
        until(lambda: "gatekeeper_last_reload_success 1\n" in gate.admin_text("/metrics"))


@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 1), (1, 5)])
def test_the_number_of_workers_changes(folder: Path, visitors: Visitors, before: int, after: int) -> None:
    """New workers relieve the old ones; nobody counts them as crashed."""
    with App() as behind, Gate(folder, behind.url, server=f"workers = {before}") as gate:
        old = set(gate.workers())
        assert len(old) == before
        configure(folder, behind.url, server=f"workers = {after}")
        gate.signal(signal.SIGHUP)
        until(lambda: len(gate.workers()) == after and not old & set(gate.workers()))
        assert gate.request(visitors.context("alice"))[0] == 200
        assert gate.admin("/status")[1]["worker_restarts"] == 0
