"""``gatekeeper ca p12``: write a client's bundle again, here or on the device that keeps the key."""

import argparse
from pathlib import Path

from gatekeeper.ca.bundle import make_bundle, make_password
from gatekeeper.ca.files import read_certificates, read_file
from gatekeeper.ca.folder import SECRET, Content, write_over
from gatekeeper.ca.keys import key_is_encrypted, load_key
from gatekeeper.ca.names import check_name
from gatekeeper.cli.ca.options import bundle_options, current_time, opened_issuer, passphrase_file, wants_json
from gatekeeper.cli.ca.printing import how_to_import, show_password
from gatekeeper.cli.passphrases import bundle_password, existing_passphrase
from gatekeeper.cli.terminal import print_json
from gatekeeper.errors import AuthorityError, UsageError


def run(args: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    if args.key or args.certificate:
        return _p12_of_files(args)
    options = bundle_options(args)
    with opened_issuer(args) as issuer:
        issued = issuer.bundle(args.name, options, now=current_time())
    _print(issued.files[0], issued.password, issued.entry.name, compat=args.compat, as_json=wants_json(args))
    return 0


def _p12_of_files(args: argparse.Namespace) -> int:
    """Make a bundle from files, on the device that keeps the key; no authority is needed."""
    if not (args.key and args.certificate):
        raise UsageError("--key and --certificate belong together")
    path = args.key.with_name(f"{check_name(args.name)}.p12")
    pem = read_file(args.key)
    passphrase = existing_passphrase(passphrase_file(args), str(args.key)) if key_is_encrypted(pem) else None
    key = load_key(pem, passphrase, str(args.key))
    certificate, *above = read_certificates(read_file(args.certificate), str(args.certificate))
    if key.public_key() != certificate.public_key():
        raise AuthorityError(f"{args.key} is not the key of {args.certificate}")
    if args.ca:
        above += read_certificates(read_file(args.ca), str(args.ca))
    chain = [one for one in dict.fromkeys(above) if one != certificate]
    given = bundle_password(args.password_file, ask=args.ask_password, what=str(path))
    password = make_password() if given is None else given
    octets = make_bundle(key, certificate, chain, password, friendly_name=args.name, compat=args.compat)
    write_over(path, Content(octets, SECRET))
    _print(path, password if given is None else None, args.name, compat=args.compat, as_json=wants_json(args))
    return 0


def _print(path: Path, password: str | None, name: str, *, compat: bool, as_json: bool) -> None:
    if as_json:
        print_json({"name": name, "files": [str(path)], "password": password})
        return
    print(f"{path} is written, in the {'older form (3DES, SHA-1)' if compat else 'modern form (AES-256, SHA-256)'}.")
    show_password(path, password)
    how_to_import(path, compat=compat)
