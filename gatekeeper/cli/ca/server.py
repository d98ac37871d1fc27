"""``gatekeeper ca server``: generate key and certificate for a server that has no public one."""

import argparse
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

from gatekeeper.ca.issuer import Issued
from gatekeeper.ca.keys import check_key_type
from gatekeeper.cli.ca.fields import issued_fields
from gatekeeper.cli.ca.options import current_time, folder_of, making_a_key, opened_issuer, wants_json
from gatekeeper.cli.ca.printing import file_of, print_configuration, print_files, print_notes, quoted
from gatekeeper.cli.terminal import print_json
from gatekeeper.errors import UsageError


def run(args: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    hosts = (*args.dns, *args.ip) or (args.name,)
    for address in args.ip:
        _check_address(address)
    check_key_type(args.key)
    with opened_issuer(args) as issuer, making_a_key(args.key):
        issued = issuer.issue_server(
            args.name, hosts, key_type=args.key, lifetime=timedelta(days=args.days), now=current_time()
        )
    _print(issued, hosts, folder_of(args), as_json=wants_json(args))
    return 0


def _check_address(text: str) -> None:
    try:
        ip_address(text)
    except ValueError:
        raise UsageError(f"--ip takes an address, not {text!r}; for a host name: --dns") from None


def _print(issued: Issued, hosts: tuple[str, ...], folder: Path, *, as_json: bool) -> None:
    if as_json:
        print_json(issued_fields(issued))
        return
    print(f"The certificate for {', '.join(hosts)} is created, valid until {issued.entry.not_after:%Y-%m-%d}.")
    print_notes(issued)
    print()
    certificate, key = file_of(issued, ".crt"), file_of(issued, ".key")
    print_files((certificate, "the certificate"), (key, "its private key, NOT encrypted: the server starts with it"))
    print()
    print_configuration("server", {"certificate": certificate, "key": key})
    print("Browsers do not know this authority, and warn; for curl:")
    print()
    print(f"  curl --cacert {quoted(folder / 'ca.crt')} https://{hosts[0]}/")
