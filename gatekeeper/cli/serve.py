"""``gatekeeper serve``: run the gate."""

import argparse
import logging
import sys
import time

from gatekeeper.cli.configuration import add_config_option, load_configuration, naming_lines
from gatekeeper.listeners import open_listener, shown_address
from gatekeeper.proxy.world import World
from gatekeeper.worker import Sockets, run_worker


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``serve`` to the command line."""
    parser = commands.add_parser(
        "serve",
        help="run the gate",
        description="Run the gate until SIGTERM or SIGINT. SIGHUP reloads, as does a change of any file; "
        "SIGUSR1 reopens the log files.",
        epilog="example: gatekeeper serve -c /etc/gatekeeper/gatekeeper.toml",
    )
    add_config_option(parser)
    parser.set_defaults(run=_serve)


def _serve(options: argparse.Namespace) -> int:
    configuration = load_configuration(options)
    settings = configuration.settings
    logging.basicConfig(
        level=settings.log.level.upper(), stream=sys.stderr, format="gatekeeper: %(levelname)s: %(message)s"
    )
    visitors = [open_listener(address) for address in settings.server.listen]
    admin = open_listener(settings.admin.listen) if settings.admin.listen is not None else None

    def ready(world: World) -> None:
        for warning in world.warnings(time.time()):
            _say(f"warning: {warning}")
        for listener in visitors:
            _say(f"listening on https://{shown_address(listener)}")
        if admin is not None:
            _say(f"admin on http://{shown_address(admin)}")

    with naming_lines(configuration):
        run_worker(configuration, Sockets(visitors, admin), ready)
    return 0


def _say(line: str) -> None:
    print(f"gatekeeper: {line}", file=sys.stderr, flush=True)
