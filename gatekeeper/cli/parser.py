"""The command-line parser: an error is one plain line, with a suggestion where one is likely."""

import argparse
import sys
import textwrap
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

from gatekeeper.errors import UsageError

WRONG_USAGE = 2

# Columns of a description; argparse itself leaves two of a terminal's 80 free.
_WIDTH = 78


class Parser(argparse.ArgumentParser):
    """The parser of one command. Where argparse would print its usage and exit, UsageError is raised.

    ``arguments`` are the options and positional arguments that were added, ``commands`` the parsers of its subcommands.
    """

    def __init__(self, *, parents: Sequence["Parser"] = (), **settings: Any) -> None:
        self.arguments: list[argparse.Action] = [argument for parent in parents for argument in parent.arguments]
        self.commands: dict[str, Parser] = {}
        for name in ("description", "epilog"):
            text = settings.get(name) or ""
            # Examples stay on their line, for copying.
            settings[name] = text if "\n" in text or text.startswith("example: ") else textwrap.fill(text, _WIDTH)
        # No abbreviations: --password SECRET would be taken for --password-file.
        super().__init__(
            formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, parents=parents, **settings
        )

    def add_argument(self, *names: Any, **settings: Any) -> argparse.Action:
        """As in argparse."""
        argument = super().add_argument(*names, **settings)
        self.arguments.append(argument)
        return argument

    def add_mutually_exclusive_group(self, *, required: bool = False) -> Any:
        """As in argparse; the group has ``add_argument`` alone."""
        return _Exclusive(super().add_mutually_exclusive_group(required=required).add_argument, self.arguments)

    def error(self, message: str) -> NoReturn:
        """A required argument is missing, or one has an invalid value."""
        raise UsageError(f"{message}; see {self.prog} --help")

    def add_commands(self) -> "Commands":
        """Let subcommands follow. Without one, `show_help` runs."""
        self.set_defaults(run=self.show_help)
        return Commands(self)

    def parse(self, words: Sequence[str]) -> argparse.Namespace:
        """The options in ``words``; UsageError in one line if they are wrong."""
        command = self._command_of(words)
        options, unknown = self.parse_known_args(words)
        if unknown:
            command.refuse(unknown[0])
        return options

    def option(self, name: str) -> argparse.Action | None:
        """The option of this name, such as ``--json``."""
        return next((argument for argument in self.arguments if name in argument.option_strings), None)

    def refuse(self, word: str) -> NoReturn:
        """UsageError for a word that the command does not take. What follows its = may be a secret and is left out."""
        if not word.startswith("-"):
            raise UsageError(f"{word!r} is one argument too many; see {self.prog} --help")
        name = word.partition("=")[0]
        known = (name for argument in self.arguments for name in argument.option_strings)
        raise UsageError(f"unknown option {name!r} of {self.prog}{_suggestion(name, known)}")

    def _command_of(self, words: Iterable[str]) -> "Parser":
        """The parser of the command that ``words`` name.

        UsageError for an unknown command, and for an option before the command that it belongs to: argparse would take
        the option's value for the command.
        """
        parser, early, following = self, [], iter(words)
        for word in following:
            name, equals, _ = word.partition("=")
            if not parser.commands:
                break
            if option := parser.option(name):
                if option.nargs != 0 and not equals:
                    next(following, None)
            elif word.startswith("-"):
                early.append(name)
            elif word in parser.commands:
                parser = parser.commands[word]
            elif not early:
                suggestion = _suggestion(word, parser.commands)
                raise UsageError(f"unknown command {word!r} of {parser.prog}{suggestion}")
        if early:
            parser.refuse_early(early)
        return parser

    def refuse_early(self, names: Sequence[str]) -> NoReturn:
        """UsageError for options that stand before this command, or before the one that should follow."""
        for name in names:
            for command in (self, *self.commands.values()):
                if option := command.option(name):
                    raise UsageError(f"options come after the command: {command.prog} {name} {_value(option)}".rstrip())
        self.refuse(names[0])

    def show_help(self, _options: argparse.Namespace) -> int:
        """Print the help, because a word is missing; returns the exit code of a usage error."""
        self.print_help(sys.stderr)
        return WRONG_USAGE


class _Exclusive:
    """A group of arguments of which only one may be given."""

    def __init__(self, add: Callable[..., argparse.Action], arguments: list[argparse.Action]) -> None:
        self._add = add
        self._arguments = arguments

    def add_argument(self, *names: str, **settings: Any) -> argparse.Action:
        argument = self._add(*names, **settings)
        self._arguments.append(argument)
        return argument


class Commands:
    """The subcommands of a parser."""

    def __init__(self, parser: Parser) -> None:
        self._commands = parser.commands
        self._subparsers = parser.add_subparsers(title="commands", metavar="COMMAND")

    def add_parser(self, name: str, **settings: Any) -> Parser:
        """Add a subcommand; ``help`` is its line in the list, the other settings are those of `Parser`."""
        self._commands[name] = self._subparsers.add_parser(name, **settings)
        return self._commands[name]


def word_of(words: Sequence[str]) -> Callable[[str], str]:
    """The type of an argument that must be one of ``words``, with a suggestion if it is not."""

    def check(word: str) -> str:
        if word not in words:
            raise argparse.ArgumentTypeError(f"unknown word {word!r}{_suggestion(word, words)}")
        return word

    return check


def _value(option: argparse.Action) -> str:
    """The value that an option takes, as its help shows it."""
    if option.nargs == 0:
        return ""
    shown = option.metavar or option.dest.upper()
    shown = " ".join(shown) if isinstance(shown, tuple) else shown
    return f"[{shown}]" if option.nargs == "?" else shown


def _suggestion(word: str, known: Iterable[str]) -> str:
    import difflib

    names = list(known)
    close = [name for name in names if name.startswith(word)] or difflib.get_close_matches(word, names, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(names)}"
