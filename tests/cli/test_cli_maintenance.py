"""``gatekeeper maintenance``."""

from pathlib import Path

import pytest

from gatekeeper.cli import main
from tests.configurations import MINIMAL


def run(folder: Path, state: str, table: str) -> int:
    path = folder / "gatekeeper.toml"
    path.write_text(MINIMAL + table)
    return main(["maintenance", state, "-c", str(path)])


def test_the_file_comes_and_goes(tmp_path: Path) -> None:
    """Twice in a row changes nothing."""
    file = tmp_path / "closed"
    for state, there in (("on", True), ("on", True), ("off", False), ("off", False)):
        assert run(tmp_path, state, '[maintenance]\nfile = "closed"\n') == 0
        assert file.exists() is there


def test_a_gate_without_the_table_says_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody would notice the file."""
    assert run(tmp_path, "on", "") == 2
    assert 'maintenance: is missing; write [maintenance] and file = "maintenance"' in capsys.readouterr().err


@pytest.mark.parametrize(("state", "verb"), [("on", "created"), ("off", "removed")])
def test_a_file_that_cannot_be_written_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], state: str, verb: str
) -> None:
    """One sentence with the system's words."""
    (tmp_path / "file").touch()
    assert run(tmp_path, state, '[maintenance]\nfile = "file/closed"\n') == 1
    assert f"closed cannot be {verb}: not a directory" in capsys.readouterr().err
