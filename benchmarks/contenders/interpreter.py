"""The Python that the gate runs on while it is measured."""

import subprocess
import sys
from functools import cache
from pathlib import Path

from benchmarks.processes import BenchmarkError
from benchmarks.upstream import REPOSITORY

DISTRIBUTION = Path("/usr/bin/python3")
OLDEST = (3, 11)
ENVIRONMENT = REPOSITORY / ".benchmarks" / "python"
"""Ignored by git; delete it to install anew."""


def version_of(python: Path) -> tuple[int, ...]:
    """Of an interpreter; () where there is none."""
    argv = [str(python), "-c", "import sys; print(*sys.version_info[:3])"]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ()
    return tuple(map(int, done.stdout.split()))


@cache
def interpreter() -> Path:
    """The distribution's Python, in an environment with what gatekeeper needs, made on first use; else this one.

    nginx and HAProxy are measured as the distribution built them, with its optimizations, and the images in which
    gatekeeper runs have such a Python too (PGO). One that somebody compiled without ``--enable-optimizations``, as
    pyenv does by default, took 1.3 times as long for an exchange.
    """
    if version_of(DISTRIBUTION) < OLDEST:
        return Path(sys.executable)
    python, done = ENVIRONMENT / "bin" / "python", ENVIRONMENT / "installed"
    wanted = (REPOSITORY / "pyproject.toml").read_text()
    if not done.exists() or done.read_text() != wanted:
        _run(str(DISTRIBUTION), "-m", "venv", "--without-pip", "--clear", str(ENVIRONMENT))
        _run(sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", str(REPOSITORY))
        done.write_text(wanted)
    return python


def _run(*argv: str) -> None:
    finished = subprocess.run(argv, capture_output=True, text=True, check=False)
    if finished.returncode:
        raise BenchmarkError(f"no environment for gatekeeper could be made: {finished.stderr.strip()[-800:]}")
