"""``gatekeeper completion``: a script that makes the shell complete commands, options and files."""

import argparse
from collections.abc import Iterator

from gatekeeper.cli.parser import Commands, Parser, word_of

SHELLS = ("bash", "zsh", "fish", "tcsh")
_FOLDERS = ("DIR", "FOLDER")


def add_command(commands: Commands) -> None:
    """Add ``completion`` to the command line."""
    parser = commands.add_parser(
        "completion",
        help="print a completion script for bash, zsh, fish or tcsh",
        description="Print a script that makes the shell complete commands and options.",
        epilog="example: gatekeeper completion bash > ~/.local/share/bash-completion/completions/gatekeeper\n"
        'example: gatekeeper completion zsh > "${fpath[1]}/_gatekeeper"\n'
        "example: gatekeeper completion fish > ~/.config/fish/completions/gatekeeper.fish",
    )
    parser.add_argument("shell", nargs="?", choices=SHELLS, type=word_of(SHELLS), help="the shell")
    parser.set_defaults(run=lambda options: (_print if options.shell else parser.show_help)(options))


def _print(options: argparse.Namespace) -> int:
    import shtab

    from gatekeeper.cli import make_parser

    parser = make_parser()
    for argument in _arguments(parser):
        if (argument.metavar or argument.dest.upper()) in _FOLDERS:
            argument.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
        elif "FILE" in str(argument.metavar):
            argument.complete = shtab.FILE  # type: ignore[attr-defined]
    print(shtab.complete(parser, options.shell))
    return 0


def _arguments(parser: Parser) -> Iterator[argparse.Action]:
    """The options and positional arguments of every command."""
    yield from parser.arguments
    for command in parser.commands.values():
        yield from _arguments(command)
