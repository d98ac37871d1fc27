"""``gatekeeper serve``: run the gate."""

import argparse
import logging
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from gatekeeper.cli.configuration import add_config_option, load_configuration, naming_lines
from gatekeeper.cli.parser import Commands
from gatekeeper.process.listeners import open_listener, shown_address
from gatekeeper.process.privileges import account_of
from gatekeeper.process.stderr_log import announce, log_to_stderr
from gatekeeper.process.supervisor import Supervisor
from gatekeeper.process.worker import dry_run


def add_command(commands: Commands) -> None:
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
    log_to_stderr(settings.log.level)
    with ExitStack() as opened:
        visitors = [opened.enter_context(open_listener(address)) for address in settings.server.listen]
        where = settings.admin.listen
        admin = opened.enter_context(open_listener(where)) if where is not None else None
        with naming_lines(configuration):
            warnings = dry_run(settings).warnings(time.time())
            account = account_of(settings.server)
        ready = _announcement(visitors, admin, warnings)
        Supervisor(configuration, visitors, admin, account, ready).run()
    return 0


def _announcement(
    visitors: Sequence[socket.socket], admin: socket.socket | None, warnings: Sequence[str]
) -> Callable[[], None]:
    """What to say when visitors are answered, whatever ``log.level`` is."""
    lines = [f"listening on https://{shown_address(listener)}" for listener in visitors]
    if admin is not None:
        lines.append(f"admin on http://{shown_address(admin)}")

    def ready() -> None:
        for warning in warnings:
            announce(logging.WARNING, f"warning: {warning}")
        for line in lines:
            announce(logging.INFO, line)

    return ready
