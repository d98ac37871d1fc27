"""``gatekeeper ca retire``: end the old authority after a rollover."""

import argparse

from gatekeeper.cli.ca.options import current_time, opened_issuer, wants_json
from gatekeeper.cli.terminal import print_json


def run(args: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    with opened_issuer(args) as issuer:
        locked_out = issuer.retire(force=args.force, now=current_time())
        folder = issuer.store.path
    if wants_json(args):
        print_json({"retired": True, "locked_out": [entry.name for entry in locked_out]})
        return 0
    print(f"The old authority is retired; {folder / 'ca.crt'} holds the new one alone, and the old key is destroyed.")
    for entry in locked_out:
        print(f"{entry.name} ({entry.serial_hex}) is locked out.")
    print("A gate that reads the files there notices by itself; give the new ca.crt and ca.crl to one that has copies.")
    return 0
