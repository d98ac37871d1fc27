"""``gatekeeper ca invite``: send a certificate as a link."""

import argparse
import os
import shutil
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from rich.text import Text

from gatekeeper.ca.index import Index, iso
from gatekeeper.ca.issuer import Issued
from gatekeeper.ca.keys import check_key_type
from gatekeeper.ca.names import check_name
from gatekeeper.ca.revocation import RevocationReason
from gatekeeper.ca.store import Store
from gatekeeper.cli.ca.fields import issued_fields
from gatekeeper.cli.ca.invitations import cancel, print_cancelled, print_invitations
from gatekeeper.cli.ca.link import Destination, NewInvitation, Offer, chain_of, create_csr_invitation, create_invitation
from gatekeeper.cli.ca.options import (
    bundle_options,
    current_time,
    folder_of,
    issue_client,
    next_command,
    opened_issuer,
    wants_json,
)
from gatekeeper.cli.ca.printing import print_notes
from gatekeeper.cli.qr import code_width, half_blocks
from gatekeeper.cli.terminal import print_json, show
from gatekeeper.errors import UsageError
from gatekeeper.gate.routes import ME
from gatekeeper.invitations.folder import Invitations, StoredInvitation
from gatekeeper.invitations.token import INVITE


def run(args: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    destination = Destination(args)
    if args.list:
        print_invitations(destination.folder(), as_json=wants_json(args))
        return 0
    if args.cancel:
        return _cancel(args, destination.folder())
    if args.name is None:
        raise UsageError("say whom to invite: gatekeeper ca invite NAME; or --list, or --cancel NAME")
    check_name(args.name)
    if args.csr and args.trust:
        raise UsageError("--trust is for devices with a browser; a computer gets the authority by --cacert")
    if args.csr:
        one = create_csr_invitation(destination.folder(), destination.gate(), args.name, timedelta(seconds=args.valid))
        _print_invited_computer(one, args)
        return 0
    check_key_type(args.key)
    # Check everything before anything is issued.
    folder, gate, options = destination.folder(), destination.gate(), bundle_options(args)
    with opened_issuer(args) as issuer:
        anchor = issuer.anchor(tuple(args.trust), now=current_time()) if args.trust else None
        issued = issue_client(issuer, args, options)
        chain = chain_of(issuer, issued)
    password = issued.password or options.password or ""
    offer = Offer(issued, password, chain, anchor=anchor)
    one = create_invitation(folder, gate, offer, timedelta(seconds=args.valid))
    made = issued.password is not None
    print_invited(issued, one, password if made else None, args)
    return 0


def _cancel(args: argparse.Namespace, invitations: Invitations) -> int:
    """Delete the files first, which needs no passphrase; then revoke the certificates, as they may be in use."""
    cancelled = cancel(invitations, args.cancel)
    store = Store(folder_of(args))
    revoked = _in_force(store.index(), cancelled) if store.exists() else ()
    if revoked:
        with opened_issuer(args) as issuer:
            issuer.revoke(revoked, RevocationReason.UNSPECIFIED, now=current_time())
    print_cancelled(cancelled, revoked, as_json=wants_json(args))
    return 0


def _in_force(index: Index, cancelled: Iterable[StoredInvitation]) -> tuple[int, ...]:
    """The serial numbers of the certificates in these invitations that a gate would admit."""
    wanted = {one.invitation.serial for one in cancelled}
    names = {one.invitation.name for one in cancelled}
    entries = (entry for name in names for entry in index.in_force(name, current_time()))
    return tuple(entry.serial for entry in entries if entry.serial_hex in wanted)


def _print_invited_computer(one: NewInvitation, args: argparse.Namespace) -> None:
    """Print the link of ``--csr``, and the two commands that follow."""
    name, ends = one.invitation.name, datetime.fromtimestamp(one.invitation.ends, UTC)
    if wants_json(args):
        print_json({"name": name, "link": one.link, "link_ends": iso(ends)})
        return
    print(f"{name} is invited, until {ends:%Y-%m-%d %H:%M} UTC. Run on that computer, which generates its own key:")
    print()
    print(f"  gatekeeper enroll {one.link}")
    print()
    print("It prints the fingerprint of its key and waits. Then run here, and compare it:")
    print()
    print(f"  {next_command(args, 'approve', name)}")


def print_invited(issued: Issued, one: NewInvitation, password: str | None, args: argparse.Namespace) -> None:
    """Print what is to be sent: the link, its QR code, and the password unless it was given."""
    ends = datetime.fromtimestamp(one.invitation.ends, UTC)
    if wants_json(args):
        print_json(issued_fields(issued) | {"link": one.link, "link_ends": iso(ends), "password": password})
        return
    name = issued.entry.name
    print(f"{name} is invited. The certificate is valid until {issued.entry.not_after:%Y-%m-%d}.")
    print_notes(issued)
    print()
    has_code = args.qr or sys.stdout.isatty()
    if has_code:
        _print_code(one.link)
    print(one.link)
    print()
    how = "Show the code to the camera, or send the link." if has_code else "Send it to the person."
    print(f"The link works once, until {ends:%Y-%m-%d %H:%M} UTC. {how}")
    if one.invitation.replaces:
        gate = one.link.partition(INVITE.decode())[0]
        print(f"A browser with the previous certificate needs no link: {gate}{ME.decode()}")
        print("The previous one is not revoked; it is valid until it expires.")
    if password is not None:
        show(Text("Password of the certificate: ").append(password, style="bold"))
        print("It is shown once and stored nowhere. Send it through another channel.")
    print()
    print(f"To cancel it: {next_command(args, 'invite', '--cancel', name)}")


def _print_code(text: str) -> None:
    terminal = sys.stdout.isatty()
    lines = half_blocks(text, colour=terminal and os.environ.get("TERM") != "dumb")
    try:
        "▀▄█".encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        print("(This terminal cannot show a QR code: it is not set to UTF-8.)\n")
        return
    width = code_width(text)
    if terminal and shutil.get_terminal_size().columns < width:
        print(f"(This terminal is too narrow for the QR code, which takes {width} columns.)\n")
        return
    print(*lines, "", sep="\n")
