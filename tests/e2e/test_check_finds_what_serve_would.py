"""``gatekeeper check``, on real files: right is 0 and a summary, wrong is 2 and each mistake with its line."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.gate import configure


def check(configuration: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gatekeeper", "check", "-c", str(configuration)]
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
