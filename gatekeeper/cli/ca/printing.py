"""Output that several commands share: files and their purpose, passwords, import instructions."""

import json
import shlex
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding
from rich.table import Table
from rich.text import Text

from gatekeeper.ca.issuer import Issued
from gatekeeper.cli.terminal import show

PEM = Encoding.PEM


_IMPORT = (
    ("Windows", "Chrome and Edge: double-click the file, keep Current User, let Windows choose the store."),
    ("macOS", "Safari and Chrome: double-click the file; it goes into the login keychain."),
    (
        "Linux",
        "Chrome: chrome://certificate-manager (older: chrome://settings/certificates), Your certificates, Import.",
    ),
    ("Firefox", "Everywhere: Settings, Privacy & Security, View Certificates, Your Certificates, Import."),
    ("iOS", "AirDrop or mail the file to the device, open it, then Settings, Profile Downloaded, Install."),
    ("Android", "Settings, Security, Encryption & credentials, Install a certificate, VPN & app user certificate."),
)


def print_notes(issued: Issued) -> None:
    """Print warnings and side effects of issuing a certificate."""
    if issued.shortened:
        print("The authority itself expires then. Create the next one: gatekeeper ca rollover")
    for entry in issued.superseded:
        print(f"The previous certificate ({entry.serial_hex}) is revoked.")


def show_password(path: Path, password: str | None) -> None:
    """Print a password that was generated here."""
    if password is None:
        return
    print()
    show(Text(f"Password of {path.name}: ").append(password, style="bold"))
    print("It is shown once and stored nowhere. Send it through another channel.")


def how_to_import(bundle: Path, *, compat: bool) -> None:
    """Print how a bundle is imported on each platform, and used with curl."""
    print()
    print(f"Next: bring {bundle.name} to the device and import it there.")
    print()
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column()
    for where, how in _IMPORT:
        table.add_row(f"  {where}", Text(how))
    show(table)
    print()
    # On standard input: arguments are visible in the list of processes until curl has overwritten them.
    print("  echo 'pass=\"PASSWORD\"' |")
    print(f"  curl -K - --cert-type P12 --cert {quoted(bundle)} https://your.host/")
    if not compat:
        print()
        print("A device that rejects the correct password needs the older form:")
        print()
        print(f"  {command(bundle.parent)} p12 {quoted(bundle.stem)} --compat")


def describe_file(path: Path) -> str:
    """The purpose of an issued file, in a few words."""
    return {
        ".p12": "the bundle to import: key and certificate in one file",
        ".crt": "the certificate",
        ".key": "the private key, under the authority's passphrase",
        ".csr": "the request, for renewals",
    }[path.suffix]


def file_order(path: Path) -> int:
    """The sort key of an issued file: what the operator needs first comes first."""
    return (".p12", ".crt", ".key", ".csr").index(path.suffix)


def file_of(issued: Issued, suffix: str) -> Path:
    """The issued file with this suffix."""
    return next(path for path in issued.files if path.suffix == suffix)


def print_issued_files(issued: Issued) -> None:
    """Print the issued files, sorted by `file_order`."""
    print_files(*((path, describe_file(path)) for path in sorted(issued.files, key=file_order)))


def print_files(*lines: tuple[Path, str]) -> None:
    """Print paths with a description; on two lines where one would be wider than 80 columns."""
    width = max(len(str(path)) for path, _ in lines)
    for path, what in lines:
        if width + 2 + max(len(what) for _, what in lines) + 2 <= 80:
            print(f"  {path!s:{width}}  {what}")
        else:
            print(f"  {path}")
            print(f"      {what}")


def print_configuration(table: str, files: Mapping[str, Path]) -> None:
    """Print the keys of a table of ``gatekeeper.toml`` that name these files. Relative paths start at its folder, so
    they are as they were given if it is written here.
    """
    relative = not any(path.is_absolute() for path in files.values())
    print(f"Next: configure the gate, in gatekeeper.toml{' in this folder' if relative else ''}:")
    print()
    print(f"  [{table}]")
    for key, path in files.items():
        print(f"  {key} = {json.dumps(str(path), ensure_ascii=False)}")
    print()


def command(folder: Path) -> str:
    """The command line of ``gatekeeper ca`` for this folder."""
    return f"gatekeeper ca --dir {quoted(folder)}"


def quoted(word: object) -> str:
    """A word quoted for the shell."""
    return shlex.quote(str(word))
