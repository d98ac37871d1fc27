"""``gatekeeper serve``: run the gate."""

import argparse
import logging
import sys
import time

from gatekeeper.cli.configuration import add_config_option, load_configuration, naming_lines
from gatekeeper.gate.revocation import alarms
from gatekeeper.listeners import open_listener, shown_address
from gatekeeper.proxy.world import World
from gatekeeper.tls.context import Mode
from gatekeeper.worker import Sockets, run_worker


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``serve`` to the command line."""
    parser = commands.add_parser(
        "serve",
        help="run the gate",
        description="Run the gate until SIGTERM or SIGINT. SIGUSR1 reopens the log files.",
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
        for warning in warnings(world, time.time()):
            _say(f"warning: {warning}")
        for listener in visitors:
            _say(f"listening on https://{shown_address(listener)}")
        if admin is not None:
            _say(f"admin on http://{shown_address(admin)}")

    with naming_lines(configuration):
        run_worker(settings, Sockets(visitors, admin), ready)
    return 0


def warnings(world: World, now: float) -> list[str]:
    """What works, but should be looked at: one sentence each."""
    fallback = (
        f"bad certificates get a TLS alert instead of the refusal page, because {world.tls.reason}"
        if world.tls.mode is Mode.ALERTS_ONLY
        else ""
    )
    revocations = world.policy.revocations
    crl = alarms(revocations, world.tls.authorities, now) if revocations is not None else ()
    return [*([fallback] if fallback else []), *world.tls.warnings, *crl]


def _say(line: str) -> None:
    print(f"gatekeeper: {line}", file=sys.stderr, flush=True)
