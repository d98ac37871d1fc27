"""The command line: the only package that prints or sets an exit code."""

import argparse
import sys

from gatekeeper.cli import ca
from gatekeeper.errors import ConfigurationError, GatekeeperError, UsageError


def main() -> int:
    """Run the command that ``sys.argv`` asks for and return its exit code."""
    parser = argparse.ArgumentParser(prog="gatekeeper")
    ca.add_command(parser.add_subparsers(required=True, metavar="COMMAND"))
    args = parser.parse_args()
    try:
        code: int = args.run(args)
    except GatekeeperError as error:
        print(f"gatekeeper: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError | ConfigurationError) else 1
    except KeyboardInterrupt:
        return 130
    return code
