"""``gatekeeper ca sign``: sign a request that was made elsewhere."""

import argparse
from datetime import timedelta
from pathlib import Path

from rich.text import Text

from gatekeeper.ca.files import read_file
from gatekeeper.ca.issuer import Issued
from gatekeeper.cli.ca.fields import issued_fields
from gatekeeper.cli.ca.options import current_time, folder_of, grant_of, opened_issuer, wants_json
from gatekeeper.cli.ca.printing import file_of, print_issued_files, print_notes, quoted
from gatekeeper.cli.ca.withdrawal import cancelled_fields, print_cancelled_with
from gatekeeper.cli.terminal import print_json, show
from gatekeeper.invitations.folder import StoredInvitation

# How many of a request's names are listed.
_FEW = 20


def run(args: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    request = read_file(args.request)
    cancelled: list[StoredInvitation] = []
    with opened_issuer(args, cancelled) as issuer:
        issued = issuer.sign(
            request,
            str(args.request),
            grant_of(args),
            name=args.name,
            replace_older=args.replace,
            lifetime=timedelta(days=args.days),
            now=current_time(),
        )
    if wants_json(args):
        print_json(issued_fields(issued) | cancelled_fields(cancelled))
    else:
        _print(issued, cancelled, folder_of(args))
    return 0


def _print(issued: Issued, cancelled: list[StoredInvitation], folder: Path) -> None:
    print(f"The certificate of {issued.entry.name} is valid until {issued.entry.not_after:%Y-%m-%d}.")
    print(f"Its subject is {issued.entry.subject}.")
    print_notes(issued)
    print_cancelled_with(cancelled)
    if issued.not_granted:
        more = f" and {len(issued.not_granted) - _FEW} more" if len(issued.not_granted) > _FEW else ""
        show(Text(f"Asked for and not granted: {', '.join(issued.not_granted[:_FEW])}{more}."))
        print("Routes may decide by such names. To grant them: --ou, --email, --dns, --uri,")
        print("or --as-requested for all.")
    print()
    print_issued_files(issued)
    print()
    print(f"Next: send {file_of(issued, '.crt')} and {folder / 'ca.crt'} to whoever made the request.")
    print("Neither is secret. The key is already there; together they become a bundle:")
    print()
    print(f"  gatekeeper ca p12 {quoted(issued.entry.name)} --key FILE.key --certificate FILE.crt --ca ca.crt")
