"""Every kind of visitor gets its own reason, over TLS 1.2 and 1.3, from curl and Python, on uvloop and asyncio."""

import json
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app import App
from tests.gate_process import PATIENCE, Gate
from tests.tools import needs
from tests.visitors import REFUSED, Visitors

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
LOOPS = ["uvloop", "asyncio"]


@pytest.fixture(scope="module")
def recorder() -> Iterator[App]:
    with App() as app:
        yield app


@pytest.fixture(scope="module", params=LOOPS)
def gate(
    request: pytest.FixtureRequest, recorder: App, visitors: Visitors, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gate]:
    folder = visitors.furnish(tmp_path_factory.mktemp("gate"))
    environ = without_uvloop(folder) if request.param == "asyncio" else {}
    with Gate(folder, recorder.url, environ=environ) as gate:
        yield gate


def without_uvloop(folder: Path) -> dict[str, str]:
    """The environment of a Python where uvloop cannot be imported, as on Windows."""
    (folder / "uvloop.py").write_text("raise ImportError\n")
    return {"PYTHONPATH": str(folder)}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", REFUSED)
def test_python_is_told(gate: Gate, recorder: App, visitors: Visitors, name: str, version: ssl.TLSVersion) -> None:
    """Status, reason, problem+json, and a body that a machine can read; the app hears nothing."""
    before = len(recorder.asked)
    status, headers, body = gate.request(visitors.context(name, version), headers={"Accept": "application/json"})
    assert status == 403
    assert headers["gatekeeper-reason"] == REFUSED[name]
    assert headers["cache-control"] == "no-store"
    assert headers["connection"] == "close"
    assert headers["content-type"] == "application/problem+json"
    problem = json.loads(body)
    assert problem["reason"] == REFUSED[name]
    assert problem["request_id"] == headers["x-request-id"]
    assert ("certificate" in problem) == (name != "nobody")
    assert len(recorder.asked) == before


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", REFUSED)
def test_curl_is_told(gate: Gate, recorder: App, visitors: Visitors, name: str, version: ssl.TLSVersion) -> None:
    """A browser's Accept gets the page; curl sees a proper end of TLS."""
    needs("curl")
    before = len(recorder.asked)
    command = ["curl", *visitors.curl(name, version), "-i", "-H", "Accept: text/html,*/*;q=0.8", gate.address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    head, _, page = done.stdout.partition("\n\n")
    assert head.startswith("HTTP/1.1 403 Forbidden")
    assert f"Gatekeeper-Reason: {REFUSED[name]}" in head
    assert "<!doctype html>" in page.lower()
    assert len(recorder.asked) == before


@pytest.mark.parametrize("version", VERSIONS)
def test_who_has_a_good_certificate_is_let_in(
    gate: Gate, recorder: App, visitors: Visitors, version: ssl.TLSVersion
) -> None:
    """By Python, and by curl, with PEM files and with the .p12, whose password comes as `gatekeeper ca` says."""
    needs("curl")
    status, _, body = gate.request(visitors.context("alice", version), target="/hello")
    assert (status, body) == (200, b"GET /hello: 0 bytes\n")
    assert recorder.asked[-1].header("X-SSL-Client-S-DN") == "CN=alice"
    bundle = ["-K", "-", "--cert-type", "P12", "--cert", visitors.folder / "alice.p12"]
    typed = f'pass="{visitors.password}"\n'.encode()
    for options in (visitors.curl("alice", version), [*visitors.curl("nobody", version), *bundle]):
        done = subprocess.run(
            ["curl", *options, f"{gate.address}/hello"], input=typed, capture_output=True, timeout=PATIENCE
        )
        assert (done.returncode, done.stdout) == (0, b"GET /hello: 0 bytes\n"), done.stderr


def test_every_visitor_stands_in_the_log(visitors: Visitors, app: App, folder: Path) -> None:
    """With the reason and what was presented; and nobody was written down as let in who was not."""
    with Gate(folder, app.url) as gate:
        for name in ("alice", *REFUSED):
            gate.request(visitors.context(name), target=f"/{name}")
        lines = {line["target"][1:]: line for line in gate.logged(1 + len(REFUSED))}
    for name, reason in REFUSED.items():
        assert (lines[name]["status"], lines[name]["reason"]) == (403, reason)
        assert ("fingerprint" in lines[name]) == (name != "nobody")
    assert (lines["alice"]["status"], lines["alice"]["subject"]) == (200, "CN=alice")


@pytest.mark.parametrize("loop", LOOPS)
def test_the_loop_is_the_one_that_is_tested(visitors: Visitors, tmp_path: Path, app: App, loop: str) -> None:
    """Half of this file would otherwise test the same thing twice."""
    folder = visitors.furnish(tmp_path)
    with Gate(folder, app.url, environ=without_uvloop(folder) if loop == "asyncio" else {}) as gate:
        loaded = Path(f"/proc/{gate.process.pid}/maps").read_text(encoding="utf-8")
    assert ("uvloop/loop" in loaded) == (loop == "uvloop")
