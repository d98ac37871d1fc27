"""What commands load: a container asks `gatekeeper healthcheck` every ten seconds, a person waits for `--help`."""

import argparse
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gatekeeper.cli import COMMANDS, list_commands, main, make_parser
from gatekeeper.cli.admin import written_admin_address
from gatekeeper.errors import ConfigurationError, UsageError
from gatekeeper.settings.addresses import Address, SocketPath

HEAVY = {"aiohttp", "asyncio", "cryptography", "email", "http", "jinja2", "pydantic", "rich", "ssl"}


def loaded(*words: str) -> set[str]:
    """The packages in memory when this command has ended."""
    program = (
        "import sys\nfrom gatekeeper.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "print('loaded', *{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split()[1:])


@pytest.mark.parametrize("words", [(), ("--help",), ("--version",), ("healthcheck", "-c", "missing.toml")])
def test_what_is_asked_often_loads_little(words: tuple[str, ...]) -> None:
    """Each of these libraries takes longer to load than all that the command does."""
    assert loaded(*words) & HEAVY == set()


# The standard library's part varies with the version of Python; 414 on CPython 3.11.
MOST_MODULES = 460


def test_serve_loads_what_requests_need() -> None:
    """What it loads decides how long a start takes, and how much memory each process has."""
    program = (
        "import sys\nimport gatekeeper.cli.serve, gatekeeper.process.supervisor, gatekeeper.process.worker\n"
        "print(len(sys.modules), *{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    count, *packages = done.stdout.split()
    assert set(packages) & (HEAVY - {"asyncio", "http", "ssl"} | {"calendar", "tomllib"}) == set()
    assert int(count) < MOST_MODULES


def test_the_list_of_commands_is_that_of_the_commands() -> None:
    """The short parser says of each what its own module says."""

    def listed(parser: argparse.ArgumentParser) -> str:
        return parser.format_help()

    assert listed(list_commands()) == listed(make_parser(COMMANDS))


def configured(folder: Path, text: str) -> Path:
    path = folder / "gatekeeper.toml"
    path.write_text(text)
    return path


def test_the_admin_address_is_read_as_the_gate_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Written, by default, from the environment; a relative socket begins at the file's folder."""
    monkeypatch.setenv("ADMIN_PORT", "9001")
    for text, address in {
        '[admin]\nlisten = "[::1]:9000"\n': Address("::1", 9000),
        "[server]\n": Address("127.0.0.1", 9000),
        '[admin]\nlisten = "127.0.0.1:${ADMIN_PORT}"\n': Address("127.0.0.1", 9001),
        '[admin]\nlisten = "unix:admin.sock"\n': SocketPath(tmp_path / "admin.sock"),
    }.items():
        assert written_admin_address(configured(tmp_path, text)) == address


@pytest.mark.parametrize(
    ("listen", "message"),
    [
        ("9", "line 2: admin.listen: should be an address and a port"),
        ('"${NO_SUCH}"', "needs the environment variable"),
    ],
)
def test_an_address_that_is_none_is_named_with_its_line(tmp_path: Path, listen: str, message: str) -> None:
    """As by `gatekeeper check`."""
    with pytest.raises(ConfigurationError, match=message):
        written_admin_address(configured(tmp_path, f"[admin]\nlisten = {listen}\n"))


def test_where_it_is_off_nobody_can_be_asked(tmp_path: Path) -> None:
    """UsageError."""
    with pytest.raises(UsageError, match="no admin listener"):
        written_admin_address(configured(tmp_path, '[admin]\nlisten = "off"\n'))


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        (b'HTTP/1.1 200 OK\r\n\r\n{"status": "ready", "checks": {}}', 0, "ready\n"),
        (
            b'HTTP/1.1 503 Service Unavailable\r\n\r\n{"checks": {"draining": {"ok": false, "detail": "stopping"}}}',
            1,
            "not ready: draining: stopping\n",
        ),
        (b"", 1, "does not answer"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", 1, "does not answer"),
    ],
)
def test_healthcheck_says_what_readyz_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], answer: bytes, code: int, said: str
) -> None:
    """Exit 0 if ready, 1 if not, or if nobody answers sensibly."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.fspath(tmp_path / "a.sock"))
        listener.listen(1)

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                asked.append(connection.recv(4096))
                connection.sendall(answer)

        asked: list[bytes] = []
        thread = threading.Thread(target=serve)
        thread.start()
        path = configured(tmp_path, '[admin]\nlisten = "unix:a.sock"\n')
        assert main(["healthcheck", "-c", str(path)]) == code
        thread.join()
    out, err = capsys.readouterr()
    assert said in out + err
    assert asked == [b"GET /readyz HTTP/1.0\r\nHost: localhost\r\n\r\n"]
