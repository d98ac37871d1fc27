"""``gatekeeper ca list``: what was issued, and what is about to run out."""

import argparse
from collections.abc import Collection, Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from rich.table import Table
from rich.text import Text

from gatekeeper.ca.index import CertificateKind, Entry, Index, Status
from gatekeeper.ca.store import Store
from gatekeeper.cli.ca.fields import days_left, entry_fields, unlisted_fields
from gatekeeper.cli.ca.options import current_time, folder_of, wants_json
from gatekeeper.cli.ca.unfetched import known_unfetched
from gatekeeper.cli.terminal import print_json, show
from gatekeeper.errors import ConfigurationError, InvitationError

_COLOURS = {
    Status.VALID: "green",
    Status.NOT_YET_VALID: "yellow",
    Status.EXPIRED: "yellow",
    Status.REVOKED: "red",
    Status.RETIRED: "red",
}

# Warn from this time before the CRL expires.
_CRL_SOON = timedelta(days=7)
# Warn from this time before the authority expires: every device needs a certificate of the next one by then.
_AUTHORITY_SOON = timedelta(days=365)


def run(args: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    store = Store(folder_of(args))
    within = None if args.expiring is None else timedelta(days=args.expiring)
    with store.opened():
        index, authority, crl = store.index(), store.certificate(), store.crl()
    now = current_time()
    lines = (*_warnings(authority, crl, now), *_rollover(index, _unfetched(args, now), now))
    _print(index, lines, now, within=within, as_json=wants_json(args))
    return 0


def _unfetched(args: argparse.Namespace, now: datetime) -> frozenset[str] | None:
    """None if it is not known: the list is printed in any case."""
    with suppress(ConfigurationError, InvitationError):
        return known_unfetched(args, now)
    return None


def _print(index: Index, lines: Iterable[str], now: datetime, *, within: timedelta | None, as_json: bool) -> None:
    """``list``: the table, and below it what has to be done soon."""
    entries = [entry for entry in index.entries if within is None or _ends_within(index, entry, now, within)]
    unlisted = unlisted_fields(index) if within is None else []
    if as_json:
        print_json([entry_fields(index, entry, now) for entry in entries] + unlisted)
        return
    if entries or unlisted:
        show(_table(index, entries, unlisted, now), at_least=80)
        if entries and within is not None:
            show(Text("Renew each before it expires: gatekeeper ca renew NAME"))
    elif within is not None:
        print(f"No certificate expires before {now + within:%Y-%m-%d}.")
    else:
        print("Nothing was issued yet.")
    for line in lines:
        show(Text(line, style="yellow"))


def _table(index: Index, entries: list[Entry], unlisted: list[dict[str, Any]], now: datetime) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("Name", overflow="fold")
    table.add_column("Serial", no_wrap=True)
    table.add_column("Status", no_wrap=True)
    table.add_column("Until", no_wrap=True)
    table.add_column("Days", justify="right", no_wrap=True)
    for entry in entries:
        status = index.status(entry, now)
        days = str(days_left(entry, now)) if status in (Status.VALID, Status.NOT_YET_VALID) else ""
        name = entry.name if entry.kind is CertificateKind.CLIENT else f"{entry.name} (server)"
        name += " (old authority)" if index.retiring and entry.authority == index.retiring else ""
        table.add_row(
            Text(name), entry.serial_hex, Text(status, style=_COLOURS[status]), f"{entry.not_after:%Y-%m-%d}", days
        )
    for line in unlisted:
        table.add_row("(not from here)", line["serial"], Text("revoked", style="red"), "", "")
    return table


def _warnings(authority: x509.Certificate, crl: x509.CertificateRevocationList, now: datetime) -> Iterable[str]:
    due = crl.next_update_utc
    if due is not None and due - now < _CRL_SOON:
        when = f"expired on {due:%Y-%m-%d}: gates admit nobody" if due <= now else f"expires on {due:%Y-%m-%d}"
        yield f"The revocation list {when}. Sign it again: gatekeeper ca crl"
    left = authority.not_valid_after_utc - now
    if left < timedelta(days=30):
        when = "has expired" if left <= timedelta() else f"expires on {authority.not_valid_after_utc:%Y-%m-%d}"
        yield f"The authority's own certificate {when}, and every certificate with it. Now: gatekeeper ca renew ca"
    elif left < _AUTHORITY_SOON:
        end = f"{authority.not_valid_after_utc:%Y-%m-%d}"
        yield f"The authority expires on {end}. Create the next one: gatekeeper ca rollover"


def _rollover(index: Index, waiting: Collection[str] | None, now: datetime) -> Iterable[str]:
    if not index.retiring:
        return
    left = index.on_retiring(now, waiting or ())
    both = index.keeping_both(now) if waiting is None else ()
    if left:
        yield (
            f"{len(left)} still on the old authority: give each a new certificate (gatekeeper ca renew NAME, or "
            "--old-authority --invite), then gatekeeper ca retire"
        )
    elif both:
        yield (
            f"{len(both)} have a new certificate beside the old one; gatekeeper ca list --invitations FOLDER tells who "
            "has fetched it. Then: gatekeeper ca retire"
        )
    else:
        yield "No client is left on the old authority. Retire it: gatekeeper ca retire"


def _ends_within(index: Index, entry: Entry, now: datetime, within: timedelta) -> bool:
    return index.status(entry, now) is Status.VALID and entry.not_after - now <= within
