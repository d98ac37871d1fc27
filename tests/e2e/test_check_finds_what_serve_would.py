"""``gatekeeper check``, on real files: right is 0 and a summary, wrong is 2 and each mistake with its line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.gate_process import configure


def check(configuration: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gatekeeper", "check", "-c", str(configuration), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_what_is_right_is_summed_up(folder: Path) -> None:
    """Listeners, certificates with their end, apps; and no port is opened."""
    done = check(configure(folder))
    assert (done.returncode, done.stderr) == (0, "")
    for word in (
        "listens on",
        "CN=Home CA",
        "days left",
        "default: http://127.0.0.1:8000",
        "The configuration is right.",
    ):
        assert word in done.stdout


@pytest.mark.parametrize(
    ("parts", "line"),
    [
        ({"server": 'user = "nobody-at-all"'}, "server.user: there is no user named nobody-at-all"),
        ({"client_auth": 'crl = ["missing.crl"]'}, "client_auth.crl"),
        ({"tables": '[[routes]]\nupstream = "nowhere"'}, "routes[0].upstream"),
        ({"app": "max_conections = 3"}, 'did you mean "max_connections"'),
    ],
)
def test_what_serve_would_refuse_is_refused(folder: Path, parts: dict[str, str], line: str) -> None:
    """Everything that serve would load is loaded."""
    done = check(configure(folder, **parts))
    assert done.returncode == 2
    assert line in done.stderr
    assert all(": line " in said for said in done.stderr.splitlines())


def test_a_log_that_serve_could_not_write_is_refused(folder: Path) -> None:
    """Beside the other mistakes, with its line; where it could be written, no file is made."""
    path = configure(folder, client_auth='crl = ["missing.crl"]')
    (folder / "access.log").mkdir()
    wrong = check(path)
    assert wrong.returncode == 2
    assert f"log.access: {folder / 'access.log'} cannot be written: is a directory" in wrong.stderr
    assert "client_auth.crl" in wrong.stderr
    assert all(": line " in said for said in wrong.stderr.splitlines())
    (folder / "access.log").rmdir()
    assert check(configure(folder)).returncode == 0
    assert not (folder / "access.log").exists()


def test_scripts_get_json(folder: Path) -> None:
    """The same facts under the names of /status; mistakes too, with key and line, and standard error stays empty."""
    done = check(configure(folder, tables='[[routes]]\npath = "/hook"\nallow = [{ ou = "ops" }]'), "--json")
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert told["ok"] is True
    assert [one["kind"] for one in told["certificates"]] == ["server", "client_ca"]
    assert told["upstreams"] == [{"name": "default", "places": ["http://127.0.0.1:8000"]}]
    assert told["routes"][0]["allow"] == ['allow[0]: ou = "ops"']
    done = check(configure(folder, app="max_conections = 3"), "--json")
    assert (done.returncode, done.stderr) == (2, "")
    told = json.loads(done.stdout)
    assert told["ok"] is False
    assert told["mistakes"][0]["key"] == "upstream.max_conections"
    assert isinstance(told["mistakes"][0]["line"], int)
