"""``gatekeeper ca revoke``: revoke certificates."""

import argparse
from pathlib import Path

from cryptography import x509

from gatekeeper.ca.authority import is_signed_by
from gatekeeper.ca.files import read_certificate_pem, read_file
from gatekeeper.ca.index import Index, parse_serial
from gatekeeper.ca.revocation import RevocationReason
from gatekeeper.ca.store import ISSUED, Store
from gatekeeper.ca.subject import common_name
from gatekeeper.cli.ca.options import current_time, folder_of, opened_issuer, wants_json
from gatekeeper.cli.ca.withdrawal import cancelled_fields, print_cancelled_with
from gatekeeper.cli.terminal import print_json
from gatekeeper.errors import AuthorityError
from gatekeeper.gate.certificate import serial_hex
from gatekeeper.invitations.folder import StoredInvitation


def run(args: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    cancelled: list[StoredInvitation] = []
    with opened_issuer(args, cancelled) as issuer:
        serials = _serials(args, issuer.store)
        issuer.revoke(serials, RevocationReason(args.reason), now=current_time())
        index = issuer.store.index()
    _print(index, serials, cancelled, folder_of(args), as_json=wants_json(args))
    return 0


def _serials(args: argparse.Namespace, store: Store) -> tuple[int, ...]:
    """The serial numbers to revoke: all certificates of a name that are in force, or the one of a serial number or
    file.
    """
    index = store.index()
    serial = parse_serial(args.what)
    issued = {entry.serial for entry in index.entries}
    if named := index.named(args.what):
        serials = tuple(entry.serial for entry in index.in_force(args.what, current_time()))
        if serial in issued:
            raise AuthorityError(
                f"{args.what} is both a name and the serial of another certificate; revoke one of them by its file: "
                f"{store.path / ISSUED}/SERIAL.crt"
            )
        if not serials:
            raise AuthorityError(f"{named[-1].name} has no certificate in force; nothing was revoked")
        return serials
    if Path(args.what).is_file():
        return (_serial_of_file(Path(args.what), store.authorities()),)
    if serial is None:
        raise AuthorityError(f"{args.what} is neither a name nor a serial that was issued here, nor a file")
    if not args.unlisted and serial not in issued:
        raise AuthorityError(
            f"no certificate with serial {args.what} was issued here; if openssl did, give its file, or add --unlisted"
        )
    return (serial,)


def _serial_of_file(path: Path, authorities: tuple[x509.Certificate, ...]) -> int:
    certificate = read_certificate_pem(read_file(path), str(path))
    if not any(is_signed_by(certificate, authority) for authority in authorities):
        raise AuthorityError(
            f"{path} was not signed by {common_name(authorities[0].subject)}, so it is not ours to revoke"
        )
    return certificate.serial_number


def _print(
    index: Index, serials: tuple[int, ...], cancelled: list[StoredInvitation], folder: Path, *, as_json: bool
) -> None:
    if as_json:
        serials_hex = [serial_hex(serial) for serial in serials]
        print_json({"revoked": serials_hex, **cancelled_fields(cancelled), "crl": str(folder / "ca.crl")})
        return
    for serial in serials:
        entry = next((entry for entry in index.entries if entry.serial == serial), None)
        print(f"{entry.name if entry else 'A certificate'} ({serial_hex(serial)}) is revoked.")
    print_cancelled_with(cancelled)
    print()
    print(f"{folder / 'ca.crl'} is signed again. A gate that reads it there notices by itself;")
    print("give the new list to one that has a copy.")
