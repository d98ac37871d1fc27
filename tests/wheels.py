"""The wheels that an installation of gatekeeper needs, for a place that has no network."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def run(*command: str) -> str:
    """What the command prints; a failure fails the test with the end of its output."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(f"{' '.join(command)}\n{done.stdout[-3000:]}{done.stderr[-3000:]}", pytrace=False)
    return done.stdout.strip()


def fetch_wheels(folder: Path, python: str) -> None:
    """Have this machine's pip bring them, for this version of Python."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [*project["build-system"]["requires"], *project["project"]["dependencies"]]
    fetch = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary=:all:", f"--python-version={python}"]
    run(*fetch, f"--dest={folder}", *wanted)
