"""What a person can look up: an example for every command, the page of commands."""

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatekeeper.cli import COMMANDS, make_parser
from gatekeeper.cli.manual import manual
from gatekeeper.cli.parser import Parser


def commands(parser: Parser) -> Iterator[Parser]:
    for command in parser.commands.values():
        yield command
        yield from commands(command)


EVERY = list(commands(make_parser()))


@pytest.mark.parametrize("command", EVERY, ids=lambda command: command.prog)
def test_every_command_has_an_example_that_is_right(command: Parser) -> None:
    """`--help` ends with a line that can be typed as it stands; the parser takes it, for this command."""
    first = (command.epilog or "").splitlines()[0]
    words = shlex.split(first.removeprefix("example: "), comments=False)
    typed = words[: words.index(">")] if ">" in words else words
    assert first.startswith("example: gatekeeper")
    assert set(command.prog.split()) <= set(typed)
    make_parser().parse_args(typed[1:])


@pytest.mark.parametrize("command", EVERY, ids=lambda command: command.prog)
def test_help_fits_a_terminal(command: Parser, monkeypatch: pytest.MonkeyPatch) -> None:
    """80 columns; an example alone may be longer, since it is to be copied."""
    monkeypatch.setenv("COLUMNS", "80")
    lines = command.format_help().splitlines()
    assert [line for line in lines if len(line) > 80 and not line.startswith("example: ")] == []


@pytest.mark.parametrize("command", EVERY, ids=lambda command: command.prog)
def test_the_page_has_every_command_and_option(command: Parser) -> None:
    """A heading for each command, and each option somewhere."""
    page = manual()
    description = " ".join((command.description or "").split())
    assert f"## `{command.prog}`\n\n{description}\n" in page
    options = {name for argument in command.arguments for name in argument.option_strings} - {"-h", "--help"}
    assert [name for name in options if name not in page] == []


def test_the_readme_names_every_command() -> None:
    """Its table has a row for each, and no other."""
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    rows = [line for line in readme.splitlines() if line.startswith("| `gatekeeper ")]
    assert {row.split("`")[1].split()[1] for row in rows} == set(COMMANDS)
