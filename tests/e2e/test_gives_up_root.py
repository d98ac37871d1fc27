"""Started as root with ``server.user``, visitors are served by that user, with a key that it cannot read."""

import os
import pwd
import signal
from pathlib import Path

import pytest

from tests.app import App
from tests.gate import Gate, until
from tests.visitors import Visitors

USER = 'user = "nobody"\nworkers = 2'


@pytest.fixture
def gate(folder: Path, app: App) -> object:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    (folder / "server.key").chmod(0o400)
    with Gate(folder, app.url, server=USER) as gate:
        yield gate


def identities(pid: int) -> set[str]:
    """Real, effective, saved and file system user, and the same of the groups (proc(5))."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {one for line in lines if line.startswith(("Uid:", "Gid:")) for one in line.split()[1:]}


def test_workers_are_somebody_else(gate: Gate, visitors: Visitors) -> None:
    """For good, and in every respect."""
    nobody = pwd.getpwnam("nobody")
    assert gate.request(visitors.context("alice"))[0] == 200
    for pid in gate.workers():
        assert identities(pid) == {str(nobody.pw_uid), str(nobody.pw_gid)}
        assert "\nCapEff:\t0000000000000000\n" in Path(f"/proc/{pid}/status").read_text()
    assert gate.log.stat().st_uid == nobody.pw_uid


def test_a_replacement_has_the_key_too(gate: Gate, visitors: Visitors) -> None:
    """The supervisor is still root, so a worker reads it before it becomes somebody else."""
    before = gate.workers()
    os.kill(before[0], signal.SIGKILL)
    until(lambda: len(gate.workers()) == 2 and before[0] not in gate.workers())
    for _ in range(4):
        assert gate.request(visitors.context("alice"))[0] == 200


@pytest.mark.parametrize("how", ["SIGHUP", "a file"])
def test_a_reload_starts_new_workers(gate: Gate, visitors: Visitors, folder: Path, how: str) -> None:
    """The old ones could not read the key; they finish what they have, and nobody is refused in between."""
    before = gate.workers()
    if how == "a file":
        configuration = folder / "gatekeeper.toml"
        configuration.write_text(configuration.read_text() + '\n[refusal]\ncontact = "the new one"\n')
    else:
        gate.signal(signal.SIGHUP)
    gate.wait_for(lambda line: "with new workers" in line)
    until(lambda: set(gate.workers()).isdisjoint(before) and len(gate.workers()) == 2)
    assert gate.request(visitors.context("alice"))[0] == 200
    if how == "a file":
        assert b"the new one" in gate.request(visitors.context("nobody"), headers={"Accept": "text/html"})[2]
    assert gate.admin("/status")[1]["last_reload"]["ok"] is True


def test_a_reload_that_fails_changes_nothing(gate: Gate, visitors: Visitors, folder: Path) -> None:
    """The old workers go on, and /metrics says so."""
    before = gate.workers()
    (folder / "ca.crt").write_text("nonsense")
    gate.wait_for(lambda line: "not reloaded, the old state stays" in line)
    assert gate.request(visitors.context("alice"))[0] == 200
    until(lambda: gate.workers() == before)
    assert "gatekeeper_last_reload_success 0\n" in gate.admin_text("/metrics")


def test_a_second_change_is_not_forgotten(folder: Path, app: App, visitors: Visitors) -> None:
    """It comes while the workers from before the first one are still draining, so it has to wait."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with (
        Gate(folder, app.url, server=USER, tables='[timeouts]\ndrain = "1s"') as gate,
        gate.connect(visitors.context("alice")) as slow,
    ):
        slow.sendall(b"GET / HTTP/1.1\r\n")
        gate.signal(signal.SIGHUP)
        gate.wait_for(lambda line: "with new workers" in line)
        assert len(gate.workers()) > 2
        configuration = folder / "gatekeeper.toml"
        configuration.write_text(configuration.read_text() + '\n[refusal]\ncontact = "the new one"\n')
        nobody = visitors.context("nobody")
        until(lambda: b"the new one" in gate.request(nobody, headers={"Accept": "text/html"})[2])
