"""Between the installation of another version and `gatekeeper upgrade`, the old one answers with what it has loaded."""

import os
import shutil
import signal
import ssl
from pathlib import Path

import pytest

import gatekeeper
from tests.gate_process import Gate, until
from tests.visitors import Visitors

HTML = {"Accept": "text/html"}
ME = "/.gatekeeper/me"
CHANGED = "gatekeeper: ERROR: the package on disk has changed: run gatekeeper upgrade"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A copy of what is installed, which a gate finds in its working directory."""
    installed = Path(gatekeeper.__file__).parent
    folder = tmp_path / "site"
    shutil.copytree(installed, folder / "gatekeeper")
    for library in installed.parent.glob("*__mypyc*.so"):
        shutil.copy(library, folder)
    return folder


@pytest.fixture
def tables(tmp_path: Path) -> str:
    invitations = tmp_path / "invitations"
    invitations.mkdir(mode=0o700)
    return f'[invitations]\nfolder = "{invitations}"\n'


def take_away(site: Path) -> None:
    (site / "gatekeeper").rename(site / "old")


def ask(gate: Gate, who: ssl.SSLContext, target: str) -> tuple[int, str]:
    status, headers, _ = gate.request(who, target=target, headers=HTML)
    return status, headers["content-type"]


def test_who_needs_a_page_gets_json(folder: Path, site: Path, tables: str, visitors: Visitors) -> None:
    """A refusal stays one, nobody waits, and the log says once what to do, and nothing else."""
    with Gate(folder, "http://127.0.0.1:9", tables=tables, run=["env", "-C", str(site)]) as gate:
        take_away(site)
        for _ in range(2):
            assert ask(gate, visitors.context("nobody"), "/") == (403, "application/problem+json")
            assert ask(gate, visitors.context("alice"), "/") == (502, "application/problem+json")
            assert ask(gate, visitors.context("alice"), ME) == (503, "application/problem+json")
        assert gate.admin_text("/status", "text/html").startswith("{")
        assert gate.admin_text("/metrics").startswith("#")
    assert [line for line in gate.err if "ERROR" in line] == [CHANGED]


def test_what_was_loaded_goes_on(folder: Path, site: Path, tables: str, visitors: Visitors) -> None:
    """Pages that were shown before are shown as before."""
    with Gate(folder, "http://127.0.0.1:9", tables=tables, run=["env", "-C", str(site)]) as gate:
        before = [ask(gate, visitors.context("nobody"), "/"), ask(gate, visitors.context("alice"), ME)]
        assert before == [(403, "text/html; charset=utf-8"), (200, "text/html; charset=utf-8")]
        page = gate.admin_text("/status", "text/html")
        take_away(site)
        assert [ask(gate, visitors.context("nobody"), "/"), ask(gate, visitors.context("alice"), ME)] == before
        assert page.startswith("<!")
        assert gate.admin_text("/status", "text/html").startswith("<!")
    assert CHANGED not in gate.err


def test_workers_are_replaced_and_a_new_configuration_waits(
    folder: Path, site: Path, tables: str, visitors: Visitors
) -> None:
    """A new worker loads nothing; only the new version judges a new text."""
    with Gate(folder, "http://127.0.0.1:9", tables=tables, run=["env", "-C", str(site)]) as gate:
        take_away(site)
        path = folder / "gatekeeper.toml"
        changed = path.with_suffix(".new")
        changed.write_text(path.read_text(encoding="utf-8") + "# changed\n", encoding="utf-8")
        changed.replace(path)
        gate.signal(signal.SIGHUP)
        gate.wait_for(
            lambda line: "not reloaded, the old state stays in force" in line and "run gatekeeper upgrade" in line
        )
        (worker,) = gate.workers()
        os.kill(worker, signal.SIGKILL)
        until(lambda: gate.workers() not in ([], [worker]))
        assert ask(gate, visitors.context("nobody"), "/")[0] == 403
