"""HTTP/2 with clients that people use: curl, nghttp, h2load, Node.js, Go, Java, httpx.

What each does with a refusal differs: Go repeats what a GOAWAY leaves out, Java and httpx do not.
"""

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.app import App
from tests.gate_process import PATIENCE, Gate
from tests.tools import needs
from tests.visitors import Visitors

PROGRAMS = Path(__file__).parent / "programs"
NODE = """
const fs = require("fs"), http2 = require("http2");
const [address, folder, name] = process.argv.slice(2);
const file = (end) => fs.readFileSync(`${folder}/${end}`);
const who = name ? { cert: file(`${name}.crt`), key: file(`${name}.key`) } : {};
const session = http2.connect(address, { ca: file("ca.crt"), ...who });
const ask = (method, path, body) => new Promise((done, failed) => {
  const stream = session.request({ ":method": method, ":path": path });
  let text = "", status;
  stream.on("response", (headers) => { status = headers[":status"]; });
  stream.on("data", (piece) => { text += piece; });
  stream.on("end", () => done({ status, text }));
  stream.on("error", failed);
  stream.end(body);
});
(async () => {
  const answers = await Promise.all([ask("GET", "/1"), ask("POST", "/2", "x".repeat(200000)), ask("GET", "/3")]);
  console.log(JSON.stringify(answers));
  session.close();
})();
"""


@pytest.fixture(scope="module")
def app() -> Iterator[App]:
    with App() as app:
        yield app


@pytest.fixture(scope="module")
def gate(app: App, visitors: Visitors, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    with Gate(visitors.furnish(tmp_path_factory.mktemp("gate")), app.url) as gate:
        yield gate


def run(*command: str) -> str:
    needs(command[0])
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_curl(gate: Gate, visitors: Visitors, tmp_path: Path) -> None:
    """One connection for downloads and uploads; HEAD."""
    options = ("curl", *visitors.curl("alice"), "--http2")
    two = run(*options, "-w", "%{http_version} %{num_connects} ", f"{gate.address}/1", f"{gate.address}/2")
    assert two == "GET /1: 0 bytes\n2 1 GET /2: 0 bytes\n2 0 "
    (tmp_path / "file").write_bytes(b"x" * 2_000_000)
    assert run(*options, "-T", str(tmp_path / "file"), f"{gate.address}/up") == "PUT /up: 2000000 bytes\n"
    assert run(*options, "--head", f"{gate.address}/").startswith("HTTP/2 200 \n")


def test_curl_without_a_certificate(gate: Gate, visitors: Visitors, tmp_path: Path) -> None:
    """403 with the reason, and the same for an upload that is never taken."""
    (tmp_path / "file").write_bytes(b"x" * 5_000_000)
    seen = "%{http_version} %{http_code}"
    options = ("curl", *visitors.curl("nobody"), "--http2", "-o", "/dev/null", "-w", seen)
    assert run(*options, f"{gate.address}/") == "2 403"
    assert run(*options, "-T", str(tmp_path / "file"), f"{gate.address}/up") == "2 403"


def test_a_malformed_request_is_explained(gate: Gate, visitors: Visitors) -> None:
    """RFC 9113, 8.1.1: what people see of a Host that is none is 400, and not just that the stream was reset."""
    host, seen = "me@app.example", "%{http_version} %{http_code}"
    options = ("curl", *visitors.curl("alice"), "--http2", "-o", "/dev/null", "-w", seen, "-H", f"Host: {host}")
    assert run(*options, f"{gate.address}/") == "2 400"
    with httpx.Client(http1=False, http2=True, verify=visitors.context("alice")) as client:
        answer = client.get(gate.address, headers={"Host": host})
    assert (answer.http_version, answer.status_code) == ("HTTP/2", 400)


def test_node(gate: Gate, visitors: Visitors, tmp_path: Path) -> None:
    """Requests side by side in one session, each answered; 403 for each without a certificate."""
    (tmp_path / "ask.js").write_text(NODE)
    command = ("node", str(tmp_path / "ask.js"), gate.address, str(visitors.folder))
    answers = json.loads(run(*command, "alice"))
    assert [answer["status"] for answer in answers] == [200, 200, 200]
    assert answers[1]["text"] == "POST /2: 200000 bytes\n"
    assert [answer["status"] for answer in json.loads(run(*command))] == [403, 403, 403]


@pytest.fixture(scope="module")
def go(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program of Go's own library."""
    needs("go")
    folder = tmp_path_factory.mktemp("go")
    command = ("go", "build", "-o", str(folder / "ask"), str(PROGRAMS / "ask.go"))
    subprocess.run(
        command, check=True, env=os.environ | {"GOCACHE": str(folder), "GO111MODULE": "off"}, timeout=4 * PATIENCE
    )
    return folder / "ask"


def test_go(gate: Gate, visitors: Visitors, go: Path) -> None:
    """Eight uploads at once, and eight refusals."""
    assert run(str(go), gate.address, str(visitors.folder), "alice") == "HTTP/2.0 200 true\n" * 8
    assert run(str(go), gate.address, str(visitors.folder), "nobody") == "HTTP/2.0 403 true\n" * 8


def test_java(gate: Gate, visitors: Visitors) -> None:
    """The same with the HttpClient of the JDK; one refusal, since it does not repeat what a GOAWAY leaves out."""
    needs("javac")
    command = ("java", "-XX:TieredStopAtLevel=1", str(PROGRAMS / "Ask.java"), gate.address, str(visitors.folder))
    assert run(*command, "alice.p12", visitors.password, "8") == "HTTP_2 200 true\n" * 8
    assert run(*command, "nobody", "", "1") == "HTTP_2 403 true\n"


def test_httpx(gate: Gate, visitors: Visitors) -> None:
    """Eight uploads at once, by python-hyper; and a refusal, with a new connection for the next request."""

    async def ask(name: str, count: int) -> list[tuple[str, int]]:
        async with httpx.AsyncClient(http1=False, http2=True, verify=visitors.context(name)) as client:
            posts = [client.post(gate.address, content=b"x" * number * 50_000) for number in range(count)]
            return [(answer.http_version, answer.status_code) for answer in await asyncio.gather(*posts)]

    assert asyncio.run(ask("alice", 8)) == [("HTTP/2", 200)] * 8
    assert asyncio.run(ask("nobody", 1)) == [("HTTP/2", 403)]


def test_nghttp(gate: Gate, visitors: Visitors) -> None:
    """It sends PRIORITY frames, and refers to the dynamic table before it has our SETTINGS."""
    files = (f"--cert={visitors.folder}/alice.crt", f"--key={visitors.folder}/alice.key")
    addresses = [f"{gate.address}/{number}" for number in range(5)]
    said = run("nghttp", "--no-verify-peer", *files, *addresses)
    assert said == "".join(f"GET /{number}: 0 bytes\n" for number in range(5))


def test_nghttp_refused(gate: Gate) -> None:
    """Five requests in its first flight, and each gets its 403 before GOAWAY."""
    said = run("nghttp", "--no-verify-peer", "-v", *[f"{gate.address}/{number}" for number in range(5)])
    assert said.count(":status: 403") == 5
    assert "error_code=NO_ERROR" in said


def test_h2load(app: App, visitors: Visitors, tmp_path: Path) -> None:
    """It shows no certificate, so it asks for what is public, 16 at a time: none is lost."""
    with Gate(visitors.furnish(tmp_path), app.url, tables='[[routes]]\npath = "/*"\npublic = true\n') as gate:
        said = run("h2load", "-n", "2000", "-c", "4", "-m", "16", f"{gate.address}/")
    assert "2000 succeeded, 0 failed, 0 errored" in said


def test_h2load_refused(gate: Gate) -> None:
    """Its one request is answered."""
    assert "status codes: 0 2xx, 0 3xx, 1 4xx, 0 5xx" in run("h2load", "-n1", "-c1", f"{gate.address}/")
