"""The words of the Makefile, without running what they do."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.tools import needs

ROOT = Path(__file__).resolve().parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()
WORDS = re.search(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)[1].split()


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    needs("make")
    return subprocess.run(
        ["make", "--no-print-directory", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_help_is_the_default_and_explains_every_word() -> None:
    """`make` alone lists each word with a sentence, and no word is left out."""
    listed = dict(line.split(maxsplit=2)[1:] for line in make().stdout.splitlines())
    assert set(listed) == set(WORDS)


@pytest.mark.parametrize("word", WORDS)
def test_every_word_can_be_planned(word: str) -> None:
    """Each word's whole chain of targets exists: `make -n` finds a rule for all of it."""
    plan = make("-n", word, "VENV=build/no-such-venv", "ENGINE=echo")
    assert plan.returncode == 0, plan.stderr


@pytest.mark.parametrize("word", ["demo", "test"])
def test_what_takes_minutes_is_said_first(word: str) -> None:
    """pip is quiet, and a registry may be slow. On standard error: `make notes > FILE` has nothing else in the file."""
    plan = make("-n", word, "VENV=build/no-such-venv").stdout
    before, *_ = steps = re.split(r"(?m)^build/no-such-venv/bin/python -m pip install --quiet", plan)
    assert before != plan
    assert [step for step in steps[:-1] if not re.search(r'(?m)^echo ".* build/no-such-venv.*" >&2$', step)] == []


def test_the_interpreter_can_be_chosen() -> None:
    """PYTHON names the interpreter that makes the virtual environment."""
    assert (
        "/opt/other/python -m venv" in make("-n", "demo", "VENV=build/no-such-venv", "PYTHON=/opt/other/python").stdout
    )


def test_arguments_reach_pytest() -> None:
    """PYTEST_ARGS is handed on as written."""
    assert "tests/gate -x" in make("-n", "test", "PYTEST_ARGS=tests/gate -x").stdout
