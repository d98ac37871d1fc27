"""``gatekeeper upgrade``: have the running gate replaced by the installed version, on the same sockets."""

import argparse
import os
import signal
import time

from gatekeeper.cli.admin import admin_address, read_status
from gatekeeper.cli.configuration import add_config_option, load_configuration
from gatekeeper.cli.parser import Commands
from gatekeeper.errors import GatekeeperError

# Longer than the gate itself waits for its successor.
PATIENCE_SECONDS = 130.0
_POLL_SECONDS = 0.1


def add_command(commands: Commands) -> None:
    """Add ``upgrade`` to the command line."""
    parser = commands.add_parser(
        "upgrade",
        help="have the running gate replaced by the version that is installed now",
        description="Send SIGUSR2 to the running gate, and wait until its successor serves on the same sockets. The "
        "old gate then finishes what it has; if the successor fails, the old gate goes on, and this ends with 1.",
        epilog="example: gatekeeper upgrade -c /etc/gatekeeper/gatekeeper.toml",
    )
    add_config_option(parser)
    parser.set_defaults(run=_upgrade)


def _upgrade(options: argparse.Namespace) -> int:
    where = admin_address(load_configuration(options))
    before = read_status(where)
    pid = before["supervisor"]
    try:
        os.kill(pid, signal.SIGUSR2)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise GatekeeperError(f"process {pid}, named by the admin listener, cannot be signalled: {reason}") from error
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        time.sleep(_POLL_SECONDS)
        now = read_status(where)
        if now["supervisor"] != pid:
            print(f"process {now['supervisor']} has taken over from {pid}: version {now['version']}")
            return 0
        if now["upgrades_failed"] > before["upgrades_failed"]:
            raise GatekeeperError(f"the upgrade failed, and process {pid} goes on; its log says why")
    raise GatekeeperError(f"process {pid} has not been replaced within {PATIENCE_SECONDS:g} s")
