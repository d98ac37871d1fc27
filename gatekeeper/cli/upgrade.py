"""``gatekeeper upgrade``: have the running gate replaced by the installed version, on the same sockets."""

import argparse
import os
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from gatekeeper.cli.admin import admin_address, read_status
from gatekeeper.cli.configuration import add_config_option, load_configuration
from gatekeeper.cli.parser import Commands
from gatekeeper.errors import GatekeeperError, UsageError
from gatekeeper.settings.addresses import ListenAddress

# Longer than the gate itself waits for its successor.
PATIENCE_SECONDS = 130.0
_POLL_SECONDS = 0.1


def add_command(commands: Commands) -> None:
    """Add ``upgrade`` to the command line."""
    parser = commands.add_parser(
        "upgrade",
        help="have the running gate replaced by the version that is installed now",
        description="Send SIGUSR2 to the running gate, and wait until its successor serves on the same sockets. The "
        "old gate then finishes its requests. If the successor fails, the old gate continues; exit 1.",
        epilog="example: gatekeeper upgrade -c /etc/gatekeeper/gatekeeper.toml",
    )
    add_config_option(parser)
    parser.set_defaults(run=_upgrade)


def _upgrade(options: argparse.Namespace) -> int:
    configuration = load_configuration(options, "upgrade")
    where = admin_address(configuration)
    before = read_status(where)
    must_be_of(configuration.source.path, before, where)
    pid = before["supervisor"]
    try:
        os.kill(pid, signal.SIGUSR2)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise GatekeeperError(f"process {pid}, named by the admin listener, cannot be signalled: {reason}") from error
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        time.sleep(_POLL_SECONDS)
        now = _status_now(where)
        if now["supervisor"] != pid:
            print(f"process {now['supervisor']} has taken over from {pid}: version {now['version']}")
            return 0
        if now["upgrades_failed"] > before["upgrades_failed"]:
            raise GatekeeperError(f"the upgrade failed, and process {pid} goes on; its log says why")
    raise GatekeeperError(f"process {pid} has not been replaced within {PATIENCE_SECONDS:g} s")


def _status_now(where: ListenAddress) -> dict[str, Any]:
    """The status, asked for twice if need be: the worker that takes the first connection may be about to end."""
    try:
        return read_status(where)
    except GatekeeperError:
        time.sleep(_POLL_SECONDS)
        return read_status(where)


def must_be_of(path: Path, status: Mapping[str, Any], where: ListenAddress) -> None:
    """UsageError if the gate that gave this status runs with another configuration than the one at ``path``.

    Two gates may have the same admin port, one after the other or in two network namespaces. A gate that is older than
    this check does not say with which it runs, and is taken for the right one.
    """
    running = status.get("configuration")
    if running is None or running == os.path.abspath(path):
        return
    with suppress(OSError):  # one of the names may be a link
        if os.path.samefile(running, path):
            return
    raise UsageError(f"the gate at {where} runs with {running}, not with {path}; to upgrade that one: -c {running}")
