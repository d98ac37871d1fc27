"""Started as root with ``server.user``, visitors are served by that user, with a key that it cannot read."""

import os
import pwd
import signal
import ssl
from contextlib import suppress
from datetime import UTC, datetime
from http.client import HTTPResponse
from pathlib import Path

import pytest

from gatekeeper.ca.authority import make_authority
from gatekeeper.ca.certificates import issue_server
from tests.app import App
from tests.gate_process import Gate, until
from tests.visitors import EC, Visitors

USER = 'user = "nobody"\nworkers = 2'


@pytest.fixture
def gate(folder: Path, app: App) -> object:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    (folder / "server.key").chmod(0o400)
    with Gate(folder, app.url, server=USER) as gate:
        yield gate


def reloads(said: list[str]) -> int:
    """How often a worker has reloaded."""
    return sum("INFO: reloaded" in line for line in said)


def answer(connection: ssl.SSLSocket) -> int:
    """Ask, and read the status and all of the answer."""
    connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    response = HTTPResponse(connection)
    response.begin()
    response.read()
    return response.status


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
def test_a_reload_keeps_the_workers(gate: Gate, visitors: Visitors, folder: Path, how: str) -> None:
    """They get copies of what only root can read, so nobody's connection has to end."""
    before = gate.workers()
    with gate.connect(visitors.context("alice")) as kept:
        assert answer(kept) == 200
        if how == "a file":
            configuration = folder / "gatekeeper.toml"
            configuration.write_text(configuration.read_text() + '\n[refusal]\ncontact = "the new one"\n')
        else:
            gate.signal(signal.SIGHUP)
        until(lambda: reloads(gate.err) >= len(before))
        assert answer(kept) == 200
    assert gate.workers() == before
    if how == "a file":
        assert b"the new one" in gate.request(visitors.context("nobody"), headers={"Accept": "text/html"})[2]
    assert gate.admin("/status")[1]["last_reload"]["ok"] is True


def test_one_change_is_one_reload(gate: Gate, folder: Path) -> None:
    """The supervisor remembers what it sent; a second change is a second one."""
    count = len(gate.workers())
    os.utime(folder / "server.crt")
    until(lambda: reloads(gate.err) >= count)
    assert gate.rests(reloads)
    os.utime(folder / "server.key")
    until(lambda: reloads(gate.err) >= 2 * count)
    assert gate.rests(reloads)
    assert reloads(gate.err) == 2 * count


def copies(pid: int) -> list[str]:
    """The copies of files that a process has open."""
    names = []
    for one in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            names.append(os.readlink(one))
    return [name for name in names if "memfd:gatekeeper " in name]


def test_keys_renewed_and_named_anew_for_root_alone_are_served(gate: Gate, folder: Path) -> None:
    """By the same workers, and by those that come after them; no copy of them stays open."""
    before, now = gate.workers(), datetime.now(UTC)
    new = issue_server(make_authority("Other CA", key_type=EC, now=now), "localhost", key_type=EC, now=now)
    for name, content in (("other.key", new.key_pem()), ("other.crt", new.chain_pem)):
        (folder / name).write_bytes(content)
        (folder / name).chmod(0o400)
    configuration = folder / "gatekeeper.toml"
    configuration.write_text(
        configuration.read_text().replace("server.key", "other.key").replace("server.crt", "other.crt")
    )
    until(lambda: reloads(gate.err) >= len(before))
    assert gate.workers() == before
    until(lambda: not any(map(copies, before)))  # they are closed after the reload is logged
    os.kill(before[0], signal.SIGKILL)
    until(lambda: len(gate.workers()) == 2 and before[0] not in gate.workers())
    for _ in range(4):
        assert ssl.get_server_certificate(("127.0.0.1", gate.port)).encode() in new.chain_pem


def test_a_missing_file_is_called_missing(gate: Gate, folder: Path) -> None:
    """And a folder a folder, where the workers may not even look: "permission denied" would lead astray."""
    folder.chmod(0o700)
    (folder / "server.key").unlink()
    gate.wait_for(lambda line: "not reloaded" in line and "server.key does not exist" in line)
    (folder / "server.key").mkdir()
    gate.wait_for(lambda line: "not reloaded" in line and "server.key is a directory, not a file" in line)


def test_a_reload_that_fails_changes_nothing(gate: Gate, visitors: Visitors, folder: Path) -> None:
    """The old workers go on, and /metrics says so."""
    before = gate.workers()
    (folder / "ca.crt").write_text("nonsense")
    gate.wait_for(lambda line: "not reloaded, the old state stays" in line)
    assert gate.request(visitors.context("alice"))[0] == 200
    until(lambda: gate.workers() == before)
    assert "gatekeeper_last_reload_success 0\n" in gate.admin_text("/metrics")
