"""docs/systemd.md, followed to the letter under a real systemd: installed, started by its socket, upgraded under load.

The machine is this one, but nothing of it is changed: systemd-nspawn(1) boots systemd on a copy of the root file system
that is in memory (overlayfs), in namespaces of its own, without a network.
"""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import pytest

from tests.gate_process import PATIENCE, until
from tests.tools import namespace, needs
from tests.wheels import ROOT, fetch_wheels, run

pytestmark = pytest.mark.timeout(600)

PAGE = ROOT / "docs" / "systemd.md"
BLOCK = re.compile(r"^<!-- machine(?:: (.+?))? -->\n```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PYTHON = "/usr/bin/python3"
SYSTEMD = Path("/lib/systemd/systemd")
BOOT = f"""
mount --bind / "$1"
exec systemd-nspawn --quiet --private-network --register=no --keep-unit --volatile=overlay --machine=gatekeeper-$$ \
  --bind="$2:/clone" --bind-ro="$3:/wheels" --directory="$1" {SYSTEMD} systemd.unit=sockets.target
"""
# What a reader of the page types, and what stands for the network: the wheels.
TYPED = {
    "HOME": "/root",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "GATEKEEPER_CA_PASSPHRASE": "typed by the reader",
    "PIP_NO_INDEX": "1",
    "PIP_FIND_LINKS": "/wheels",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
}
# What the reader types in a second terminal before the upgrade: one visitor after the other.
BESIDE = re.compile(r"^<!-- beside -->\n```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Machine:
    """A running systemd. ``process`` is its process 1, as this machine numbers it."""

    def __init__(self, process: int) -> None:
        self._enter = ["nsenter", f"--target={process}", "--mount", "--uts", "--ipc", "--net", "--pid", "--root"]

    def popen(self, text: str) -> subprocess.Popen[str]:
        command = [*self._enter, "bash", "-euo", "pipefail", "-c", f"cd /clone\n{text}"]
        out, err = subprocess.PIPE, subprocess.STDOUT
        return subprocess.Popen(command, env=TYPED, stdin=subprocess.DEVNULL, stdout=out, stderr=err, text=True)

    def run(self, text: str) -> str:
        """What it prints; it must succeed."""
        with self.popen(text) as process:
            said, _ = process.communicate(timeout=5 * PATIENCE)
        assert process.returncode == 0, f"{text}\n{said}"
        return said

    def tries(self, text: str) -> bool:
        """Whether it succeeds."""
        with self.popen(text) as process:
            process.communicate(timeout=PATIENCE)
        return process.returncode == 0


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    needs("systemd-nspawn", "nsenter", "mount", "ip", "curl", PYTHON)
    if os.geteuid() != 0:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("booting systemd needs root")
    folder = tmp_path_factory.mktemp("machine")
    root, clone, wheels = folder / "root", folder / "clone", folder / "wheels"
    for made in (root, clone, wheels):
        made.mkdir()
    for name in ("gatekeeper", "config", "releasing"):
        shutil.copytree(ROOT / name, clone / name, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, clone)
    fetch_wheels(wheels, run(PYTHON, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"))
    with booted(root, clone, wheels, folder / "console") as found:
        yield found


@contextmanager
def booted(root: Path, clone: Path, wheels: Path, console: Path) -> Iterator[Machine]:
    """Boot, and end everything in it afterwards."""
    command = [
        *namespace("--mount", "--propagation=private"),
        "sh",
        "-c",
        BOOT,
        "boot",
        *map(str, (root, clone, wheels)),
    ]
    quiet = subprocess.DEVNULL
    with console.open("wb") as out, subprocess.Popen(command, stdin=quiet, stdout=out, stderr=out) as nspawn:
        children = Path(f"/proc/{nspawn.pid}/task/{nspawn.pid}/children")
        try:
            yield reached(nspawn, children, console)
        finally:
            # The end of process 1 is the end of every process in its namespace.
            for child in children.read_text().split() if nspawn.poll() is None else ():
                with suppress(ProcessLookupError):
                    os.kill(int(child), signal.SIGKILL)
            nspawn.terminate()


def reached(nspawn: subprocess.Popen[bytes], children: Path, console: Path) -> Machine:
    """The machine when it has booted. Skips, visibly, where it does not: overlayfs or control groups may be missing.
    tests/e2e/test_sockets_come_from_systemd.py and tests/deployment/test_systemd.py need neither.
    """
    try:
        until(lambda: nspawn.poll() is not None or b"Reached target" in console.read_bytes())
        machine = Machine(int(children.read_text().split()[0]))
        until(lambda: machine.tries("systemctl is-active sockets.target"))
    except (AssertionError, OSError, IndexError):
        pytest.skip(f"systemd does not boot here: {console.read_text(errors='replace')[-500:]}")
    machine.run("ip link set lo up")
    return machine


@contextmanager
def visitors(machine: Machine, text: str) -> Iterator[None]:
    """The second terminal: a few visits before the block, and a few after it."""
    with machine.popen(text) as terminal:
        try:
            some_more(machine, 0)
            yield
            some_more(machine, visits(machine))
        finally:
            machine.tries("mv /run/visiting /run/visited")
        terminal.communicate(timeout=PATIENCE)
    assert terminal.returncode == 0
    machine.run("mv /run/visited /run/visiting")  # for the reader to remove


def visits(machine: Machine) -> int:
    return int(machine.run("touch /root/visits; wc -l </root/visits"))


def some_more(machine: Machine, before: int) -> None:
    until(lambda: visits(machine) > before + 3)


def test_the_page_leads_to_a_gate_that_is_upgraded_under_load(machine: Machine) -> None:
    """Each command of the page succeeds and says what it should; during the upgrade, every visitor is answered."""
    page = PAGE.read_text()
    blocks = BLOCK.findall(page)
    (beside,) = BESIDE.findall(page)
    assert len(blocks) > 8
    password = ""
    for words, language, text in blocks:
        if language == "toml":
            machine.run(f"cat >{words} <<'EOF'\n{text}EOF")
            continue
        load = (
            visitors(machine, beside.replace("PASSWORD", password)) if "gatekeeper upgrade" in text else nullcontext()
        )
        with load:
            said = machine.run(text.replace("PASSWORD", password))
        assert words in said, said
        if "--unit=app" in text:  # systemd-run does not wait until the app listens
            until(lambda: machine.tries("curl -sS -o /dev/null http://127.0.0.1:8000/"))
        if shown := re.search(r"^Password of .*: (\S+)$", said, re.MULTILINE):
            password = shown[1]
    assert set(machine.run("cat /root/visits").split()) == {"200"}
    assert re.fullmatch(r" *\d+ 200\n", said)


def test_stopping_after_an_upgrade_waits_for_the_requests(machine: Machine) -> None:
    """systemd sends SIGKILL at once to a main process that is not its child, if the unit does not wait for it."""
    old = machine.run("gatekeeper upgrade").partition(" has taken over from ")[2].partition(":")[0]
    until(lambda: not machine.tries(f"test -e /proc/{old}"))
    machine.run("systemctl stop gatekeeper")
    assert "SIGKILL" not in machine.run("journalctl --unit=gatekeeper --no-pager")
    assert machine.run("systemctl show --property=Result --value gatekeeper") == "success\n"


def test_a_visitor_starts_the_gate_again(machine: Machine) -> None:
    """The port stays open while the gate is stopped: who connects waits until it serves."""
    assert "no_certificate" in machine.run("curl -sS --cacert /root/ca/ca.crt https://localhost/")
    until(lambda: machine.tries("systemctl is-active gatekeeper"))  # a worker may answer before systemd is told
    machine.run("systemctl reload gatekeeper")
