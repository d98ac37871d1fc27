"""``gatekeeper maintenance``."""

import re
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


@pytest.mark.parametrize("state", ["on", "off"])
def test_a_mistake_elsewhere_does_not_matter(tmp_path: Path, state: str) -> None:
    """In an emergency, somebody is in the middle of changing the file."""
    path = tmp_path / "gatekeeper.toml"
    path.write_text('[server]\nlisten = 7\n[upstream]\nurl = "${NOWHERE}"\n[maintenance]\nfile = "closed"\nallow = 3\n')
    assert main(["maintenance", state, "-c", str(path)]) == 0
    assert (tmp_path / "closed").exists() is (state == "on")


@pytest.mark.parametrize("value", ["7", '""', '" "', '"${NOWHERE}"', '"a\\u0000b"'])
def test_a_file_that_is_none_is_a_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str], value: str) -> None:
    """The one key that the command needs is checked, and named with its line."""
    assert run(tmp_path, "on", f"[maintenance]\nfile = {value}\n") == 2
    assert re.search(
        r"gatekeeper.toml: line \d+: maintenance.file: (should be the path of a file|needs the envi)", err(capsys)
    )


@pytest.mark.parametrize("table", ["maintenance = 3\n", "[maintenance]\n"])
def test_a_table_without_the_file_is_a_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str], table: str) -> None:
    """Whatever stands there instead."""
    path = tmp_path / "gatekeeper.toml"
    path.write_text(table)
    assert main(["maintenance", "on", "-c", str(path)]) == 2
    assert "maintenance.file: should be the path of a file" in err(capsys)


@pytest.mark.parametrize("state", ["on", "off"])
def test_a_folder_is_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str], state: str) -> None:
    """To touch it would succeed, and it could not be removed."""
    (tmp_path / "closed").mkdir()
    assert run(tmp_path, state, '[maintenance]\nfile = "closed"\n') == 1
    assert "closed is a folder; maintenance.file names a file" in err(capsys)


def test_without_a_word_there_is_help(capsys: pytest.CaptureFixture[str]) -> None:
    """As for every command that needs another word; no configuration is read."""
    assert main(["maintenance"]) == 2
    assert "usage: gatekeeper maintenance [-h] [-c FILE] [on|off]" in err(capsys)


def err(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err
