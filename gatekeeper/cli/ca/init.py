"""``gatekeeper ca init``: create an authority, or adopt an existing one."""

import argparse
from datetime import timedelta
from pathlib import Path

from cryptography import x509

from gatekeeper.ca.creation import (
    AuthorityFiles,
    NewAuthority,
    adopt_store,
    check_passphrase,
    create_store,
    must_be_free,
)
from gatekeeper.ca.files import read_file
from gatekeeper.ca.keys import check_key_type, check_new_passphrase, key_is_encrypted
from gatekeeper.ca.requests import check_common_name
from gatekeeper.ca.store import KEY
from gatekeeper.ca.subject import common_name
from gatekeeper.cli.ca.argument_types import MAX
from gatekeeper.cli.ca.fields import authority_fields
from gatekeeper.cli.ca.options import current_time, folder_of, making_a_key, passphrase_file, wants_json
from gatekeeper.cli.ca.printing import command, print_configuration, print_files
from gatekeeper.cli.passphrases import existing_passphrase, new_passphrase
from gatekeeper.cli.terminal import print_json
from gatekeeper.errors import UsageError
from gatekeeper.gate.names import rfc2253


def run(args: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    folder, now = folder_of(args), current_time()
    crl_lifetime = timedelta(days=args.crl_days) if args.crl_days != MAX else None
    # Checked before the operator types a passphrase.
    must_be_free(folder, adopted=bool(args.adopt))
    if args.adopt:
        certificate, key = args.adopt
        if key_is_encrypted(read_file(key)):
            passphrase = existing_passphrase(passphrase_file(args), str(key))
        else:
            passphrase = new_passphrase(passphrase_file(args), str(key), check_passphrase)
        store = adopt_store(
            folder, AuthorityFiles(certificate, key, args.crl), passphrase, crl_lifetime=crl_lifetime, now=now
        )
    elif args.crl:
        raise UsageError("--crl belongs to --adopt; a new authority has revoked nothing")
    else:
        check_key_type(args.key)
        check_common_name(args.cn)
        passphrase = new_passphrase(passphrase_file(args), str(folder / KEY), check_new_passphrase)
        with making_a_key(args.key):
            store = create_store(
                folder,
                NewAuthority(args.cn, args.key, timedelta(days=args.days)),
                passphrase,
                crl_lifetime=crl_lifetime,
                now=now,
            )
    with store.opened():
        certificate, crl = store.certificate(), store.crl()
    _print(certificate, crl, folder, adopted=bool(args.adopt), as_json=wants_json(args))
    return 0


def _print(
    certificate: x509.Certificate,
    crl: x509.CertificateRevocationList,
    folder: Path,
    *,
    adopted: bool,
    as_json: bool,
) -> None:
    if as_json:
        print_json(authority_fields(certificate, folder))
        return
    name = common_name(certificate.subject) or rfc2253(certificate.subject)
    done = "adopted" if adopted else "created"
    print(f"{name} is {done}. It can sign until {certificate.not_valid_after_utc:%Y-%m-%d}.")
    print()
    print_files(
        (folder / "ca.crt", "its certificate: give this one to the gate"),
        (folder / "ca.crl", "the revocation list, empty so far: for the gate too"),
        (folder / "ca.key", "its private key, encrypted: keep it, and its passphrase, safe"),
        (folder / "index.json", "what it issued and revoked; back it up with the key"),
    )
    print()
    print_configuration("client_auth", {"ca": folder / "ca.crt", "crl": folder / "ca.crl"})
    print("and issue a certificate for the first person or device:")
    print()
    print(f"  {command(folder)} issue alice")
    print()
    for line in _maintenance_schedule(certificate, crl, folder):
        print(line)


def _maintenance_schedule(
    certificate: x509.Certificate, crl: x509.CertificateRevocationList, folder: Path
) -> tuple[str, ...]:
    """What the operator must do and when, so that nobody is locked out."""
    end, listed = certificate.not_valid_after_utc, crl.next_update_utc or certificate.not_valid_after_utc
    rollover = end - (end - certificate.not_valid_before_utc) / 5
    if listed >= end:
        first = "The revocation list is valid as long as the authority: no timer is needed."
    else:
        first = (
            f"The revocation list is valid until {listed:%Y-%m-%d}; after that, a gate rejects everyone.\n"
            f"Run this every day, by a timer:\n  {command(folder)} crl --if-due"
        )
    return (
        *first.splitlines(),
        "Each certificate must be renewed before it expires (one year); once a month, run",
        f"  {command(folder)} list --expiring 30d",
        f"Before {rollover:%Y-%m-%d} create the next authority, so that devices can move to it:",
        f"  {command(folder)} rollover",
    )
