"""Programs from outside that a test drives."""

import os
import shutil
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
    missing = [name for name in names if program(name) is None]
    if missing and os.environ.get("CI"):
        pytest.fail(f"missing under CI: {', '.join(missing)}")
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
