"""The gate in its image, on a read-only root without a shell: visitors, health check and stop."""

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.certificates import DAY, NOW, Holder, make_authority, make_client, make_server
from tests.e2e.image.container import Image, end, process_1
from tests.gate_process import PATIENCE
from tests.ports import free_port
from tests.tools import needs

pytestmark = pytest.mark.timeout(1800)

CONFIGURATION = """
[server]
listen = "127.0.0.1:0"
certificate = "server.crt"
key = "server.key"

[client_auth]
ca = "client-ca.crt"

[upstream]
url = "http://127.0.0.1:{app}"

[admin]
listen = "127.0.0.1:{admin}"
"""


class App(BaseHTTPRequestHandler):
    """Answers with the name that the gate tells it."""

    def do_GET(self) -> None:
        body = self.headers["X-SSL-Client-S-DN"].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def app() -> Iterator[int]:
    """The port of an app."""
    server = HTTPServer(("127.0.0.1", 0), App)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def authority() -> Holder:
    """Whose clients are let in."""
    return make_authority("Home CA")


@pytest.fixture
def mounts(image: Image, tmp_path: Path, authority: Holder, app: int) -> dict[Path, str]:
    """The folder that is /etc/gatekeeper inside; its key is readable for the image's user only."""
    folder = tmp_path / "gatekeeper"
    folder.mkdir(mode=0o755)
    (folder / "client-ca.crt").write_bytes(authority.certificate_pem)
    _, key = make_server("localhost").write(folder, "server")
    key.chmod(0o400)
    os.chown(key, *map(int, image.config["User"].split(":")))
    (folder / "gatekeeper.toml").write_text(CONFIGURATION.format(app=app, admin=free_port()))
    return {folder: "/etc/gatekeeper"}


@pytest.fixture
def gate(image: Image, mounts: dict[Path, str]) -> Iterator[subprocess.Popen[str]]:
    """The image's own command, running."""
    with image.running(*image.config["Entrypoint"], *image.config["Cmd"], mounts=mounts) as process:  # type: ignore[arg-type]
        yield process


def address(gate: subprocess.Popen[str]) -> str:
    """Where the gate listens, as it says itself once it is ready."""
    said = []
    for line in gate.stderr:
        said.append(line)
        if "listening on " in line:
            return line.split("listening on ")[1].strip()
    pytest.fail(f"the gate ended: {''.join(said)}", pytrace=False)


def ask(url: str, folder: Path, visitor: Holder | None = None) -> tuple[int, str]:
    """Status, and the app's answer or the reason of the refusal, as curl sees them."""
    needs("curl")
    command = ["curl", "--silent", "--insecure", "--max-time", str(PATIENCE), "--output", f"{folder}/body"]
    if visitor:
        certificate, key = visitor.write(folder, "visitor")
        command += ["--cert", certificate, "--key", key]  # type: ignore[list-item]
    command += ["--write-out", "%{http_code} %header{gatekeeper-reason}", url]
    status, _, reason = subprocess.run(command, capture_output=True, text=True, check=True).stdout.partition(" ")
    return int(status), reason or (folder / "body").read_text()


def test_who_has_a_certificate_is_let_in_and_nobody_else(gate: Any, authority: Any, tmp_path: Path) -> None:
    """Let in: a client of the authority. Turned away with the reason: none, expired, foreign."""
    url = address(gate)
    past = {"starts": NOW - 3 * DAY, "ends": NOW - DAY}
    assert ask(url, tmp_path, make_client("alice", authority)) == (200, "CN=alice")
    assert ask(url, tmp_path) == (403, "no_certificate")
    assert ask(url, tmp_path, make_client("bob", authority, **past)) == (403, "expired")  # type: ignore[arg-type]
    assert ask(url, tmp_path, make_client("eve", make_authority("Other CA"))) == (403, "untrusted_issuer")


def test_the_gate_proves_its_handshakes_without_a_temporary_folder(gate: Any) -> None:
    """No warning comes before the line that says where it listens: nothing fell back for want of a place to write."""
    assert "listening on " in gate.stderr.readline()


def test_the_health_check_of_the_image_says_whether_the_gate_is_there(image: Any, gate: Any, mounts: Any) -> None:
    """HEALTHCHECK's own command: 0 with a running gate, 1 without."""
    command = image.config["Healthcheck"]["Test"][1:]
    address(gate)
    assert image.run(*command, mounts=mounts).returncode == 0
    end(gate)
    assert image.run(*command, mounts=mounts).returncode == 1


def test_sigterm_stops_the_gate_in_good_order(image: Any, gate: Any) -> None:
    """As process 1, which the kernel spares every signal that it does not ask for."""
    address(gate)
    os.kill(process_1(gate), getattr(signal, image.config["StopSignal"]))
    assert gate.wait(timeout=PATIENCE) == 0


def test_without_a_configuration_the_gate_does_not_start(image: Any) -> None:
    """An image that nobody configured says so in a line and lets nobody in."""
    done = image.run(*image.config["Entrypoint"], *image.config["Cmd"])
    assert done.returncode == 2
    assert "/etc/gatekeeper/gatekeeper.toml" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_demo_plays_every_kind_of_visitor(image: Any) -> None:
    """`gatekeeper demo --check`, which needs a place to write."""
    done = image.run("gatekeeper", "demo", "--check", mounts={"tmpfs": "/tmp"})
    assert done.returncode == 0, done.stdout + done.stderr
