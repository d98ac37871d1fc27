"""``gatekeeper maintenance``: answer 503 for the apps, and stop doing so."""

import argparse
import os
from pathlib import Path

from gatekeeper.cli.configuration import add_config_option
from gatekeeper.cli.parser import Commands, word_of
from gatekeeper.config.document import find, read_document
from gatekeeper.errors import ConfigurationError, GatekeeperError

STATES = ("on", "off")
_EXAMPLE = 'write [maintenance] and file = "maintenance"'


def add_command(commands: Commands) -> None:
    """Add ``maintenance`` to the command line."""
    parser = commands.add_parser(
        "maintenance",
        help="answer 503 with a page instead of forwarding requests, or stop doing so",
        description="Create or remove the file that maintenance.file names. While it exists, visitors get 503 and a "
        "page; those named in maintenance.allow still reach the apps. Requests that have begun are not interrupted. "
        "Of the configuration, only maintenance.file is read, so mistakes elsewhere in it do not matter.",
        epilog="example: gatekeeper maintenance on -c gatekeeper.toml",
    )
    parser.add_argument(
        "state", nargs="?", choices=STATES, type=word_of(STATES), metavar="on|off", help="whether the apps are closed"
    )
    add_config_option(parser)
    parser.set_defaults(run=lambda options: (_maintenance if options.state else parser.show_help)(options))


def _maintenance(options: argparse.Namespace) -> int:
    file = written_file(find(options.config, os.environ))
    # A folder exists as well: the gate would refuse it at its next reload.
    if file.is_dir():
        raise GatekeeperError(
            f"{file} is a folder; maintenance.file names a file, which this command makes and removes"
        )
    try:
        if options.state == "on":
            file.touch()
        else:
            file.unlink(missing_ok=True)
    except OSError as error:
        verb = "created" if options.state == "on" else "removed"
        raise GatekeeperError(f"{file} cannot be {verb}: {(error.strerror or str(error)).lower()}") from error
    print(f"maintenance is {options.state}")
    return 0


def written_file(path: Path) -> Path:
    """``maintenance.file`` of a configuration, without checking anything else in it: in an emergency the file may have
    mistakes that the running gate, which loaded an earlier one, does not know.

    ConfigurationError if there is none, or the document cannot be read.
    """
    document, source, unfilled = read_document(path)
    table = document.get("maintenance")
    if table is None:
        raise ConfigurationError(source.mistake("maintenance", f"is missing; {_EXAMPLE}"), source=str(path))
    file = table.get("file") if isinstance(table, dict) else None
    wrong = [message for where, message in unfilled if where == ("maintenance", "file")]
    if wrong or not isinstance(file, str) or not file.strip() or "\0" in file:
        message = wrong[0] if wrong else "should be the path of a file"
        raise ConfigurationError(source.mistake("maintenance.file", message), source=str(path))
    return Path(os.path.abspath(path)).parent / file
