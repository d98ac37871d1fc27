"""What ``gatekeeper ca`` prints: what was made, where it lies, until when it holds, and what to do next."""

import json
import shlex
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from gatekeeper.ca.certificates import common_name
from gatekeeper.ca.explain import Explanation
from gatekeeper.ca.index import Entry, Index, Kind, Status, iso
from gatekeeper.ca.issuer import Issued
from gatekeeper.cli.ca_json import (
    authority_fields,
    days_left,
    entry_fields,
    explained_fields,
    issued_fields,
    unlisted_fields,
)
from gatekeeper.cli.terminal import print_json, show
from gatekeeper.gate.certificate import serial_hex
from gatekeeper.gate.names import rfc2253

PEM = Encoding.PEM

_COLOURS = {
    Status.VALID: "green",
    Status.NOT_YET_VALID: "yellow",
    Status.EXPIRED: "yellow",
    Status.REVOKED: "red",
}

# The list is due soon enough that a person should hear of it whenever they look.
_CRL_SOON = timedelta(days=7)

# A request may ask for thousands of names; these are as many as somebody reads.
_FEW = 20

_IMPORT = (
    ("Windows", "Chrome and Edge: double-click the file, keep Current User, let Windows choose the store."),
    ("macOS", "Safari and Chrome: double-click the file; it goes into the login keychain."),
    ("Linux", "Chrome: chrome://settings/certificates, Your certificates, Import."),
    ("Firefox", "Everywhere: Settings, Privacy & Security, View Certificates, Your Certificates, Import."),
    ("iOS", "AirDrop or mail the file to the device, open it, then Settings, Profile Downloaded, Install."),
    ("Android", "Settings, Security, Encryption & credentials, Install a certificate, VPN & app user certificate."),
)


def authority_made(certificate: x509.Certificate, folder: Path, *, adopted: bool, as_json: bool) -> None:
    """After ``init``."""
    if as_json:
        print_json(authority_fields(certificate, folder))
        return
    name = common_name(certificate.subject) or rfc2253(certificate.subject)
    _say(f"{name} is {'adopted' if adopted else 'made'}. It can sign until {certificate.not_valid_after_utc:%Y-%m-%d}.")
    _say()
    _files(
        (folder / "ca.crt", "its certificate: give this one to the gate"),
        (folder / "ca.crl", "the revocation list, empty so far: for the gate too"),
        (folder / "ca.key", "its private key, encrypted: keep it, and its passphrase, safe"),
        (folder / "index.json", "what it issued and revoked; back it up with the key"),
    )
    _say()
    _say("Next: tell the gate, in gatekeeper.toml,")
    _say()
    _say("  [client_auth]")
    _say(f"  ca = {json.dumps(str(folder.absolute() / 'ca.crt'), ensure_ascii=False)}")
    _say(f"  crl = [{json.dumps(str(folder.absolute() / 'ca.crl'), ensure_ascii=False)}]")
    _say()
    _say("and make a certificate for the first person or device:")
    _say()
    _say(f"  {_command(folder)} issue alice")


def client_issued(issued: Issued, *, compat: bool, as_json: bool) -> None:
    """After ``issue``."""
    if as_json:
        print_json(issued_fields(issued))
        return
    _say(f"{issued.entry.name} can sign in until {issued.entry.not_after:%Y-%m-%d}.")
    notes(issued)
    _say()
    _files(*((path, _what(path)) for path in sorted(issued.files, key=_order)))
    bundle = next(path for path in issued.files if path.suffix == ".p12")
    _password(bundle, issued.password)
    _how_to_import(bundle, compat=compat)


def renewed(issued: Issued, *, compat: bool, as_json: bool) -> None:
    """After ``renew``."""
    if issued.entry.kind is Kind.CLIENT and any(path.suffix == ".p12" for path in issued.files):
        client_issued(issued, compat=compat, as_json=as_json)
        return
    if as_json:
        print_json(issued_fields(issued))
        return
    _say(f"{issued.entry.name} has a new certificate, valid until {issued.entry.not_after:%Y-%m-%d}.")
    notes(issued)
    _say()
    _files(*((path, _what(path)) for path in sorted(issued.files, key=_order)))
    _say()
    if issued.entry.kind is Kind.CLIENT:
        _say(f"Next: send {issued.files[0]} to whoever keeps the key.")
    else:
        _say("Next: nothing, if the server reads these files; gatekeeper notices by itself.")


def request_made(name: str, key: Path, request: Path, *, encrypted: bool, as_json: bool) -> None:
    """After ``csr``."""
    if as_json:
        print_json({"name": name, "files": [str(key), str(request)]})
        return
    _say(f"A key and a request for {name} are made.")
    _say()
    protection = "encrypted" if encrypted else "NOT encrypted"
    _files((key, f"the private key, {protection}: it stays on this device"), (request, "the request: send this one"))
    _say()
    _say("Next: send the request to whoever runs the authority, who signs it with")
    _say()
    _say(f"  gatekeeper ca sign {request.name}")
    _say()
    _say("and sends a certificate back. Then make the bundle for browsers:")
    _say()
    _say(f"  gatekeeper ca p12 {_quoted(name)} --key {_quoted(key)} --certificate {_quoted(key.with_suffix('.crt'))}")


def request_signed(issued: Issued, folder: Path, *, as_json: bool) -> None:
    """After ``sign``."""
    if as_json:
        print_json(issued_fields(issued))
        return
    _say(f"{issued.entry.name} can sign in until {issued.entry.not_after:%Y-%m-%d}, as {issued.entry.subject}.")
    notes(issued)
    if issued.not_granted:
        more = f" and {len(issued.not_granted) - _FEW} more" if len(issued.not_granted) > _FEW else ""
        show(Text(f"Asked for and not granted: {', '.join(issued.not_granted[:_FEW])}{more}."))
        _say("Routes may decide by such names. To grant them: --ou, --email, --dns, --uri,")
        _say("or --as-requested for all.")
    _say()
    _files(*((path, _what(path)) for path in sorted(issued.files, key=_order)))
    _say()
    _say(f"Next: send {_file(issued, '.crt')} and {folder / 'ca.crt'} to whoever made the request.")
    _say("Neither is secret. The key is already there; together they become a bundle:")
    _say()
    _say(f"  gatekeeper ca p12 {_quoted(issued.entry.name)} --key FILE.key --certificate FILE.crt --ca ca.crt")


def bundle_made(path: Path, password: str | None, name: str, *, compat: bool, as_json: bool) -> None:
    """After ``p12``."""
    if as_json:
        print_json({"name": name, "files": [str(path)], "password": password})
        return
    _say(f"{path} is made, in the {'older form (3DES, SHA-1)' if compat else 'modern form (AES-256, SHA-256)'}.")
    _password(path, password)
    _how_to_import(path, compat=compat)


def server_issued(issued: Issued, hosts: tuple[str, ...], folder: Path, *, as_json: bool) -> None:
    """After ``server``."""
    if as_json:
        print_json(issued_fields(issued))
        return
    _say(f"A server certificate for {', '.join(hosts)} is made, valid until {issued.entry.not_after:%Y-%m-%d}.")
    notes(issued)
    _say()
    certificate, key = _file(issued, ".crt"), _file(issued, ".key")
    _files((certificate, "the certificate"), (key, "its private key, NOT encrypted: the server starts with it"))
    _say()
    _say("Next: tell the gate, in gatekeeper.toml,")
    _say()
    _say("  [server]")
    _say(f"  certificate = {json.dumps(str(certificate.absolute()), ensure_ascii=False)}")
    _say(f"  key = {json.dumps(str(key.absolute()), ensure_ascii=False)}")
    _say()
    _say("Browsers do not know this authority, and warn; for curl:")
    _say()
    _say(f"  curl --cacert {_quoted(folder / 'ca.crt')} https://{hosts[0]}/")


def authority_renewed(certificate: x509.Certificate, folder: Path, *, as_json: bool) -> None:
    """After ``renew ca``."""
    if as_json:
        print_json(authority_fields(certificate, folder))
        return
    _say(f"{folder / 'ca.crt'} is renewed until {certificate.not_valid_after_utc:%Y-%m-%d}, with the same key.")
    _say("What it signed stays good.")
    _say("Next: give the new ca.crt to every gate that has a copy.")


def revoked(index: Index, serials: tuple[int, ...], folder: Path, *, as_json: bool) -> None:
    """After ``revoke``."""
    if as_json:
        print_json({"revoked": [serial_hex(serial) for serial in serials], "crl": str(folder / "ca.crl")})
        return
    for serial in serials:
        entry = next((entry for entry in index.entries if entry.serial == serial), None)
        _say(f"{entry.name if entry else 'A certificate'} ({serial_hex(serial)}) is revoked.")
    _say()
    _say(f"{folder / 'ca.crl'} is written anew. A gate that reads it there needs nothing more;")
    _say("to one that has a copy, give the new list.")


def crl_written(crl: x509.CertificateRevocationList, folder: Path, *, as_json: bool) -> None:
    """After ``crl``."""
    following = crl.next_update_utc
    if as_json:
        print_json(
            {"crl": str(folder / "ca.crl"), "revoked": len(crl), "next_update": iso(following) if following else None}
        )
        return
    _say(f"{folder / 'ca.crl'} is signed anew: {len(crl)} revoked, good until {following:%Y-%m-%d}.")
    _say("After that day a gate lets nobody in. Each issue, renew and revoke signs it too;")
    _say("where these are rare, let cron do it.")


def listing(
    index: Index,
    authority: x509.Certificate,
    crl: x509.CertificateRevocationList,
    now: datetime,
    *,
    within: timedelta | None,
    as_json: bool,
) -> None:
    """``list``: the table, and what is about to run out."""
    entries = [entry for entry in index.entries if within is None or _ends_within(index, entry, now, within)]
    unlisted = unlisted_fields(index) if within is None else []
    if as_json:
        print_json([entry_fields(index, entry, now) for entry in entries] + unlisted)
        return
    if entries or unlisted:
        show(_table(index, entries, unlisted, now), at_least=80)
    else:
        _say("Nothing was issued yet." if within is None else f"Nothing ends within {within.days} days.")
    for warning in _warnings(authority, crl, now):
        show(Text(warning, style="yellow"))


def explanations(found: Iterable[Explanation], folder: Path | None, *, as_json: bool) -> None:
    """``show``."""
    found = tuple(found)
    if as_json:
        print_json([explained_fields(one) for one in found])
        return
    for number, one in enumerate(found):
        if number:
            _say()
        _explain(one)
    if folder is None and any(one.judged is None and "Issuer" in dict(one.facts) for one in found):
        _say()
        _say("Whether a gate lets it in depends on the authority it trusts; none is at hand (--dir).")


def _explain(one: Explanation) -> None:
    show(Text(one.title, style="bold"))
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for label, value in one.facts:
        table.add_row(Text(f"  {label}"), Text(value))
    show(table)
    if one.judged is not None:
        letting_in = one.judged.reason is None
        answer = "This gate lets it in." if letting_in else f"This gate does not let it in: {one.judged.reason}."
        show(Text(f"  {answer}", style="green" if letting_in else "red"))
        show(Padding(Text(one.judged.detail), (0, 0, 0, 2)))
    if one.remark:
        show(Padding(Text(one.remark), (0, 0, 0, 2)))


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
        name = entry.name if entry.kind is Kind.CLIENT else f"{entry.name} (server)"
        table.add_row(
            Text(name), entry.serial_hex, Text(status, style=_COLOURS[status]), f"{entry.not_after:%Y-%m-%d}", days
        )
    for line in unlisted:
        table.add_row("(not from here)", line["serial"], Text("revoked", style="red"), "", "")
    return table


def _warnings(authority: x509.Certificate, crl: x509.CertificateRevocationList, now: datetime) -> Iterable[str]:
    due = crl.next_update_utc
    if due is not None and due - now < _CRL_SOON:
        when = f"ran out on {due:%Y-%m-%d}: gates let nobody in" if due <= now else f"runs out on {due:%Y-%m-%d}"
        yield f"The revocation list {when}. Sign it anew: gatekeeper ca crl"
    left = authority.not_valid_after_utc - now
    if left < timedelta(days=30):
        when = "has expired" if left <= timedelta() else f"expires on {authority.not_valid_after_utc:%Y-%m-%d}"
        yield f"The authority's own certificate {when}. Renew it: gatekeeper ca renew ca"


def _ends_within(index: Index, entry: Entry, now: datetime, within: timedelta) -> bool:
    return index.status(entry, now) is Status.VALID and entry.not_after - now <= within


def notes(issued: Issued) -> None:
    """What a person should know about what was issued, beside what was asked for."""
    if issued.shortened:
        _say("That is as long as the authority's own certificate holds; to go on: gatekeeper ca renew ca")
    for entry in issued.superseded:
        _say(f"The one before ({entry.serial_hex}) is revoked from now on.")


def _password(path: Path, password: str | None) -> None:
    if password is None:
        return
    _say()
    show(Text(f"Password of {path.name}: ").append(password, style="bold"))
    _say("It is shown this once and kept nowhere. Send it by another way than the file.")


def _how_to_import(bundle: Path, *, compat: bool) -> None:
    _say()
    _say(f"Next: bring {bundle.name} to the device and import it there.")
    _say()
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column()
    for where, how in _IMPORT:
        table.add_row(f"  {where}", Text(how))
    show(table)
    _say()
    # By standard input: arguments stand in the list of processes until curl has blanked them.
    _say("  echo 'pass=\"PASSWORD\"' |")
    _say(f"  curl -K - --cert-type P12 --cert {_quoted(bundle)} https://your.host/")
    if not compat:
        _say()
        _say("A device that calls the right password wrong needs the older form:")
        _say()
        _say(f"  {_command(bundle.parent)} p12 {_quoted(bundle.stem)} --compat")


def _what(path: Path) -> str:
    return {
        ".p12": "the bundle to import: key and certificate in one file",
        ".crt": "the certificate",
        ".key": "the private key, under the authority's passphrase",
        ".csr": "the request, for renewals",
    }[path.suffix]


def _order(path: Path) -> int:
    return (".p12", ".crt", ".key", ".csr").index(path.suffix)


def _file(issued: Issued, suffix: str) -> Path:
    return next(path for path in issued.files if path.suffix == suffix)


def _files(*lines: tuple[Path, str]) -> None:
    width = max(len(str(path)) for path, _ in lines)
    for path, what in lines:
        if width + 2 + max(len(what) for _, what in lines) + 2 <= 80:
            _say(f"  {path!s:{width}}  {what}")
        else:
            _say(f"  {path}")
            _say(f"      {what}")


def _command(folder: Path) -> str:
    return f"gatekeeper ca --dir {_quoted(folder)}"


def _quoted(word: object) -> str:
    return shlex.quote(str(word))


def _say(line: str = "") -> None:
    print(line)
