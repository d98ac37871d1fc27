"""SIGUSR2 under load: a new process takes over the sockets, nobody is refused, and no request is lost."""

import asyncio
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from gatekeeper.process.handover import UPGRADE_VARIABLE
from tests.app import App
from tests.e2e.clients import Client, app, next_head
from tests.gate_process import PATIENCE, ROOT, Gate, until
from tests.ports import free_port
from tests.visitors import Visitors

# UPGRADES=100 for the figure that docs/operations.md gives.
UPGRADES = int(os.environ.get("UPGRADES", "3"))


@contextmanager
def running(
    folder: Path, upstream: str, server: str = "", admin: str = "127.0.0.1:0", environ: Mapping[str, str] | None = None
) -> Iterator[Gate]:
    """A gate that may be replaced: whoever has taken over by the end is stopped too."""
    with Gate(folder, upstream, server=server, admin=admin, environ=environ) as gate:
        try:
            yield gate
        finally:
            end_whoever_serves(gate)


def end_whoever_serves(gate: Gate) -> None:
    """Also one that has taken over; for a moment its predecessor answers /status, too."""
    with suppress(OSError):  # nobody answers any more
        while True:
            last = gate.admin("/status")[1]["supervisor"]
            with suppress(ProcessLookupError):
                os.kill(last, signal.SIGTERM)
            until(partial(has_ended, last))


def has_ended(pid: int) -> bool:
    return not alive(pid)


def alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and waits to be collected does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.timeout(120 + 60 * UPGRADES)
def test_under_load(folder: Path, visitors: Visitors) -> None:
    """Clients that keep their connection until the gate closes it, and clients that come new for each request."""
    with App(app) as behind, running(folder, behind.url, server="workers = 2") as gate:
        answered = asyncio.run(play(gate, visitors.context("alice")))
        assert gate.admin("/status")[1]["upgrades_failed"] == 0
        assert len(gate.logged(answered)) == answered


async def play(gate: Gate, alice: ssl.SSLContext) -> int:
    over = asyncio.Event()
    clients = [asyncio.create_task(keep(gate, alice, over)) for _ in range(4)]
    clients += [asyncio.create_task(come_anew(gate, alice, over)) for _ in range(4)]
    try:
        for _ in range(UPGRADES):
            await asyncio.to_thread(upgrade, gate)
    finally:
        over.set()
    return sum(await asyncio.wait_for(asyncio.gather(*clients), PATIENCE))


def upgrade(gate: Gate) -> None:
    """As `gatekeeper upgrade` does it, by the port that the kernel picked."""
    before = gate.admin("/status")[1]["supervisor"]
    os.kill(before, signal.SIGUSR2)
    until(lambda: gate.admin("/status")[1]["supervisor"] != before)
    until(lambda: not alive(before))  # until then, it answers /status too


async def keep(gate: Gate, alice: ssl.SSLContext, over: asyncio.Event) -> int:
    """Every request is answered on the connection, until the gate says that the connection ends; then a new one."""
    answered, clock = 0, asyncio.get_running_loop().time
    while not over.is_set():
        reader, writer = await asyncio.open_connection("127.0.0.1", gate.port, ssl=alice, server_hostname="localhost")
        since = clock()
        while not over.is_set() and (head := await next_head(reader, writer, since)):
            answered, since = answered + 1, clock()
            if b"\r\nConnection: close\r\n" in head:
                break
            await asyncio.sleep(0.002)
        writer.transport.abort()
    return answered


async def come_anew(gate: Gate, alice: ssl.SSLContext, over: asyncio.Event) -> int:
    """Connect, ask, leave. Nobody is refused."""
    answered = 0
    while not over.is_set():
        reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
        await writer.start_tls(alice, server_hostname="localhost")
        client = Client("new", reader, writer)
        assert await client.get() == 200
        answered += 1
        client.close()
    return answered


def test_a_successor_that_fails_changes_nothing(folder: Path, visitors: Visitors) -> None:
    """A configuration that is wrong for the new process: the old one serves on, and says that it does."""
    with App() as behind, running(folder, behind.url) as gate:
        before = gate.admin("/status")[1]["supervisor"]
        configuration = folder / "gatekeeper.toml"
        right = configuration.read_text()
        configuration.write_text(right.replace('key = "server.key"', 'key = "missing.key"'))
        os.kill(before, signal.SIGUSR2)
        gate.wait_for(lambda line: "not upgraded, this gate continues: the new process ended with exit code 2" in line)
        assert gate.request(visitors.context("alice"))[0] == 200
        assert gate.admin("/status")[1]["supervisor"] == before
        assert gate.admin("/status")[1]["upgrades_failed"] == 1
        configuration.write_text(right)
        upgrade(gate)
        assert gate.process.wait(PATIENCE) == 0
        assert gate.request(visitors.context("alice"))[0] == 200


def test_the_command_waits_for_the_successor(folder: Path, visitors: Visitors) -> None:
    """It ends with 0 and names both processes, or with 1 when the old gate goes on."""
    admin = f"127.0.0.1:{free_port()}"
    with App() as behind, running(folder, behind.url, admin=admin) as gate:
        old = gate.admin("/status")[1]["supervisor"]
        command = [sys.executable, "-m", "gatekeeper", "upgrade", "-c", str(folder / "gatekeeper.toml")]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
        assert done.returncode == 0, done.stderr
        until(lambda: not alive(old))  # until then, it answers /status too
        new = gate.admin("/status")[1]["supervisor"]
        assert done.stdout.startswith(f"process {new} has taken over from {old}: version ")
        (folder / "server.key").unlink()
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
        assert (done.returncode, done.stdout) == (1, "")
        assert f"the upgrade failed, and process {new} goes on" in done.stderr
        assert gate.request(visitors.context("alice"))[0] == 200


def test_the_command_leaves_a_gate_of_another_file_alone(folder: Path) -> None:
    """Two files may name the same admin port; only that one counts with which the gate runs."""
    admin = f"127.0.0.1:{free_port()}"
    with App() as behind, running(folder, behind.url, admin=admin) as gate:
        before = gate.admin("/status")[1]["supervisor"]
        (folder / "other.toml").write_text((folder / "gatekeeper.toml").read_text())
        command = [sys.executable, "-m", "gatekeeper", "upgrade", "-c", str(folder / "other.toml")]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
        assert (done.returncode, done.stdout) == (2, "")
        assert f"runs with {folder / 'gatekeeper.toml'}, not with {folder / 'other.toml'}" in done.stderr
        assert gate.admin("/status")[1]["supervisor"] == before


def holding_successors(folder: Path) -> dict[str, str]:
    """The environment of a gate whose successor begins when somebody has written to the FIFO ``go-on``."""
    os.mkfifo(folder / "go-on")
    wait = f'import os\nif "{UPGRADE_VARIABLE}" in os.environ:\n    open("{folder / "go-on"}").read()\n'
    (folder / "sitecustomize.py").write_text(wait)
    return {"PYTHONPATH": str(folder)}


def test_stopping_ends_a_successor_that_is_not_ready(folder: Path) -> None:
    """SIGTERM means the gate as a whole: nobody is left who takes over afterwards."""
    with App() as behind, Gate(folder, behind.url, environ=holding_successors(folder)) as gate:
        gate.signal(signal.SIGUSR2)
        took = gate.wait_for(lambda line: line.partition("upgrade: process ")[2].partition(" takes over")[0])
        gate.signal(signal.SIGTERM)
        assert gate.wait() == 0
        until(lambda: not alive(int(took)))
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", gate.port)).close()


def test_systemd_is_told_the_new_main_process(folder: Path) -> None:
    """MAINPID from the old main process, before it ends (sd_notify(3)), and no STOPPING."""
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as manager:
        manager.bind(str(folder / "notify"))
        manager.settimeout(PATIENCE)
        environ = {"NOTIFY_SOCKET": str(folder / "notify")}
        with App() as behind, Gate(folder, behind.url, environ=environ) as gate:
            assert manager.recv(4096) == b"READY=1"
            gate.signal(signal.SIGUSR2)
            told = b"\n".join((manager.recv(4096), manager.recv(4096)))
            (new,) = (int(line[8:]) for line in told.split(b"\n") if line.startswith(b"MAINPID="))
            assert told.count(b"READY=1") == 2
            assert gate.process.wait(PATIENCE) == 0
            assert gate.admin("/status")[1]["supervisor"] == new
            os.kill(new, signal.SIGTERM)
            until(lambda: not alive(new))
            assert manager.recv(4096) == b"STOPPING=1"


def test_an_upgrade_under_way_is_not_begun_again(folder: Path) -> None:
    """A second signal while the successor starts does not start another one."""
    with App() as behind, running(folder, behind.url, environ=holding_successors(folder)) as gate:
        before = gate.admin("/status")[1]["supervisor"]
        os.kill(before, signal.SIGUSR2)
        gate.wait_for(lambda line: "takes over when it serves" in line)
        os.kill(before, signal.SIGUSR2)
        gate.wait_for(lambda line: "no second upgrade" in line)
        (folder / "go-on").write_text("")
        until(lambda: gate.admin("/status")[1]["supervisor"] != before)
