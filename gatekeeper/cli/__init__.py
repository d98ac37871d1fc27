"""The command line: the only package that prints or sets an exit code.

Each module adds one command, or a family of them, to the parser, and carries it out.
"""

import io
import os
import signal
import sys
import warnings
from collections.abc import Iterable
from importlib import import_module

from gatekeeper import __version__, form
from gatekeeper.cli.parser import WRONG_USAGE, Parser
from gatekeeper.errors import ConfigurationError, GatekeeperError, UsageError

# Each name is a module in this package; the text is the same as in its ``add_command``. A command imports its own
# module only, and ``--help`` none, because a container runs ``healthcheck`` every few seconds.
COMMANDS = {
    "serve": "run the gate",
    "check": "check the configuration",
    "explain": "show how the gate would answer a request with a certificate, and why",
    "healthcheck": "ask a running gate whether it is ready",
    "maintenance": "answer 503 with a page instead of forwarding requests, or stop doing so",
    "upgrade": "have the running gate replaced by the version that is installed now",
    "top": "show what the running gate is doing, live in the terminal",
    "demo": "try everything on this machine",
    "init": "write a commented gatekeeper.toml to start from",
    "ca": "the certificate authority: issue, sign, renew and revoke certificates",
    "enroll": "generate a key here, and obtain a certificate for it through a link",
    "completion": "print a completion script for bash, zsh, fish or tcsh",
}
# Command lines without a command.
_ABOUT = ((), ("-h",), ("--help",), ("--version",))
FAILED, INTERRUPTED = 1, 130


def main(arguments: list[str] | None = None) -> int:
    """Run a command, by default the one that ``sys.argv`` asks for, and return its exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    named = [word for word in words[:1] if word in COMMANDS]
    _open_standard_files()
    _ignore_warnings_of_names()
    try:
        if named == ["serve"]:
            _hold_signals()
        parser = list_commands() if tuple(words) in _ABOUT else make_parser(named or COMMANDS)
        options = parser.parse(words)
        code: int = options.run(options)
        sys.stdout.flush()
        return code
    except (UsageError, ConfigurationError) as error:
        return _print_error(error, WRONG_USAGE)
    except GatekeeperError as error:
        return _print_error(error, FAILED)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has ended (``gatekeeper ca list | head``): discard the rest, at exit too.
        _discard_output()
        return FAILED
    except OSError as error:
        # Writing to standard output failed, as on a full disk. Errors about other files are GatekeeperErrors.
        _discard_output()
        where = f"{error.filename}: " if error.filename else ""
        return _print_error(GatekeeperError(where + (error.strerror or str(error)).lower()), FAILED)


def _discard_output() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _open_standard_files() -> None:
    """Open /dev/null for closed standard streams. Otherwise the next file opened would get the number 0, 1 or 2."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115  as long as the process
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        # For letters in names that the terminal's encoding lacks. stderr does this by default.
        sys.stdout.reconfigure(errors="backslashreplace")


def _ignore_warnings_of_names() -> None:
    """`cryptography` warns about odd countries, long names and serial numbers, in certificates that are in use."""
    warnings.filterwarnings("ignore", message="Attribute's length must be|Parsed a serial number")


def _hold_signals() -> None:
    """Until the gate handles signals itself, a moment later: SIGTERM and SIGINT exit at once, since nothing has begun
    (process 1 of a container would ignore them by default); the others wait, since by default they would end the
    process.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))


def make_parser(names: Iterable[str] = COMMANDS) -> Parser:
    """The parser for these commands, by default for all."""
    parser = _parser()
    commands = parser.add_commands()
    for name in names:
        import_module(f"gatekeeper.cli.{name}").add_command(commands)
    return parser


def list_commands() -> Parser:
    """A parser that only lists the commands and their purpose, without their options."""
    parser = _parser()
    commands = parser.add_commands()
    for name, what in COMMANDS.items():
        commands.add_parser(name, help=what)
    return parser


def _parser() -> Parser:
    parser = Parser(
        prog="gatekeeper",
        description="A reverse proxy that admits only valid client certificates and tells everyone else why not.",
        epilog="to see it work: gatekeeper demo\nto begin: gatekeeper init; it prints the next step",
    )
    version = f"gatekeeper {__version__} ({form()})"
    parser.add_argument("--version", action="version", version=version, help="print the version, and whether compiled")
    return parser


def _print_error(error: GatekeeperError, code: int) -> int:
    for line in str(error).splitlines():
        # Names from files that the gate can write may contain terminal escape sequences.
        line = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in line)
        print(f"gatekeeper: {line}", file=sys.stderr)
    return code
