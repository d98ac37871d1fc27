"""Continuous integration installs every program that a test drives, so that none of them is skipped there."""

import ast
import re
import subprocess
import tomllib
from pathlib import Path

from tests.tools import needs

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / ".ci" / "run"
# In every Debian: coreutils, util-linux, bash.
ALWAYS_THERE = {"bash", "chroot", "mount", "nsenter", "unshare"}


def driven() -> set[str]:
    """The commands that tests ask for by ``needs("…")``."""
    calls = (
        node
        for path in ROOT.glob("tests/**/*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "needs"
    )
    return {word.value for call in calls for word in call.args if isinstance(word, ast.Constant)}  # type: ignore[misc]


def installed() -> set[str]:
    """The commands that the script brings, and those that pip brings with the development tools, or with apps, whose
    commands have the names of their packages.
    """
    listed = re.search(r'readonly PACKAGES="([^"]+)"', SCRIPT.read_text())[1]
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    named = [tool for tool in groups["dev"] if isinstance(tool, str)]  # a table includes another group (PEP 735)
    by_pip = {match[1] for tool in named if (match := re.match(r"([a-z]+)(?:-cli)?-(?:bin|binary|server)\b", tool))}
    apps = {tool.partition(">")[0] for tool in groups["apps"]}
    return {pair.split("=")[0] for pair in listed.split()} | by_pip | apps


def test_what_tests_drive_is_installed() -> None:
    """A command that a test needs is in the script's list."""
    assert driven() - ALWAYS_THERE <= installed()


def test_the_script_is_sound_bash() -> None:
    """It parses, may be run as it is, and stops at the first failure."""
    needs("bash")
    assert subprocess.run(["bash", "-n", SCRIPT], check=False).returncode == 0
    assert SCRIPT.stat().st_mode & 0o111
    assert "set -euo pipefail" in SCRIPT.read_text()
