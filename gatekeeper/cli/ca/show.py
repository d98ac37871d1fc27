"""``gatekeeper ca show``: describe a certificate, request, CRL, bundle or key, and whether a gate would admit it."""

import argparse
from collections.abc import Iterable
from contextlib import nullcontext
from datetime import datetime
from pathlib import Path

from cryptography import x509
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from gatekeeper.ca.admission import Trust, make_trust
from gatekeeper.ca.files import read_file
from gatekeeper.ca.index import Index, parse_serial
from gatekeeper.ca.inspection import Inspection, inspect_certificate, inspect_file
from gatekeeper.ca.names import AUTHORITY_NAME, same_name
from gatekeeper.ca.store import CRL, Store
from gatekeeper.cli.ca.fields import inspection_fields
from gatekeeper.cli.ca.options import current_time, folder_of, wants_json
from gatekeeper.cli.passphrases import open_password
from gatekeeper.cli.terminal import print_json, show
from gatekeeper.errors import AuthorityError


def run(args: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    now = current_time()
    store = _store_if_any(args)
    with store.opened() if store else nullcontext():
        trust = _trust(store, now) if store else None
        certificate = _certificate(store, store.index(), args.what) if store else None
    if certificate:
        found: tuple[Inspection, ...] = (inspect_certificate(certificate, trust, now),)
    elif Path(args.what).exists():
        found = inspect_file(
            read_file(Path(args.what)),
            args.what,
            trust=trust,
            ask_password=lambda: open_password(args.password_file, args.what),
            now=now,
        )
    else:
        raise AuthorityError(f"{args.what} is neither a name or serial that was issued here, nor a file")
    _print(found, folder_of(args) if store else None, as_json=wants_json(args))
    return 0


def _certificate(store: Store, index: Index, what: str) -> x509.Certificate | None:
    """The newest certificate of a name, the one with a serial number, or (``ca``) the authority's own."""
    if same_name(what, AUTHORITY_NAME):
        return store.certificate()
    if named := index.named(what):
        return store.issued(named[-1])
    return next((store.issued(entry) for entry in index.entries if entry.serial == parse_serial(what)), None)


def _trust(store: Store, now: datetime) -> Trust:
    """The trust of a gate that reads this folder's CRL, even if that is missing or damaged."""
    authority, *also = store.authorities()
    return make_trust(authority, store.folder.read(CRL), also=also, now=now)


def _store_if_any(args: argparse.Namespace) -> Store | None:
    """The authority's folder; None if there is none and ``--dir`` was not given: files can be shown without it."""
    store = Store(folder_of(args))
    return store if "dir" in args or store.exists() else None


def _print(found: Iterable[Inspection], folder: Path | None, *, as_json: bool) -> None:
    found = tuple(found)
    if as_json:
        print_json([inspection_fields(one) for one in found])
        return
    for number, one in enumerate(found):
        if number:
            print()
        _print_one(one)
    if folder is None and any(one.judged is None and "Issuer" in dict(one.facts) for one in found):
        print()
        print("Whether a gate admits it depends on the authority it trusts; name one with --dir.")


def _print_one(one: Inspection) -> None:
    show(Text(one.title, style="bold"))
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for label, value in one.facts:
        table.add_row(Text(f"  {label}"), Text(value))
    show(table)
    if one.judged is not None:
        letting_in = one.judged.reason is None
        answer = "The gate admits it." if letting_in else f"The gate refuses it: {one.judged.reason}."
        show(Text(f"  {answer}", style="green" if letting_in else "red"))
        show(Padding(Text(one.judged.detail), (0, 0, 0, 2)))
    if one.remark:
        show(Padding(Text(one.remark), (0, 0, 0, 2)))
