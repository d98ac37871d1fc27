"""``gatekeeper ca retire``: end the old authority after a rollover."""

import argparse
from datetime import datetime

from gatekeeper.ca.index import CertificateKind, Index, shown_names
from gatekeeper.ca.rollover import retire
from gatekeeper.cli.ca.options import current_time, opened_issuer, wants_json
from gatekeeper.cli.ca.unfetched import known_unfetched
from gatekeeper.cli.ca.withdrawal import cancelled_fields, print_cancelled_with
from gatekeeper.cli.terminal import print_json
from gatekeeper.errors import AuthorityError
from gatekeeper.invitations.folder import StoredInvitation


def run(args: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    now = current_time()
    waiting = known_unfetched(args, now)
    cancelled: list[StoredInvitation] = []
    with opened_issuer(args, cancelled) as issuer:
        if waiting is None and not args.force:
            _must_have_fetched(issuer.store.index(), now)
        left = retire(issuer, waiting or (), force=args.force, now=now)
        folder = issuer.store.path
    locked_out = [entry for entry in left if entry.kind is CertificateKind.CLIENT]
    servers = [entry for entry in left if entry.kind is CertificateKind.SERVER]
    if wants_json(args):
        names = {"locked_out": [entry.name for entry in locked_out], "servers": [entry.name for entry in servers]}
        print_json({"retired": True} | names | cancelled_fields(cancelled))
        return 0
    print(f"The old authority is retired; {folder / 'ca.crt'} holds the new one alone, and the old key is destroyed.")
    for entry in locked_out:
        print(f"{entry.name} ({entry.serial_hex}) is locked out.")
    for entry in servers:
        print(f"{entry.name} ({entry.serial_hex}) is a server: whoever trusts the new ca.crt alone rejects it.")
    print_cancelled_with(cancelled)
    print("A gate that reads the files there notices by itself; give the new ca.crt and ca.crl to one that has copies.")
    return 0


def _must_have_fetched(index: Index, now: datetime) -> None:
    """AuthorityError if somebody may still use the certificate of the old authority: no folder of invitations tells."""
    both = index.keeping_both(now)
    if both:
        raise AuthorityError(
            f"who has fetched the new certificate is not known: {shown_names(both)}; name the folder of invitations "
            "(--invitations FOLDER, or -c FILE), revoke the old certificates (gatekeeper ca revoke SERIAL), or retire "
            "all the same: --force"
        )
