"""``gatekeeper healthcheck``: ask a running gate whether it is ready; for a container's HEALTHCHECK."""

import argparse
import os
import sys

from gatekeeper.cli.admin import ask, written_admin_address
from gatekeeper.cli.configuration import add_config_option
from gatekeeper.cli.parser import Commands
from gatekeeper.config.document import find


def add_command(commands: Commands) -> None:
    """Add ``healthcheck`` to the command line."""
    parser = commands.add_parser(
        "healthcheck",
        help="ask a running gate whether it is ready",
        description="Request /readyz from the admin listener: exit 0 if the gate is ready, 1 if it is not.",
        epilog="example: gatekeeper healthcheck -c gatekeeper.toml",
    )
    add_config_option(parser)
    parser.set_defaults(run=_healthcheck)


def _healthcheck(options: argparse.Namespace) -> int:
    status, body = ask(written_admin_address(find(options.config, os.environ)), "/readyz")
    failing = [f"{name}: {check['detail']}" for name, check in body.get("checks", {}).items() if not check["ok"]]
    if status == 200:
        print("ready")
        return 0
    print("not ready: " + ("; ".join(failing) or f"status {status}"), file=sys.stderr)
    return 1
