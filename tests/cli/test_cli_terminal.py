"""gatekeeper.cli.terminal, and what `main` does where nobody can be spoken to."""

import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.table import Table

from gatekeeper import __version__, form
from gatekeeper.cli import main
from gatekeeper.cli.terminal import print_json, show, working
from tests.gate_process import PATIENCE

GATEKEEPER = (sys.executable, "-m", "gatekeeper")
ASCII = {"PYTHONIOENCODING": "ascii:strict"}


def test_tables_have_no_blanks_at_the_end_of_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """Who pipes a table into a file or a diff sees none; and a table is not cut below the width it asks for."""
    table = Table("Name", "Number", box=None)
    table.add_row("a" * 60, "1" * 20)
    show(table, at_least=100)
    lines = capsys.readouterr().out.splitlines()
    assert lines == [line.rstrip() for line in lines]
    assert "1" * 20 in lines[1]


def test_tables_on_a_terminal_have_none_either(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does who copies from a terminal; colours begin and end where they did."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="bold")
    table.add_column(style="yellow")
    table.add_row("a", "b")
    table.add_row("name", "")
    show(table)
    lines = capsys.readouterr().out.splitlines()
    assert [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines] == ["a     b", "name"]
    assert all(line.endswith("\x1b[0m") for line in lines)


@pytest.mark.parametrize(("encoding", "written"), [("utf-8", "Zoë"), ("ascii", "Zo\\u00eb"), ("latin-1", "Zo\\u00eb")])
def test_json_is_json_in_any_encoding(encoding: str, written: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Letters as they are in UTF-8, JSON's escapes where they might not be carried."""
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", out)
    print_json({"name": "Zoë"})
    out.seek(0)
    said = out.read()
    assert written in said
    assert json.loads(said) == {"name": "Zoë"}


def test_progress_is_for_terminals(capsys: pytest.CaptureFixture[str]) -> None:
    """In a log or a pipe nothing is said."""
    with working("Making a key"):
        pass
    assert capsys.readouterr() == ("", "")


def test_no_letter_ends_a_command(tmp_path: Path) -> None:
    """A terminal whose encoding lacks a letter gets its escape, not a traceback."""
    (tmp_path / "gatekeeper.toml").write_text('["Zoë"]\n', encoding="utf-8")
    command = [*GATEKEEPER, "check", "--json", "-c", "gatekeeper.toml"]
    told = subprocess.run(command, cwd=tmp_path, env=ASCII, capture_output=True, text=True, timeout=PATIENCE)
    assert (told.returncode, told.stderr) == (2, "")
    assert '"Zoë"' in [one["key"] for one in json.loads(told.stdout)["mistakes"]]
    named = subprocess.run([*GATEKEEPER, "init", "Zoë"], cwd=tmp_path, env=ASCII, capture_output=True, timeout=PATIENCE)
    assert (named.returncode, named.stderr) == (0, b"")
    assert b"Wrote Zo\\xeb/gatekeeper.toml" in named.stdout


def test_a_full_disk_is_a_sentence() -> None:
    """What was to be printed is lost, and that is said in one line."""
    with open("/dev/full", "w") as full:
        command = [*GATEKEEPER, "completion", "bash"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stderr) == (1, "gatekeeper: no space left on device\n")


def test_who_stops_reading_hears_no_complaint() -> None:
    """``gatekeeper completion bash | true``: exit 1 and silence, as for any filter that ended early."""
    command = [*GATEKEEPER, "completion", "bash"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
        assert process.wait(PATIENCE) == 1


def test_version_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Name and number, and whether the compiled form runs; exit 0."""
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"gatekeeper {__version__} ({form()})\n"
