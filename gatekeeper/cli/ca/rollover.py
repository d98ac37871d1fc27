"""``gatekeeper ca rollover``: create the next authority beside the old one."""

import argparse
from datetime import timedelta

from gatekeeper.ca.index import CertificateKind, Entry
from gatekeeper.ca.keys import check_key_type
from gatekeeper.ca.rollover import roll_over
from gatekeeper.cli.ca.fields import authority_fields
from gatekeeper.cli.ca.options import current_time, making_a_key, opened_issuer, wants_json
from gatekeeper.cli.ca.printing import command
from gatekeeper.cli.terminal import print_json


def run(args: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    check_key_type(args.key)
    now = current_time()
    with opened_issuer(args) as issuer, making_a_key(args.key):
        certificate = roll_over(issuer, key_type=args.key, lifetime=timedelta(days=args.days), now=now)
        folder, old, index = issuer.store.path, issuer.store.retiring(), issuer.store.index()
    left = index.on_retiring(now)
    if wants_json(args):
        fields = authority_fields(certificate, folder)
        print_json(fields | {"on_old": [entry.name for entry in left]})
        return 0
    print(f"The next authority is created. It can sign until {certificate.not_valid_after_utc:%Y-%m-%d}.")
    print(f"{folder / 'ca.crt'} now contains both, {folder / 'ca.crl'} a list of each. A gate that")
    print("reads them there admits the certificates of both; give new copies to one that has copies.")
    print()
    print("New certificates are signed by the next authority. These clients still need one:")
    for line in _whom(left):
        print(f"  {line}")
    print()
    if left:
        print(f"{command(folder)} renew --old-authority --invite invites every client of")
        print(f"these to fetch it; or renew one: {command(folder)} renew NAME")
    print(f"{command(folder)} list shows who still needs one. When nobody does, or on")
    end = old.not_valid_after_utc if old is not None else certificate.not_valid_after_utc
    print(f"{end:%Y-%m-%d}, when the old one expires: {command(folder)} retire")
    return 0


def _whom(left: tuple[Entry, ...]) -> tuple[str, ...]:
    if not left:
        return ("(nobody)",)
    return tuple(entry.name if entry.kind is CertificateKind.CLIENT else f"{entry.name} (server)" for entry in left)
