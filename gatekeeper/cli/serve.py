"""``gatekeeper serve``: run the gate."""

import argparse
import gc
import logging
import os
import sys
import time
from collections.abc import Sequence

from gatekeeper.cli.configuration import add_config_option, naming_lines
from gatekeeper.cli.parser import Commands
from gatekeeper.config.document import find
from gatekeeper.errors import GatekeeperError
from gatekeeper.process.apart import Apart
from gatekeeper.process.configuration import ConfigurationFile
from gatekeeper.process.handover import listeners_from_systemd, predecessor
from gatekeeper.process.listeners import Listener, close_listeners, open_listeners, shown_listener
from gatekeeper.process.privileges import account_of
from gatekeeper.process.stderr_log import log_always, log_to_stderr
from gatekeeper.tls.proof_certificates import make_proof_certificates


def add_command(commands: Commands) -> None:
    """Add ``serve`` to the command line."""
    parser = commands.add_parser(
        "serve",
        help="run the gate",
        description="Run the gate until SIGTERM or SIGINT. SIGHUP reloads, as does a change of any file that "
        "the configuration names; SIGUSR1 reopens the log files, SIGUSR2 upgrades to the installed version.",
        epilog="example: gatekeeper serve -c /etc/gatekeeper/gatekeeper.toml",
    )
    add_config_option(parser)
    parser.set_defaults(run=_serve)


def check_interpreter(*, free_threaded: bool) -> None:
    """GatekeeperError on a free-threaded build of Python (PEP 703).

    The counters that workers share and the objects behind `gatekeeper.tls.openssl` rely on the global interpreter lock;
    nothing has been tested without it.
    """
    if free_threaded:
        raise GatekeeperError("free-threaded builds of Python are not supported; start the gate with an ordinary one")


def _serve(options: argparse.Namespace) -> int:
    check_interpreter(free_threaded="t" in sys.abiflags)
    before = predecessor(os.environ)
    present = before.listeners if before is not None else listeners_from_systemd(os.environ)
    gc.disable()  # among what 400 modules define there is little garbage, and to look for it takes 10 ms
    file = ConfigurationFile(find(options.config, os.environ))
    file.begin()
    certificates = Apart(make_proof_certificates)
    # Imported while the child processes validate and make certificates.
    from gatekeeper.process.supervisor import Supervisor
    from gatekeeper.process.worker import dry_run
    from gatekeeper.tls.proof import give_certificates

    configuration = file.read()
    if (made := certificates.result()) is not None:
        give_certificates(made)
    settings = configuration.settings
    log_to_stderr(settings.log.level)
    listeners = open_listeners(settings, present)
    try:
        close_listeners(one for one in present if one not in listeners)
        with naming_lines(configuration):
            warnings = dry_run(settings).warnings(time.time())
            account = account_of(settings.server)

        def ready() -> None:
            _announce(listeners, warnings)
            if before is not None:
                before.take_over()

        supervisor = Supervisor(file, listeners, account, ready)
        gc.enable()
        supervisor.run()
    finally:
        close_listeners(listeners)
    return 0


def _announce(listeners: Sequence[Listener], warnings: Sequence[str]) -> None:
    """Log warnings and addresses, whatever ``log.level`` is."""
    for warning in warnings:
        log_always(logging.WARNING, f"warning: {warning}")
    for listener in listeners:
        log_always(logging.INFO, shown_listener(listener))
