"""``gatekeeper maintenance``: answer 503 for the apps, and stop doing so."""

import argparse

from gatekeeper.cli.configuration import add_config_option, load_configuration
from gatekeeper.cli.parser import Commands
from gatekeeper.errors import GatekeeperError


def add_command(commands: Commands) -> None:
    """Add ``maintenance`` to the command line."""
    parser = commands.add_parser(
        "maintenance",
        help="answer 503 with a page instead of forwarding requests, or stop doing so",
        description="Create or remove the file that maintenance.file names. While it exists, visitors get 503 and a "
        "page; those named in maintenance.allow still reach the apps. Requests that have begun are not interrupted.",
        epilog="example: gatekeeper maintenance on -c gatekeeper.toml",
    )
    parser.add_argument("state", choices=("on", "off"), help="whether the apps are closed")
    add_config_option(parser)
    parser.set_defaults(run=_maintenance)


def _maintenance(options: argparse.Namespace) -> int:
    configuration = load_configuration(options)
    settings = configuration.settings.maintenance
    if settings is None:
        raise configuration.refusal(
            configuration.source.mistake("maintenance", 'is missing; write [maintenance] and file = "maintenance"')
        )
    try:
        if options.state == "on":
            settings.file.touch()
        else:
            settings.file.unlink(missing_ok=True)
    except OSError as error:
        verb = "created" if options.state == "on" else "removed"
        raise GatekeeperError(f"{settings.file} cannot be {verb}: {(error.strerror or str(error)).lower()}") from error
    print(f"maintenance is {options.state}")
    return 0
