"""With a mistake in configuration or files the gate does not start; it says so in plain lines, never in a traceback.

There is no way to run without an authority: a missing one never means "everybody" or "whom the system trusts".

Only the first of these tests start a process; starting Python for each mistake takes half a second.
"""

import errno
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gatekeeper.cli import main
from tests.gate_process import PATIENCE, ROOT, configure
from tests.tools import needs
from tests.visitors import Visitors

WRONG_CONFIGURATION, FAILED = 2, 1

Serve = Callable[..., tuple[int, str]]
Break = Callable[[Path, Visitors], object]


def run(command: list[str], **environ: str) -> tuple[int, str]:
    """Exit code and stderr of a gate that should not start."""
    done = subprocess.run(command, cwd=ROOT, env=os.environ | environ, capture_output=True, text=True, timeout=PATIENCE)
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert all(line.startswith("gatekeeper: ") for line in done.stderr.splitlines()), done.stderr
    return done.returncode, done.stderr


SERVE = [sys.executable, "-m", "gatekeeper", "serve"]


def test_a_process_without_an_authority(folder: Path) -> None:
    """Exit code 2, and one line that says which file of which key in which line."""
    (folder / "ca.crt").unlink()
    path = configure(folder)
    code, said = run([*SERVE, "-c", str(path)])
    assert code == WRONG_CONFIGURATION
    assert said.startswith(f"gatekeeper: {path}: line 7: client_auth.ca: {folder / 'ca.crt'}")
    assert len(said.splitlines()) == 1


def test_a_process_whose_ca_must_not_be_read(folder: Path) -> None:
    """As whoever the gate runs as; root may read everything, so root gives that up."""
    needs("setpriv")
    (folder / "ca.crt").chmod(0)
    drop = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
    code, said = run([*drop, *SERVE, "-c", str(configure(folder))])
    assert code == WRONG_CONFIGURATION
    assert " client_auth.ca: " in said


def test_a_process_whose_port_is_in_use(folder: Path) -> None:
    """Everything is written right, but the machine says no: exit code 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, said = run([*SERVE, "-c", str(configure(folder, listen=f'"127.0.0.1:{port}"'))])
    assert code == FAILED
    words = os.strerror(errno.EADDRINUSE).lower()
    assert said == f"gatekeeper: cannot listen on 127.0.0.1:{port}: {words}\n"


def test_a_process_with_a_configuration_that_is_not_there(tmp_path: Path) -> None:
    """Named by $GATEKEEPER_CONFIG."""
    missing = str(tmp_path / "missing.toml")
    assert run(SERVE, GATEKEEPER_CONFIG=missing) == (
        WRONG_CONFIGURATION,
        f"gatekeeper: {missing}: there is no such file\n",
    )


@pytest.fixture
def serve(capfd: pytest.CaptureFixture[str]) -> Iterator[Serve]:
    """The same within this process: exit code and stderr. A gate that starts by mistake runs into the time limit."""

    def serve(*arguments: str) -> tuple[int, str]:
        code = main(["serve", *arguments])
        out, said = capfd.readouterr()
        assert out == ""
        assert all(line.startswith("gatekeeper: ") for line in said.splitlines()), said
        assert "listening" not in said
        return code, said

    handlers = list(logging.root.handlers)
    yield serve
    logging.root.handlers[:] = handlers


def write(name: str, content: bytes) -> Break:
    return lambda folder, _: (folder / name).write_bytes(content)


def copy(what: str, where: str) -> Break:
    return lambda folder, visitors: (folder / where).write_bytes((visitors.folder / what).read_bytes())


def remove(name: str) -> Break:
    return lambda folder, _: (folder / name).unlink()


def make_folder(name: str) -> Break:
    def replace(folder: Path, _: Visitors) -> None:
        (folder / name).unlink()
        (folder / name).mkdir()

    return replace


@pytest.mark.parametrize(
    ("break_it", "key"),
    [
        pytest.param(write("ca.crt", b""), "client_auth.ca", id="empty CA"),
        pytest.param(write("ca.crt", b"hello\n"), "client_auth.ca", id="CA that is no PEM"),
        pytest.param(write("ca.crt", b"\x00\xff" * 500), "client_auth.ca", id="CA that is binary"),
        pytest.param(make_folder("ca.crt"), "client_auth.ca", id="CA that is a folder"),
        pytest.param(copy("alice.crt", "ca.crt"), "client_auth.ca", id="CA that is a client"),
        pytest.param(copy("alice.key", "ca.crt"), "client_auth.ca", id="CA that is a key"),
        pytest.param(remove("server.crt"), "server.certificate", id="no certificate"),
        pytest.param(write("server.crt", b""), "server.certificate", id="empty certificate"),
        pytest.param(remove("server.key"), "server.key", id="no key"),
        pytest.param(write("server.key", b"hello\n"), "server.key", id="key that is no PEM"),
        pytest.param(copy("alice.key", "server.key"), "server.key", id="key of another certificate"),
    ],
)
def test_a_file_that_cannot_be_used(serve: Serve, visitors: Visitors, folder: Path, break_it: Break, key: str) -> None:
    """A line with the key of the configuration that names the file, and where it stands."""
    break_it(folder, visitors)
    path = configure(folder)
    code, said = serve("-c", str(path))
    assert code == WRONG_CONFIGURATION
    for line in said.splitlines():
        assert line.startswith(f"gatekeeper: {path}: line ")
        assert f" {key}: " in line


@pytest.mark.parametrize(
    ("parts", "key", "word"),
    [
        pytest.param({"tables": "[timeouts]\nidel = '5s'"}, "timeouts.idel", "idle", id="unknown key"),
        pytest.param({"upstream": "ftp://127.0.0.1"}, "upstream.url", "http://", id="bad URL"),
        pytest.param({"upstream": "http://127.0.0.1/app"}, "upstream.url", "/app", id="URL with a path"),
        pytest.param({"server": 'min_tls = "1.1"'}, "server.min_tls", "1.2", id="old TLS"),
        pytest.param({"listen": '"8443"'}, "server.listen", "8443", id="listen without an address"),
    ],
)
def test_a_key_that_cannot_be_used(serve: Serve, folder: Path, parts: dict[str, str], key: str, word: str) -> None:
    """The key, its line, and what would be right."""
    code, said = serve("-c", str(configure(folder, **parts)))
    assert code == WRONG_CONFIGURATION
    assert f"{key}: " in said
    assert word in said


def test_all_mistakes_are_told_at_once(serve: Serve, folder: Path) -> None:
    """Nobody wants to start a gate four times."""
    tables = "[timeouts]\nidel = '5s'"
    code, said = serve("-c", str(configure(folder, "ftp://x", server='min_tls = "2"', tables=tables)))
    assert code == WRONG_CONFIGURATION
    assert len(said.splitlines()) == 3


def test_an_empty_list_of_authorities(serve: Serve, folder: Path) -> None:
    """`ca = []` is a mistake, not an open gate."""
    path = folder / "gatekeeper.toml"
    path.write_text(
        '[server]\ncertificate = "server.crt"\nkey = "server.key"\n[client_auth]\nca = []\n'
        '[upstream]\nurl = "http://127.0.0.1:8000"\n'
    )
    code, said = serve("-c", str(path))
    assert code == WRONG_CONFIGURATION
    assert "client_auth.ca: " in said


def test_an_address_that_is_not_this_machines(serve: Serve, folder: Path) -> None:
    """192.0.2.1 is for documentation (RFC 5737)."""
    code, said = serve("-c", str(configure(folder, listen='"192.0.2.1:0"')))
    assert code == FAILED
    assert said.startswith("gatekeeper: cannot listen on 192.0.2.1:0: ")


def test_an_access_log_that_cannot_be_opened(serve: Serve, folder: Path) -> None:
    """Found at the start, not at the first request."""
    (folder / "access.log").mkdir()
    code, said = serve("-c", str(configure(folder)))
    assert code == FAILED
    assert said == f"gatekeeper: cannot write the access log {folder / 'access.log'}: is a directory\n"
