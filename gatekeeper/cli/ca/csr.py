"""``gatekeeper ca csr``: generate a key and a request, on the device that keeps the key."""

import argparse
from pathlib import Path

from gatekeeper.ca.folder import PUBLIC, SECRET, Content, write_new, write_over
from gatekeeper.ca.keys import check_key_type, check_new_passphrase, key_pem, make_key
from gatekeeper.ca.names import check_name
from gatekeeper.ca.requests import make_request
from gatekeeper.cli.ca.options import grant_of, making_a_key, passphrase_file, wants_json
from gatekeeper.cli.ca.printing import PEM, print_files, quoted
from gatekeeper.cli.passphrases import new_passphrase
from gatekeeper.cli.terminal import print_json
from gatekeeper.errors import AuthorityError


def run(args: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    name = check_name(args.name)
    subject = grant_of(args).subject(name)
    key_path, request_path = args.out / f"{name}.key", args.out / f"{name}.csr"
    _must_not_exist(key_path)
    check_key_type(args.key)
    passphrase = None
    if not args.no_passphrase:
        passphrase = new_passphrase(passphrase_file(args), str(key_path), check_new_passphrase)
    with making_a_key(args.key):
        key = make_key(args.key)
    request = make_request(key, subject)
    write_new(key_path, Content(key_pem(key, passphrase), SECRET))
    write_over(request_path, Content(request.public_bytes(PEM), PUBLIC))
    _print(name, key_path, request_path, encrypted=passphrase is not None, as_json=wants_json(args))
    return 0


def _print(name: str, key: Path, request: Path, *, encrypted: bool, as_json: bool) -> None:
    if as_json:
        print_json({"name": name, "files": [str(key), str(request)]})
        return
    print(f"A key and a request for {name} are created.")
    print()
    protection = "encrypted" if encrypted else "NOT encrypted"
    print_files(
        (key, f"the private key, {protection}: it stays on this device"), (request, "the request: send this one")
    )
    print()
    print("Next: send the request to whoever runs the authority, who signs it with")
    print()
    print(f"  gatekeeper ca sign {request.name}")
    print()
    print("and sends a certificate back. Then make the bundle for browsers:")
    print()
    print(f"  gatekeeper ca p12 {quoted(name)} --key {quoted(key)} --certificate {quoted(key.with_suffix('.crt'))}")


def _must_not_exist(path: Path) -> None:
    if path.exists():
        raise AuthorityError(f"{path} exists already, and a key cannot be recovered; move it away first")
