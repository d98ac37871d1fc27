"""Started with stdin, stdout or stderr closed, as some supervisors do, no socket gets their number."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.app import App
from tests.gate_process import PATIENCE, ROOT, configure, until
from tests.ports import accepts
from tests.visitors import Visitors


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_it_serves(folder: Path, visitors: Visitors, app: App, closed: str) -> None:
    """The access log, which goes to stdout, is lost then, and nothing else."""
    socket = folder / "visitors.sock"
    configuration = configure(folder, app.url, listen=f'"unix:{socket}"', log="stdout", admin="off")
    serve = f'exec "{sys.executable}" -m gatekeeper serve -c "{configuration}" {closed}'
    with subprocess.Popen(["sh", "-c", serve], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        until(lambda: accepts(socket))
        curl = ["curl", *visitors.curl("alice"), "--unix-socket", socket, "https://localhost/"]
        answered = subprocess.run(curl, capture_output=True, timeout=PATIENCE, check=True)  # type: ignore[arg-type]
        assert answered.stdout == b"GET /: 0 bytes\n"
        standard = [os.readlink(f"/proc/{process.pid}/fd/{number}") for number in range(3)]
        assert not any(one.startswith("socket:") for one in standard), standard
        process.terminate()
        assert process.wait(PATIENCE) == 0
