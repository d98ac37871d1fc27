"""``gatekeeper serve``: run the gate."""

import argparse
import logging
import socket
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

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
    with ExitStack() as opened:
        visitors = [opened.enter_context(open_listener(address)) for address in settings.server.listen]
        where = settings.admin.listen
        admin = opened.enter_context(open_listener(where)) if where is not None else None
        with naming_lines(configuration):
            run_worker(settings, Sockets(visitors, admin), _announcement(visitors, admin))
    return 0


def _announcement(visitors: Sequence[socket.socket], admin: socket.socket | None) -> Callable[[World], None]:
    """What to say when visitors are answered."""

    def ready(world: World) -> None:
        for warning in warnings(world, time.time()):
            _say(f"warning: {warning}")
        for listener in visitors:
            _say(f"listening on https://{shown_address(listener)}")
        if admin is not None:
            _say(f"admin on http://{shown_address(admin)}")

    return ready


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
