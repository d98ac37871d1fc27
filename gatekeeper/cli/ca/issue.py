"""``gatekeeper ca issue``: generate key, certificate and bundle for a client."""

import argparse

from gatekeeper.ca.issuer import Issued
from gatekeeper.ca.keys import check_key_type
from gatekeeper.ca.names import check_name
from gatekeeper.cli.ca.fields import issued_fields
from gatekeeper.cli.ca.options import bundle_options, issue_client, opened_issuer, wants_json
from gatekeeper.cli.ca.printing import how_to_import, print_issued_files, print_notes, show_password
from gatekeeper.cli.terminal import print_json


def run(args: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    check_name(args.name)
    check_key_type(args.key)
    options = bundle_options(args)
    with opened_issuer(args) as issuer:
        issued = issue_client(issuer, args, options)
    if wants_json(args):
        print_json(issued_fields(issued))
    else:
        print_client(issued, compat=args.compat)
    return 0


def print_client(issued: Issued, *, compat: bool) -> None:
    """Print what was issued for a client, and how it is imported."""
    print(f"The certificate of {issued.entry.name} is valid until {issued.entry.not_after:%Y-%m-%d}.")
    print_notes(issued)
    print()
    print_issued_files(issued)
    bundle = next(path for path in issued.files if path.suffix == ".p12")
    show_password(bundle, issued.password)
    how_to_import(bundle, compat=compat)
