"""`gatekeeper ca` without a process of its own: quick enough for every corner."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest

from gatekeeper.cli import main


class Command(Protocol):
    def __call__(self, *words: object, code: int = 0) -> str: ...


@pytest.fixture
def ca(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run `gatekeeper ca` in tmp_path; standard output, or the one line of error where ``code`` is not 0."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GATEKEEPER_CA_PASSPHRASE", "open sesame")
    monkeypatch.delenv("GATEKEEPER_CA", raising=False)

    def run(*words: object, code: int = 0) -> str:
        got = main(["ca", *map(str, words)])
        out, error = capsys.readouterr()
        assert got == code, out + error
        if code == 0:
            assert error == ""
            return out
        assert out == ""
        assert len(error.splitlines()) == 1
        return error

    return run


@pytest.fixture
def ca_json(ca: Command) -> Callable[..., Any]:
    """Run it with ``--json``."""
    return lambda *words: json.loads(ca(*words, "--json"))
