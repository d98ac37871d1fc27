"""``gatekeeper ca crl``: sign the CRL again."""

import argparse
from datetime import timedelta
from pathlib import Path

from cryptography import x509

from gatekeeper.ca.index import iso
from gatekeeper.ca.revocation import is_due
from gatekeeper.ca.store import Store
from gatekeeper.cli.ca.argument_types import MAX
from gatekeeper.cli.ca.options import current_time, folder_of, opened_issuer, wants_json
from gatekeeper.cli.terminal import print_json
from gatekeeper.errors import AuthorityError


def run(args: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    store = Store(folder_of(args))
    if args.if_due and _is_not_due(store):
        print_json({"crl": str(store.path / "ca.crl"), "signed": False}) if wants_json(args) else None
        return 0
    lifetime = timedelta(days=args.days) if args.days else None
    with opened_issuer(args) as issuer:
        crl = issuer.rewrite_crl(lifetime, whole_life=args.days == MAX, now=current_time())
    _print(crl, folder_of(args), as_json=wants_json(args))
    return 0


def _is_not_due(store: Store) -> bool:
    """Whether the CRL need not be signed yet; checked before a passphrase is asked for. A missing or damaged CRL is
    due.
    """
    try:
        return not is_due(store.crl(), current_time())
    except AuthorityError:
        store.must_exist()
        return False


def _print(crl: x509.CertificateRevocationList, folder: Path, *, as_json: bool) -> None:
    following = crl.next_update_utc
    if as_json:
        print_json(
            {
                "crl": str(folder / "ca.crl"),
                "signed": True,
                "revoked": len(crl),
                "next_update": iso(following) if following else None,
            }
        )
        return
    print(f"{folder / 'ca.crl'} is signed again: {len(crl)} revoked, valid until {following:%Y-%m-%d}.")
    print("From that day on a gate that has only this list rejects everyone.")
    print("issue, renew and revoke sign it too. For timers:")
    print("  gatekeeper ca crl --if-due")
