"""Every command with its options, as Markdown, read from the parser: ``docs/cli.md``."""

import argparse
from collections.abc import Collection, Iterator

from gatekeeper.cli import make_parser
from gatekeeper.cli.parser import Parser

_HEAD = """\
# Commands

<!-- Written by `python -m gatekeeper.cli.reference cli` from the parser. -->

`gatekeeper COMMAND --help` prints the same. Exit codes: 0 success, 1 runtime failure, 2 wrong usage or configuration.
`gatekeeper completion bash` prints a script that completes commands and options; also for zsh, fish and tcsh.
You may also write the options of `gatekeeper ca` after its commands.
"""


def manual() -> str:
    """The page. It is not made of ``format_help``, whose line breaks differ between versions of Python."""
    return "\n".join([_HEAD, *_commands(make_parser())])


def _commands(parser: Parser) -> Iterator[str]:
    inherited = {name for argument in parser.arguments for name in argument.option_strings}
    for command in parser.commands.values():
        yield from _command(command, inherited)
        yield from _commands(command)


def _command(parser: Parser, inherited: Collection[str]) -> Iterator[str]:
    yield f"## `{parser.prog}`\n\n{' '.join((parser.description or '').split())}\n"
    own = [argument for argument in parser.arguments if not set(argument.option_strings) & set(inherited)]
    lines = [line for action in own for line in _argument(action)]
    if lines:
        yield "| | |\n|---|---|\n" + "\n".join(lines) + "\n"
    for line in (parser.epilog or "").splitlines():
        if line.startswith("example: "):
            yield f"```sh\n{line.removeprefix('example: ')}\n```\n"


def _argument(action: argparse.Action) -> Iterator[str]:
    if "--help" in action.option_strings:
        return
    metavar = action.metavar or (action.dest.upper() if action.nargs != 0 else "")
    if isinstance(action.choices, tuple | list) and not action.metavar:
        metavar = "|".join(map(str, action.choices))
    values = " ".join(metavar) if isinstance(metavar, tuple) else metavar
    names = ", ".join(f"{name} {values}".strip() for name in action.option_strings) or values
    yield f"| `{_cell(names)}` | {_cell(action.help or '')} |"


def _cell(text: str) -> str:
    """GitHub Flavored Markdown 0.29, 4.10: a pipe ends the cell, inside a code span too, unless it is escaped."""
    return text.replace("|", r"\|")
