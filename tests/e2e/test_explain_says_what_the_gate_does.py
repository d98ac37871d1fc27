"""``gatekeeper explain`` against a running gate with the same configuration: the same answer, the same headers."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.app import App
from tests.gate_process import ROOT, Gate
from tests.visitors import REFUSED, Visitors

ROUTES = """\
[[routes]]
path = "/hook"
methods = "POST"
public = true

[[routes]]
path = "/admin/*"
allow = [{ ou = "ops" }]

[[routes]]
path = "/mine/*"
allow = [{ cn = "bob" }, { cn = "alice", issuer = "Home CA" }]
cors_preflight = ["https://app.example.com"]

[[routes]]
path = "/notes/*"
methods = "GET"

[identity]
headers = ["nginx", "rfc9440", "remote-user", "xfcc", "traefik"]
custom = { "X-Device" = "{cn}; until {not_after}" }
expiry_warning = "500d"
"""


@dataclass
class Stage:
    visitors: Visitors
    folder: Path
    gate: Gate
    app: App

    def explain(self, visitor: str, method: str, target: str, *more: str) -> dict[str, Any]:
        shown = [] if visitor == "nobody" else ["--cert", self.visitors.certificate(visitor)]
        command = [sys.executable, "-m", "gatekeeper", "explain", "-c", self.folder / "gatekeeper.toml", "--json"]
        done = subprocess.run(
            [*command, *shown, *more, method, f"https://localhost:{self.gate.port}{target}"],  # type: ignore[list-item]
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stderr == ""
        said: dict[str, Any] = json.loads(done.stdout)
        assert done.returncode == (0 if said["verdict"] == "admitted" else 1)
        return said


@pytest.fixture(scope="module")
def stage(visitors: Visitors, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = visitors.furnish(tmp_path_factory.mktemp("gate"))
    with App() as app, Gate(folder, app.url, tables=ROUTES) as gate:
        yield Stage(visitors, folder, gate, app)


REQUESTS = [
    ("alice", "GET", "/mine/1?x=%2e"),
    ("alice", "GET", "/admin/"),
    ("alice", "GET", "/nothing"),
    ("alice", "GET", "/x/../mine/1"),
    ("alice", "PUT", "/notes/1"),
    ("alice", "HEAD", "/notes/1"),
    ("alice", "POST", "/hook"),
    ("nobody", "POST", "/hook"),
    ("expired", "POST", "/hook"),
    ("nobody", "GET", "/hook"),
    *((kind, "GET", "/mine/1") for kind in REFUSED),
]


@pytest.mark.parametrize(("visitor", "method", "target"), REQUESTS)
def test_the_same_answer_and_the_same_headers(stage: Stage, visitor: str, method: str, target: str) -> None:
    """Status and reason; and for what is let through, header by header, in the same order."""
    said = stage.explain(visitor, method, target)
    before = len(stage.app.asked)
    status, headers, _ = stage.gate.request(stage.visitors.context(visitor), method, target)
    if said["verdict"] == "refused":
        assert (said["status"], said["reason"]) == (status, headers.get("gatekeeper-reason"))
        assert len(stage.app.asked) == before
        return
    assert status == 200
    got = [pair for pair in stage.app.asked[-1].headers if pair[0] not in ("X-Request-Id", "Accept-Encoding")]
    assert [tuple(pair) for pair in said["headers"]] == [pair for pair in got if pair[0] != "Content-Length"]
    for name, value in said["response_headers"]:
        assert headers[name.lower()] == value


def test_a_preflight(stage: Stage) -> None:
    """What a browser asks before it shows a certificate, and the same without one of its headers."""
    asks = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "PUT"}
    options = [word for name, value in asks.items() for word in ("-H", f"{name}: {value}")]
    said = stage.explain("nobody", "OPTIONS", "/mine/1", *options)
    status, _, _ = stage.gate.request(stage.visitors.context("nobody"), "OPTIONS", "/mine/1", headers=asks)
    assert (said["verdict"], status) == ("admitted", 200)
    said = stage.explain("nobody", "OPTIONS", "/mine/1", *options[:2])
    status, _, _ = stage.gate.request(stage.visitors.context("nobody"), "OPTIONS", "/mine/1", headers={"Origin": "x"})
    assert (said["status"], status) == (403, 403)
