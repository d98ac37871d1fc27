"""Clients that people use: curl, Python's http.client, Node.js."""

import json
import subprocess
from collections.abc import Iterator
from http.client import HTTPSConnection
from pathlib import Path

import pytest

from tests.app import App
from tests.gate_process import PATIENCE, Gate
from tests.tools import needs
from tests.visitors import Visitors

NODE = """
const fs = require("fs"), https = require("https");
const [port, folder, name] = process.argv.slice(2);
const file = (end) => fs.readFileSync(`${folder}/${end}`);
const agent = new https.Agent({ keepAlive: true, maxSockets: 1 });
const who = name ? { cert: file(`${name}.crt`), key: file(`${name}.key`) } : {};
const options = { host: "localhost", port, ca: file("ca.crt"), agent, ...who };
const ask = (method, path, body) => new Promise((done, failed) => {
  const request = https.request({ ...options, method, path }, (response) => {
    let text = "";
    response.on("data", (piece) => { text += piece; });
    response.on("end", () => done({ status: response.statusCode, text, reused: request.reusedSocket }));
  });
  request.on("error", failed);
  if (body) { request.write(body); request.write(body); }
  request.end();
});
(async () => {
  const answers = [await ask("GET", "/1"), await ask("POST", "/2", "x".repeat(100000)), await ask("GET", "/3")];
  console.log(JSON.stringify(answers));
  agent.destroy();
})();
"""


@pytest.fixture(scope="module")
def app() -> Iterator[App]:
    with App() as app:
        yield app


@pytest.fixture(autouse=True)
def nothing_asked(app: App) -> None:
    app.asked.clear()


@pytest.fixture(scope="module")
def gate(app: App, visitors: Visitors, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    with Gate(visitors.furnish(tmp_path_factory.mktemp("gate")), app.url) as gate:
        yield gate


def curl(gate: Gate, visitors: Visitors, *options: str, name: str = "alice", target: str = "/") -> str:
    needs("curl")
    command = ["curl", *visitors.curl(name), *options, f"{gate.address}{target}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_curl(gate: Gate, visitors: Visitors, app: App, tmp_path: Path) -> None:
    """Connections that are kept, uploads with an expectation, chunked ones, HTTP/1.0, HEAD, odd targets."""
    two = curl(gate, visitors, "-w", "%{num_connects} ", f"{gate.address}/1", target="/2")
    assert two == "GET /1: 0 bytes\n1 GET /2: 0 bytes\n0 "
    (tmp_path / "file").write_bytes(b"x" * 2_000_000)
    upload = ("-T", str(tmp_path / "file"), "-H", "Expect: 100-continue", "--expect100-timeout", "50")
    assert curl(gate, visitors, *upload, target="/up") == "PUT /up: 2000000 bytes\n"
    assert curl(gate, visitors, *upload, "-H", "Transfer-Encoding: chunked", target="/up") == "PUT /up: 2000000 bytes\n"
    assert curl(gate, visitors, "--http1.0") == "GET /: 0 bytes\n"
    assert curl(gate, visitors, "--head").startswith("HTTP/1.1 200 OK\n")
    odd = "/a//b/%2e%2e/c;p=1?q=%0d%0a&r=%C3%A4"
    assert curl(gate, visitors, "--path-as-is", target=odd) == f"GET {odd}: 0 bytes\n"
    assert {asked.header("X-SSL-Client-S-DN") for asked in app.asked} == {"CN=alice"}


def test_curl_that_is_refused_uploads_nothing(gate: Gate, visitors: Visitors, app: App, tmp_path: Path) -> None:
    """The 403 comes instead of the 100, so the body stays where it is."""
    (tmp_path / "file").write_bytes(b"x" * 2_000_000)
    upload = ("-T", str(tmp_path / "file"), "-H", "Expect: 100-continue", "--expect100-timeout", "50")
    answer = curl(
        gate, visitors, *upload, "-o", str(tmp_path / "answer"), "-w", "%{http_code} %{size_upload}", name="nobody"
    )
    assert answer == "403 0"
    assert app.asked == []


def test_http_client(gate: Gate, visitors: Visitors, app: App) -> None:
    """Ten requests on one connection, every other one with a body."""
    connection = HTTPSConnection("localhost", gate.port, context=visitors.context("alice"), timeout=PATIENCE)
    connection.connect()
    socket = connection.sock
    for number in range(10):
        connection.request("POST" if number % 2 else "GET", f"/{number}", b"x" * number if number % 2 else None)
        response = connection.getresponse()
        assert response.read().endswith(b" %d bytes\n" % (number if number % 2 else 0))
    assert connection.sock is socket
    connection.close()
    assert len(app.asked) == 10
    assert len({asked.header("X-Request-Id") for asked in app.asked}) == 10


def test_node(gate: Gate, visitors: Visitors, tmp_path: Path) -> None:
    """Node's https, with an agent that keeps connections; and refused without a certificate."""
    needs("node")
    (tmp_path / "client.js").write_text(NODE)

    def ask(*name: str) -> list[dict[str, object]]:
        command = ["node", str(tmp_path / "client.js"), str(gate.port), str(visitors.folder), *name]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0, done.stderr
        answers: list[dict[str, object]] = json.loads(done.stdout)
        return answers

    assert ask("alice") == [
        {"status": 200, "text": "GET /1: 0 bytes\n", "reused": False},
        {"status": 200, "text": "POST /2: 200000 bytes\n", "reused": True},
        {"status": 200, "text": "GET /3: 0 bytes\n", "reused": True},
    ]
    assert [answer["status"] for answer in ask()] == [403, 403, 403]
