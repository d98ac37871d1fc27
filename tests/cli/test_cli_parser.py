"""gatekeeper.cli.parser: what it says to somebody who mistyped."""

import shlex
from collections.abc import Iterator

import pytest

from gatekeeper.cli import main, make_parser
from gatekeeper.cli.parser import Parser

WRONG = {
    "srve": "unknown command 'srve' of gatekeeper; did you mean 'serve'?",
    "ca isue": "unknown command 'isue' of gatekeeper ca; did you mean 'issue'?",
    "completion ksh": "argument shell: unknown word 'ksh'; did you mean 'zsh'?",
    "ca revoke alice --reason boredom": "argument --reason: unknown word 'boredom'; known: unspecified, key",
    "serve --confg x": "unknown option '--confg' of gatekeeper serve; did you mean '--config'?",
    "ca issue a --password=123": "unknown option '--password' of gatekeeper ca issue; did you mean '--password-file'?",
    "serve -d": "unknown option '-d' of gatekeeper serve; known: -h, --help, -c, --config",
    "check gatekeeper.toml": "'gatekeeper.toml' is one argument too many; see gatekeeper check --help",
    "--confg x serve": "unknown option '--confg' of gatekeeper serve; did you mean '--config'?",
    "ca --dir": "argument --dir: expected one argument; see gatekeeper ca --help",
    "ca --dir x isue alice": "unknown command 'isue' of gatekeeper ca; did you mean 'issue'?",
    "-c gatekeeper.toml serve": "options come after the command: gatekeeper serve -c FILE",
    "--config=x.toml check --json": "options come after the command: gatekeeper check --config FILE",
    "-c gatekeeper.toml": "options come after the command: gatekeeper serve -c FILE",
    "--dir x ca list": "options come after the command: gatekeeper ca list --dir DIR",
    "ca --dir x --days 3 issue alice": "options come after the command: gatekeeper ca issue --days DAYS",
    "ca --dir x --invite renew alice": "options come after the command: gatekeeper ca renew --invite",
    "ca --adopt a b init": "options come after the command: gatekeeper ca init --adopt CA.CRT CA.KEY",
    "ca --dir x list --password=123": "unknown option '--password' of gatekeeper ca list; known: ",
    "--password=123 serve": "unknown option '--password' of gatekeeper serve; known: ",
    "explain GET": "the following arguments are required: URL; see gatekeeper explain --help",
    "ca list --expiring soon": "argument --expiring: a time such as 30d, 2w, 1y or 12h, not 'soon'; see",
    "enroll - --timeout soon": "argument --timeout: a time such as 24h, 90m or 7d, not 'soon'; see gatekeeper enroll",
}


@pytest.mark.parametrize("words", WRONG)
def test_a_slip_is_answered_in_one_line(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What was wrong, and what was probably meant, or what there is; exit 2. What may be a secret is not repeated."""
    assert main(words.split()) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert error.startswith(f"gatekeeper: {WRONG[words]}")
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize("words", ["", "ca"])
def test_without_a_command_there_is_help(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Who types a name alone asks what there is; standard output stays empty, for scripts that forgot the command."""
    assert main(words.split()) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert error.startswith("usage: gatekeeper")
    assert "\ncommands:\n" in error


def _commands(parser: Parser) -> Iterator[Parser]:
    for command in parser.commands.values():
        yield command
        yield from _commands(command)


@pytest.mark.parametrize("command", list(_commands(make_parser())), ids=lambda command: str(command.prog))
def test_every_command_has_an_example(command: Parser, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which the parser itself takes; and help fits into 80 columns, but for an example, which is never broken."""
    monkeypatch.setenv("COLUMNS", "80")
    lines = command.format_help().splitlines()
    examples = [line.removeprefix("example: gatekeeper ") for line in lines if line.startswith("example: gatekeeper ")]
    assert examples
    for example in examples:
        words = shlex.split(example.partition(" > ")[0])
        assert command.prog.split()[1:] == words[: len(command.prog.split()) - 1] or command.prog == "gatekeeper ca"
        make_parser().parse(words)
    assert all(len(line) <= 80 for line in lines if not line.startswith("example: "))
