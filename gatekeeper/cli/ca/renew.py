"""``gatekeeper ca renew``: renew the certificate of a client, a server, or the authority itself."""

import argparse
import sys
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from gatekeeper.ca.authority import AUTHORITY_LIFETIME
from gatekeeper.ca.index import CertificateKind, Entry, Index, shown_names
from gatekeeper.ca.issuer import Issued, Issuer, latest
from gatekeeper.ca.keys import check_key_type
from gatekeeper.ca.names import AUTHORITY_NAME, same_name
from gatekeeper.ca.rollover import renew_authority
from gatekeeper.ca.store import Store
from gatekeeper.cli.ca.fields import authority_fields, issued_fields
from gatekeeper.cli.ca.invite import print_invited
from gatekeeper.cli.ca.issue import print_client
from gatekeeper.cli.ca.link import Destination, Offer, chain_of, create_invitation, not_fetched
from gatekeeper.cli.ca.options import bundle_options, current_time, folder_of, making_a_key, opened_issuer, wants_json
from gatekeeper.cli.ca.printing import print_issued_files, print_notes
from gatekeeper.cli.ca.unfetched import lost, unfetched
from gatekeeper.cli.ca.withdrawal import cancelled_fields, print_cancelled_with
from gatekeeper.cli.terminal import print_json
from gatekeeper.errors import AuthorityError, UsageError
from gatekeeper.invitations.folder import Invitations, StoredInvitation

# How many names a message lists.
_FEW = 10


def run(args: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    lifetime = timedelta(days=args.days) if args.days else None
    if args.expiring is not None or args.old_authority:
        return _invite_many(args, lifetime)
    if args.name is None:
        raise UsageError(
            "say whose certificate to renew: gatekeeper ca renew NAME; or --expiring 30d --invite; "
            "or --old-authority --invite"
        )
    if same_name(args.name, AUTHORITY_NAME):
        with opened_issuer(args) as issuer:
            _say_who_is_tied(issuer.store.tied_to_serial(current_time()))
            certificate = renew_authority(issuer, lifetime=lifetime or AUTHORITY_LIFETIME, now=current_time())
        _print_authority(certificate, folder_of(args), as_json=wants_json(args))
        return 0
    if args.new_key:
        check_key_type(args.new_key)
    if args.invite:
        return _renew_by_invitation(args, lifetime)
    options = bundle_options(args)
    cancelled: list[StoredInvitation] = []
    with opened_issuer(args, cancelled) as issuer, making_a_key(args.new_key) if args.new_key else nullcontext():
        issued = issuer.renew(
            args.name,
            bundle=options,
            new_key_type=args.new_key,
            keep_old=args.keep_old,
            lifetime=lifetime,
            now=current_time(),
        )
    if wants_json(args):
        print_json(issued_fields(issued) | cancelled_fields(cancelled))
        return 0
    _print(issued, compat=args.compat)
    print_cancelled_with(cancelled)
    return 0


def _say_who_is_tied(names: tuple[str, ...]) -> None:
    """Called before anything is written. On stderr, because JSON goes to stdout."""
    if not names:
        return
    some = ", ".join(names[:_FEW]) + (" …" if len(names) > _FEW else "")
    print(
        f"The certificates of {some} name the authority by its serial number, which its new certificate does not "
        "have.\nThe gate accepts them all the same; nginx and other programs with OpenSSL will not: give each a new "
        "certificate (gatekeeper ca renew NAME), or keep the old ca.crt beside the new one there.",
        file=sys.stderr,
    )


def _invite_many(args: argparse.Namespace, lifetime: timedelta | None) -> int:
    """Invite each client that the options select and whose key is kept here; list the others."""
    if args.name is not None or not args.invite:
        option = "--old-authority" if args.old_authority else "--expiring"
        raise UsageError(f"{option} goes with --invite, and without a NAME")
    with opened_issuer(args) as issuer:
        destination, index = Destination(args), issuer.store.index()
        folder = destination.folder()
        if args.old_authority:
            selected, waiting = _on_old_authority(index, folder)
        else:
            selected, waiting = _expiring(index, folder, args.expiring), ()
        for entry in selected:
            if entry.kind is CertificateKind.CLIENT and entry.holds_key:
                args.name = entry.name
                _invite_again(issuer, args, destination, lifetime)
    if not wants_json(args):
        _say_who_is_not_invited(selected, waiting, old_authority=args.old_authority)
    return 0


def _expiring(index: Index, folder: Invitations, within_days: float) -> tuple[Entry, ...]:
    """The clients whose certificate expires within this time, except those whose renewal waits to be fetched."""
    waiting = {one.invitation.serial for one in folder.all() if one.state.alive}
    found = index.expiring(timedelta(days=within_days), current_time())
    return tuple(one for one in found if one.kind is CertificateKind.CLIENT and one.serial_hex not in waiting)


def _on_old_authority(index: Index, folder: Invitations) -> tuple[tuple[Entry, ...], tuple[Entry, ...]]:
    """The clients and servers that `ca retire` would lock out: those to be invited, and those who are already.

    AuthorityError if there is no old authority.
    """
    if not index.retiring:
        raise AuthorityError("there is no old authority: no rollover is under way")
    now = current_time()
    selected = index.on_retiring(now, lost(folder, now))
    every = index.on_retiring(now, unfetched(folder, now))
    return selected, tuple(one for one in every if one not in selected)


def _say_who_is_not_invited(selected: tuple[Entry, ...], waiting: tuple[Entry, ...], *, old_authority: bool) -> None:
    keep = [one.name for one in selected if one.kind is CertificateKind.CLIENT and not one.holds_key]
    servers = [one.name for one in selected if one.kind is not CertificateKind.CLIENT]
    if keep:
        how = "gatekeeper enroll --renew --force" if old_authority else "gatekeeper enroll --renew"
        print(f"These keep their own key, and renew by {how}: {', '.join(keep)}")
    if servers:
        print(f"These are servers; renew each by gatekeeper ca renew NAME: {', '.join(servers)}")
    if waiting:
        print(f"These were invited before, and have not fetched their certificate yet: {shown_names(waiting)}")
    elif old_authority and not selected:
        print("Nobody is left on the old authority. Retire it: gatekeeper ca retire")


def _renew_by_invitation(args: argparse.Namespace, lifetime: timedelta | None) -> int:
    with opened_issuer(args) as issuer:
        return _invite_again(issuer, args, Destination(args), lifetime)


def _invite_again(
    issuer: Issuer, args: argparse.Namespace, destination: Destination, lifetime: timedelta | None
) -> int:
    """Renew and invite. The old certificate is not revoked, because the client may fetch the new one with it."""
    folder, gate, options = destination.folder(), destination.gate(), bundle_options(args)
    with issuer.store.opened():
        replaces = _replaced(issuer.store, folder, args.name)
        with making_a_key(args.new_key) if args.new_key else nullcontext():
            issued = issuer.renew(
                args.name,
                bundle=options,
                new_key_type=args.new_key,
                keep_old=True,
                lifetime=lifetime,
                now=current_time(),
            )
    offer = Offer(
        issued,
        issued.password or options.password or "",
        chain_of(issuer, issued),
        replaces,
        issuer.anchor(tuple(args.trust), now=current_time()) if args.trust else None,
    )
    one = create_invitation(folder, gate, offer, timedelta(seconds=args.valid))
    print_invited(issued, one, issued.password, args)
    return 0


def _replaced(store: Store, folder: Invitations, name: str) -> str:
    """The SHA-256 of the certificate with which the client fetches the new one."""
    old = latest(store.index(), name)
    if old.kind is not CertificateKind.CLIENT or not old.holds_key:
        raise AuthorityError(
            f"the key of {old.name} is not kept here, or is a server's; for a computer that keeps its own: "
            f"gatekeeper ca invite {old.name} --csr, then gatekeeper ca approve {old.name} --replace"
        )
    # A renewal that was not fetched is replaced itself: its client still presents the one before.
    return not_fetched(folder, old.serial_hex) or store.issued(old).fingerprint(SHA256()).hex()


def _print(issued: Issued, *, compat: bool) -> None:
    if issued.entry.kind is CertificateKind.CLIENT and any(path.suffix == ".p12" for path in issued.files):
        print_client(issued, compat=compat)
        return
    print(f"{issued.entry.name} has a new certificate, valid until {issued.entry.not_after:%Y-%m-%d}.")
    print_notes(issued)
    print()
    print_issued_files(issued)
    print()
    if issued.entry.kind is CertificateKind.CLIENT:
        print(f"Next: send {issued.files[0]} to whoever keeps the key.")
    else:
        print("Next: nothing, if the server reads these files; gatekeeper notices by itself.")


def _print_authority(certificate: x509.Certificate, folder: Path, *, as_json: bool) -> None:
    if as_json:
        print_json(authority_fields(certificate, folder))
        return
    print(f"{folder / 'ca.crt'} is renewed until {certificate.not_valid_after_utc:%Y-%m-%d}, with the same key.")
    print("Every certificate that it signed stays valid.")
    print("Next: give the new ca.crt to every gate that has a copy.")
