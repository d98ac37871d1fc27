"""The command-line parser: an error is one plain line, with a suggestion where one is likely."""

import argparse
import difflib
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn, TypeAlias

from gatekeeper.errors import UsageError

WRONG_USAGE = 2


class Help(argparse.HelpFormatter):
    """Keeps examples unwrapped, for copying, and aligns the commands in one column."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        as_it_is = "\n" in text or text.startswith("example: ")
        return text if as_it_is else super()._fill_text(text, width, indent)

    def _format_action(self, action: argparse.Action) -> str:
        if not isinstance(action, argparse._SubParsersAction):
            return super()._format_action(action)
        return "".join(super(Help, self)._format_action(command) for command in action._get_subactions())


class Parser(argparse.ArgumentParser):
    """Every command has one. Where argparse would print its usage and end the process, UsageError is raised."""

    def __init__(self, **settings: Any) -> None:
        # No abbreviations: --password SECRET would be taken for --password-file.
        super().__init__(**{"formatter_class": Help, "allow_abbrev": False, **settings})

    def error(self, message: str) -> NoReturn:
        """Something is missing, or has a wrong value."""
        raise UsageError(f"{message}; see {self.prog} --help")

    def add_commands(self) -> "Commands":
        """Let a command follow. Whoever types none is not wrong but asking: they get the help, and exit code 2."""
        self.set_defaults(run=self._asked)
        return self.add_subparsers(title="commands", metavar="COMMAND")

    def parse(self, words: Sequence[str]) -> argparse.Namespace:
        """What ``words`` ask for; UsageError in one line otherwise."""
        try:
            options, unknown = self.parse_known_args(words)
        except UsageError:
            _check_order(self, words)
            raise
        if unknown:
            _check_order(self, words)
            _parser_of(self, words)._refuse(unknown[0])
        return options

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            what = action.option_strings[-1] if action.option_strings else str(action.metavar or action.dest).lower()
            raise UsageError(f"unknown {what} {value!r} of {self.prog}{_meant(value, map(str, action.choices))}")

    def _refuse(self, word: str) -> NoReturn:
        """Nothing here takes ``word``. What follows its = is not repeated: it may be a secret."""
        if not word.startswith("-"):
            raise UsageError(f"{word!r} is one argument too many; see {self.prog} --help")
        name = word.partition("=")[0]
        known = (name for action in self._actions for name in action.option_strings)
        raise UsageError(f"unknown option {name!r} of {self.prog}{_meant(name, known)}")

    def _asked(self, _options: argparse.Namespace) -> int:
        self.print_help(sys.stderr)
        return WRONG_USAGE


Commands: TypeAlias = "argparse._SubParsersAction[Parser]"


def _parser_of(parser: Parser, words: Iterable[str]) -> Parser:
    """The parser of the command that ``words`` name."""
    for word in words:
        parser = _commands_of(parser).get(word, parser)
    return parser


def _check_order(parser: Parser, words: Iterable[str]) -> None:
    """UsageError if an option stands before the command that it belongs to: argparse takes its value for a command."""
    early = []
    for word in words:
        name = word.partition("=")[0]
        if word in _commands_of(parser):
            parser = _commands_of(parser)[word]
        elif name.startswith("-") and name not in parser._option_string_actions and _commands_of(parser):
            early.append(name)
    for name in early:
        for command in (parser, *_commands_of(parser).values()):
            if action := command._option_string_actions.get(name):
                value = command._get_formatter()._format_args(action, action.dest.upper())
                raise UsageError(f"options come after the command: {command.prog} {name} {value}".rstrip())


def _commands_of(parser: Parser) -> dict[str, Parser]:
    """The commands that may follow, by name."""
    found = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return {name: command for action in found for name, command in action.choices.items()}


def _meant(word: str, known: Iterable[str]) -> str:
    names = list(known)
    close = [name for name in names if name.startswith(word)] or difflib.get_close_matches(word, names, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(names)}"
