"""Programs from outside that a test drives."""

import os
import shutil

import pytest


def needs(*names: str) -> None:
    """Skip the test, visibly, where one of these commands is missing; under CI a missing one is a failure."""
    missing = [name for name in names if shutil.which(name) is None]
    if missing and os.environ.get("CI"):
        pytest.fail(f"missing under CI: {', '.join(missing)}")
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
