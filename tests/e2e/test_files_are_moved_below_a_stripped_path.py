"""A WebDAV server that knows nothing of its path behind a gate (``strip_prefix``), and curl as its client."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.e2e.house import running
from tests.gate_process import PATIENCE, Gate, until
from tests.ports import accepts, free_port
from tests.tools import needs, program
from tests.visitors import Visitors

CONFIGURATION = """
host: 127.0.0.1
port: {port}
provider_mapping: {{"/": "{folder}"}}
simple_dc: {{user_mapping: {{"*": true}}}}
"""
ROUTES = """
[[routes]]
path = "/dav/*"
strip_prefix = true
"""
LOCK = """<?xml version="1.0"?><lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype>
<owner>alice</owner></lockinfo>"""


@dataclass(frozen=True)
class Client:
    """curl with alice's certificate; ``files`` is the folder of the server."""

    gate: Gate
    files: Path
    version: str

    def url(self, name: str) -> str:
        return f"{self.gate.address}/dav/{name}"

    def ask(self, method: str, name: str, *headers: str, body: str = "") -> tuple[str, str]:
        """The status, and the header of the answer."""
        words = [one for header in headers for one in ("-H", header)]
        alice = ("--cacert", "ca.crt", "--cert", "alice.crt", "--key", "alice.key")
        done = subprocess.run(
            [program("curl") or "", "-sS", "-q", "--noproxy", "*", self.version, *alice, "-X", method, *words]
            + (["--data-binary", "@-"] if body else [])
            + ["-o", "body", "-D", "-", "-w", "%{http_code}", self.url(name)],
            input=body, cwd=self.gate.folder, capture_output=True, text=True, timeout=PATIENCE, check=True,
        )  # fmt: skip
        return done.stdout[-3:], done.stdout


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    needs("wsgidav", "curl")
    folder: Path = tmp_path_factory.mktemp("dav")
    Visitors.make(folder)
    (folder / "files").mkdir()
    port = free_port()
    (folder / "wsgidav.yaml").write_text(CONFIGURATION.format(port=port, folder=folder / "files"))
    with running(folder, "wsgidav", ["wsgidav", "--config", str(folder / "wsgidav.yaml")], {}) as server:
        until(lambda: accepts(("127.0.0.1", port)) or server.poll() is not None)
        with Gate(folder, f"http://127.0.0.1:{port}", tables=ROUTES) as gate:
            yield gate


@pytest.fixture(params=["--http1.1", "--http2"])
def client(gate: Gate, request: pytest.FixtureRequest) -> Iterator[Client]:
    files = gate.folder / "files"
    (files / "one").write_text("hello")
    yield Client(gate, files, request.param)
    for path in files.iterdir():
        path.unlink()


def test_files_are_copied_and_moved(client: Client) -> None:
    """By the visitor's own addresses, whole or as a path."""
    assert client.ask("COPY", "one", f"Destination: {client.url('two')}")[0] == "201"
    assert client.ask("MOVE", "one", "Destination: /dav/three")[0] == "201"
    assert {path.name for path in client.files.iterdir()} == {"two", "three"}


def test_a_locked_file_is_replaced_by_whoever_holds_the_lock(client: Client) -> None:
    """The token is sent for the Destination's address, which the server knows by another path."""
    (client.files / "two").write_text("old")
    _, header = client.ask("LOCK", "two", "Content-Type: application/xml", body=LOCK)
    (token,) = (line.partition(": ")[2] for line in header.splitlines() if line.lower().startswith("lock-token:"))
    move = partial(client.ask, "MOVE", "one", f"Destination: {client.url('two')}")
    assert move()[0] == "423"
    assert move(f"If: <{client.url('two')}> ({token})")[0] == "204"
    assert (client.files / "two").read_text() == "hello"


@pytest.mark.parametrize("where", ["https://elsewhere.example/dav/two", "/two", "/other/two", "/dav/../two"])
def test_a_file_is_not_moved_where_the_visitor_did_not_say(client: Client, where: str) -> None:
    """Without the gate's answer the server would take /two for the visitor's /dav/two."""
    assert client.ask("MOVE", "one", f"Destination: {where}")[0] == ("400" if ".." in where else "502")
    assert [path.name for path in client.files.iterdir()] == ["one"]
