"""HTTP/2 to an app that is nghttpd, the server of nghttp2: with prior knowledge and over TLS."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.gate_process import PATIENCE, Gate, until
from tests.ports import accepts, free_port
from tests.tools import needs
from tests.visitors import Visitors

SIZE = 3_000_000


@contextmanager
def nghttpd(folder: Path, *options: str, tls: tuple[Path, Path] | None = None) -> Iterator[int]:
    """The port of a server of that folder."""
    needs("nghttpd")
    port = free_port()
    files = [str(one) for one in tls] if tls else []
    command = ["nghttpd", "--address=127.0.0.1", f"--htdocs={folder}", *options, *([] if tls else ["--no-tls"])]
    with subprocess.Popen(
        [*command, str(port), *files], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        try:
            until(lambda: accepts(("127.0.0.1", port)))
            yield port
        finally:
            server.kill()


def curl(gate: Gate, visitors: Visitors, version: str, *options: str) -> str:
    command = ("curl", *visitors.curl("alice"), version, *options)
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "large").write_bytes(b"x" * SIZE)
    (folder / "small").write_text("hello")
    return folder


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_h2c(site: Path, folder: Path, visitors: Visitors, version: str) -> None:
    """A download of many windows, an upload that is echoed, and forty requests side by side of which the app takes ten
    at a time.
    """
    options = ("--max-concurrent-streams=10", "--echo-upload")
    with nghttpd(site, *options) as port, Gate(folder, f"h2c://127.0.0.1:{port}") as gate:
        assert curl(
            gate, visitors, version, "-w", "%{size_download}", "-o", "/dev/null", f"{gate.address}/large"
        ) == str(SIZE)
        echoed = curl(gate, visitors, version, "--data-binary", f"@{site / 'large'}", f"{gate.address}/")
        assert len(echoed) == SIZE
        many = curl(gate, visitors, version, "--parallel", f"{gate.address}/small?[1-40]")
        assert many == "hello" * 40
        assert {line["status"] for line in gate.logged(42)} == {200}


def test_h2_over_tls(site: Path, folder: Path, visitors: Visitors) -> None:
    """ALPN, and the app's certificate verified."""
    tls = (visitors.key("server"), visitors.certificate("server"))
    ca = f'ca = "{visitors.folder / "ca.crt"}"\n'
    with nghttpd(site, tls=tls) as port:
        with Gate(folder, f"h2://localhost:{port}", app=ca) as gate:
            assert curl(gate, visitors, "--http2", f"{gate.address}/small") == "hello"
        with Gate(folder, f"h2://localhost:{port}") as gate:
            assert curl(gate, visitors, "--http2", "-w", " %{http_code}", f"{gate.address}/small").endswith(" 502")
