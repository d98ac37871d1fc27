"""`gatekeeper ca` as a person runs it: the real process, with or without a terminal."""

import json
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.gate_process import PATIENCE

PASSPHRASE = "open sesame"
_COMMAND = (sys.executable, "-m", "gatekeeper", "ca")
_ROOT = Path(__file__).parents[2]


def _environment(**more: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "COVERAGE_PROCESS_START") if name in os.environ}
    return {**kept, "PYTHONPATH": str(_ROOT), "PYTHONWARNINGS": "error", **more}


def ca(folder: Path, *words: object, code: int = 0, passphrase: str | None = PASSPHRASE, **environment: str) -> str:
    """Run it in ``folder`` without a terminal; standard output, or standard error where ``code`` is not 0."""
    more = environment if passphrase is None else {"GATEKEEPER_CA_PASSPHRASE": passphrase, **environment}
    done = subprocess.run(
        [*_COMMAND, *map(str, words)],
        cwd=folder,
        env=_environment(**more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        start_new_session=True,  # no controlling terminal, so nothing can be asked
    )
    assert done.returncode == code, f"exit {done.returncode}\n{done.stdout}{done.stderr}"
    if code == 0:
        assert done.stderr == ""
        return done.stdout
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
    return done.stderr


def ca_json(folder: Path, *words: object) -> Any:
    """Run it with ``--json``."""
    return json.loads(ca(folder, *words, "--json"))


def ca_on_terminal(folder: Path, *words: object, answers: tuple[str, ...] = (), **environment: str) -> tuple[int, str]:
    """Run it on a terminal of its own and answer each prompt; exit code and everything that was to be seen."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(folder)
        command = [*_COMMAND, *map(str, words)]
        os.execve(command[0], command, _environment(TERM="xterm", COLUMNS="80", **environment))
    screen, waiting = b"", list(answers)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], 1)[0]:
            continue
        try:
            read = os.read(terminal, 65536)
        except OSError:  # Linux's way to say that the other side has closed
            read = b""
        if not read:
            break
        screen += read
        if waiting and screen.endswith(b": "):
            os.write(terminal, waiting.pop(0).encode())
    os.close(terminal)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), screen.decode()
