"""``gatekeeper demo``: the first thing that anybody tries."""

import json
import re
import subprocess
import sys

import pytest

from tests.gate_process import PATIENCE
from tests.tools import needs

DEMO = (sys.executable, "-m", "gatekeeper", "demo")


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_everybody_gets_what_they_should(options: tuple[str, ...]) -> None:
    """Every kind of visitor over both versions of TLS, as a table and as JSON."""
    done = subprocess.run([*DEMO, "--check", *options], capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stderr) == (0, "")
    if not options:
        assert done.stdout.endswith("\nEverybody got what they should.\n")
        assert max(map(len, done.stdout.splitlines())) <= 80
        return
    told = json.loads(done.stdout)
    assert told["ok"] is True
    assert len({visit["visitor"] for visit in told["visits"]}) == 10
    assert all(visit["ok"] for visit in told["visits"])


def test_its_lines_can_be_followed() -> None:
    """The curl lines that it prints, as they are: the first is refused, the second let in; the folder goes with it."""
    needs("curl")
    with subprocess.Popen([*DEMO, "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        said = ""
        while "Ctrl-C ends the demo" not in said:
            line = demo.stdout.readline()
            assert line, said
            said += line
        into = re.findall(r"^  (cd .+)$", said, re.MULTILINE)
        refused, let_in = re.findall(r"^  (curl .+)$", said, re.MULTILINE)
        assert "no_certificate" in _typed(f"{into[0]} && {refused}")
        assert "alice" in _typed(f"{into[0]} && {let_in}")
        demo.terminate()
        demo.wait(PATIENCE)
    assert subprocess.run(["sh", "-c", into[0]], capture_output=True).returncode != 0


def _typed(line: str) -> str:
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return done.stdout
