"""``gatekeeper serve``: run the gate."""

import argparse
import logging
import os
import sys
from pathlib import Path

from gatekeeper import config
from gatekeeper.errors import ConfigurationError
from gatekeeper.listeners import open_listener, shown_address
from gatekeeper.proxy.world import World
from gatekeeper.worker import Sockets, run_worker

Commands = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``serve`` to the command line."""
    parser = commands.add_parser("serve", help="run the gate", description="Run the gate until SIGTERM or SIGINT.")
    add_config_option(parser)
    parser.set_defaults(run=_serve)


def add_config_option(parser: argparse.ArgumentParser) -> None:
    """Add ``-c FILE``, which every command that reads the configuration has."""
    parser.add_argument(
        "-c",
        "--config",
        type=Path,
        metavar="FILE",
        help="the configuration; by default $GATEKEEPER_CONFIG, ./gatekeeper.toml or /etc/gatekeeper/gatekeeper.toml",
    )


def _serve(options: argparse.Namespace) -> int:
    configuration = config.load(config.find(options.config, os.environ))
    settings = configuration.settings
    logging.basicConfig(
        level=settings.log.level.upper(), stream=sys.stderr, format="gatekeeper: %(levelname)s: %(message)s"
    )
    visitors = [open_listener(address) for address in settings.server.listen]
    admin = open_listener(settings.admin.listen) if settings.admin.listen is not None else None

    def ready(world: World) -> None:
        for warning in world.tls.warnings:
            print(f"gatekeeper: warning: {warning}", file=sys.stderr)
        for listener in visitors:
            print(f"gatekeeper: listening on https://{shown_address(listener)}", file=sys.stderr)
        if admin is not None:
            print(f"gatekeeper: admin on http://{shown_address(admin)}", file=sys.stderr)
        sys.stderr.flush()

    try:
        run_worker(settings, Sockets(visitors, admin), ready)
    except ConfigurationError as error:
        mistakes = (configuration.source.mistake(mistake.key, mistake.message) for mistake in error.mistakes)
        raise configuration.refusal(*mistakes) from None
    return 0
