"""``gatekeeper completion``: a script that makes the shell complete commands and options."""

import argparse

SHELLS = ("bash", "zsh", "tcsh")


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``completion`` to the command line."""
    parser = commands.add_parser(
        "completion",
        help="print a script for the completion of bash, zsh or tcsh",
        description="Print a script that makes the shell complete commands and options.",
        epilog="example: gatekeeper completion bash > ~/.local/share/bash-completion/completions/gatekeeper",
    )
    parser.add_argument("shell", choices=SHELLS)
    parser.set_defaults(run=_print)


def _print(options: argparse.Namespace) -> int:
    import shtab

    from gatekeeper.cli import make_parser

    print(shtab.complete(make_parser(), options.shell))
    return 0
