"""``gatekeeper ca retire``: end the old authority after a rollover."""

import argparse

from gatekeeper.ca.index import CertificateKind
from gatekeeper.cli.ca.options import current_time, opened_issuer, wants_json
from gatekeeper.cli.terminal import print_json


def run(args: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    with opened_issuer(args) as issuer:
        left = issuer.retire(force=args.force, now=current_time())
        folder = issuer.store.path
    locked_out = [entry for entry in left if entry.kind is CertificateKind.CLIENT]
    servers = [entry for entry in left if entry.kind is CertificateKind.SERVER]
    if wants_json(args):
        names = {"locked_out": [entry.name for entry in locked_out], "servers": [entry.name for entry in servers]}
        print_json({"retired": True} | names)
        return 0
    print(f"The old authority is retired; {folder / 'ca.crt'} holds the new one alone, and the old key is destroyed.")
    for entry in locked_out:
        print(f"{entry.name} ({entry.serial_hex}) is locked out.")
    for entry in servers:
        print(f"{entry.name} ({entry.serial_hex}) is a server: whoever trusts the new ca.crt alone rejects it.")
    print("A gate that reads the files there notices by itself; give the new ca.crt and ca.crl to one that has copies.")
    return 0
