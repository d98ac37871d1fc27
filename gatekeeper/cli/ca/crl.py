"""``gatekeeper ca crl``: sign the revocation list anew."""

import argparse
from datetime import timedelta
from pathlib import Path

from cryptography import x509

from gatekeeper.ca.index import iso
from gatekeeper.cli.ca.options import current_time, folder_of, opened_issuer, wants_json
from gatekeeper.cli.ca.printing import say
from gatekeeper.cli.terminal import print_json


def run(args: argparse.Namespace) -> int:
    """Carry the command out; the exit code."""
    lifetime = timedelta(days=args.days) if args.days else None
    with opened_issuer(args) as issuer:
        crl = issuer.rewrite_crl(lifetime, now=current_time())
    _print(crl, folder_of(args), as_json=wants_json(args))
    return 0


def _print(crl: x509.CertificateRevocationList, folder: Path, *, as_json: bool) -> None:
    following = crl.next_update_utc
    if as_json:
        print_json(
            {"crl": str(folder / "ca.crl"), "revoked": len(crl), "next_update": iso(following) if following else None}
        )
        return
    say(f"{folder / 'ca.crl'} is signed anew: {len(crl)} revoked, good until {following:%Y-%m-%d}.")
    say("After that day a gate lets nobody in. Each issue, renew and revoke signs it too;")
    say("where these are rare, let cron do it.")
