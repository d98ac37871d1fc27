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
from gatekeeper.cli.terminal import print_json, show

# How many of a request's names are listed.
_FEW = 20


def run(args: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    request = read_file(args.request)
    with opened_issuer(args) as issuer:
        issued = issuer.sign(
            request,
            str(args.request),
            grant_of(args),
            name=args.name,
            as_requested=args.as_requested,
            replace_older=args.replace,
            lifetime=timedelta(days=args.days),
            now=current_time(),
        )
    _print(issued, folder_of(args), as_json=wants_json(args))
    return 0


def _print(issued: Issued, folder: Path, *, as_json: bool) -> None:
    if as_json:
        print_json(issued_fields(issued))
        return
    print(f"{issued.entry.name} can sign in until {issued.entry.not_after:%Y-%m-%d}, as {issued.entry.subject}.")
    print_notes(issued)
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
