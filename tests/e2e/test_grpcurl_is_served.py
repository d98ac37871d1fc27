"""grpcurl, a client in Go that knows no service before it has asked: reflection, a call, and a refusal."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gate_process import PATIENCE, Gate
from tests.grpc_app import SERVICE, GrpcApp
from tests.tools import needs, program
from tests.visitors import Visitors

HEALTH = "grpc.health.v1.Health"


@pytest.fixture(scope="module")
def gate(visitors: Visitors, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    needs("grpcurl")
    folder = visitors.furnish(tmp_path_factory.mktemp("gate"))
    with GrpcApp() as app, Gate(folder, f"h2c://{app.address}") as gate:
        yield gate


def grpcurl(gate: Gate, folder: Path, name: str, *words: str, data: str = "") -> subprocess.CompletedProcess[str]:
    who = () if name == "nobody" else ("-cert", f"{folder}/{name}.crt", "-key", f"{folder}/{name}.key")
    options = ("-cacert", f"{folder}/ca.crt", *who, *(("-d", data) if data else ()), f"localhost:{gate.port}")
    command = (program("grpcurl") or "grpcurl", *options, *words)
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)


def test_it_finds_out_what_there_is(gate: Gate, visitors: Visitors) -> None:
    """By a stream in both directions, in which it asks one question after the other."""
    listed = grpcurl(gate, visitors.folder, "alice", "list")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert set(listed.stdout.split()) == {SERVICE, HEALTH, "grpc.reflection.v1alpha.ServerReflection"}


def test_it_calls(gate: Gate, visitors: Visitors) -> None:
    """With the types that it was told of."""
    done = grpcurl(gate, visitors.folder, "alice", f"{HEALTH}/Check", data='{"service": ""}')
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {"status": "SERVING"}


def test_it_says_why_it_was_refused(gate: Gate, visitors: Visitors) -> None:
    """The reason is the message of the status."""
    done = grpcurl(gate, visitors.folder, "nobody", "list")
    assert done.returncode != 0
    assert "no_certificate: " in done.stderr
