"""``gatekeeper healthcheck``: ask a running gate whether it is ready; for a container's HEALTHCHECK."""

import argparse
import sys

from gatekeeper.cli.admin import admin_address, ask
from gatekeeper.cli.configuration import add_config_option, load_configuration
from gatekeeper.cli.parser import Commands


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
    status, body = ask(admin_address(load_configuration(options)), "/readyz")
    failing = [f"{name}: {check['detail']}" for name, check in body.get("checks", {}).items() if not check["ok"]]
    if status == 200:
        print("ready")
        return 0
    print("not ready: " + ("; ".join(failing) or f"status {status}"), file=sys.stderr)
    return 1
