"""Programs from outside that a test drives."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# Beside what the system has: what pip brought (traefik, caddy).
SEARCHED = os.pathsep.join((os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent)))


def program(name: str) -> str | None:
    """Where this command is, None if it is missing."""
    return shutil.which(name, path=SEARCHED)


def needs(*names: str) -> None:
    """Skip the test, visibly, where one of these commands is missing; under CI a missing one is a failure."""
    _refuse([name for name in names if program(name) is None])


def needs_file(name: str, *folders: str) -> Path:
    """Where a file that is no command is, such as a library: in the first of these folders (patterns) that has it. If
    none has, as `needs`."""
    found = [path for folder in folders for path in sorted(Path("/").glob(f"{folder.removeprefix('/')}/{name}"))]
    _refuse([name] * (not found))
    return found[0]


def _refuse(missing: list[str]) -> None:
    if missing and os.environ.get("CI"):
        pytest.fail(f"missing under CI: {', '.join(missing)}")
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")


def namespace(*options: str) -> list[str]:
    """The words before a command that runs in new namespaces (unshare(1)); skips, visibly, where the kernel does not
    allow them, which no package can change."""
    needs("unshare")
    command = ["unshare", *options, *([] if os.geteuid() == 0 else ["--map-root-user"])]
    tried = subprocess.run([*command, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"no namespaces on this machine: {tried.stderr.strip()}")
    return command
