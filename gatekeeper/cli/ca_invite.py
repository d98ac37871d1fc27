"""``gatekeeper ca invite``: a certificate as a link, and what became of the links."""

import argparse
import hashlib
import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from rich.table import Table
from rich.text import Text

from gatekeeper import config
from gatekeeper.ca.index import iso
from gatekeeper.ca.issuer import Issued
from gatekeeper.ca.profiles import all_profiles
from gatekeeper.ca.store import read_file
from gatekeeper.cli.ca_json import issued_fields
from gatekeeper.cli.ca_print import notes
from gatekeeper.cli.qr import code_width, half_blocks
from gatekeeper.cli.terminal import print_json, show
from gatekeeper.errors import ConfigurationError, InvitationError, UsageError
from gatekeeper.gate.certificate import serial_hex
from gatekeeper.gate.routes import ME
from gatekeeper.invitations.folder import CHAIN, Found, Invitations, complaint
from gatekeeper.invitations.invitation import FILES, Invitation, Kind
from gatekeeper.invitations.state import Stage, now_is
from gatekeeper.invitations.token import INVITE, link, make_token
from gatekeeper.settings.addresses import Address
from gatekeeper.settings.tables import Settings

_GATE = re.compile(r"https://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?/?", re.ASCII)
_WHERE = "name it by --invitations, or the gate's configuration by -c"


@dataclass(frozen=True, slots=True)
class Invited:
    """An invitation that was made: the link is known here, once, and nowhere else."""

    invitation: Invitation
    link: str


class Way:
    """Where invitations are put, and by which address people open them."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._args = args
        self._settings = _settings(args)

    def folder(self) -> Invitations:
        """The folder of the gate; UsageError if nobody says which it is, InvitationError if there is none."""
        path: Path | None = self._args.invitations
        if path is None and self._settings is not None and self._settings.invitations is not None:
            path = self._settings.invitations.folder
        if path is None:
            raise UsageError(f"there is no folder of invitations in the configuration; {_WHERE}")
        if objection := complaint(path):
            raise InvitationError(objection)
        return Invitations(path)

    def gate(self) -> str:
        """``https://gate.example.com``, as given or as the gate's certificate and port say."""
        if self._args.url is not None:
            return checked_url(self._args.url)
        if self._settings is not None:
            name = _host_of(self._settings.server.certificate)
            ports = {address.port for address in self._settings.server.listen if isinstance(address, Address)}
            if name is not None and len(ports) == 1 and 0 not in ports:
                (port,) = ports
                return f"https://{name}" if port == 443 else f"https://{name}:{port}"
        raise UsageError("say by which address people reach the gate: --url https://gate.example.com")


def checked_url(url: str) -> str:
    """The address of a gate; UsageError if a link cannot begin with it."""
    # No name and password before the host: a link must lead where it seems to.
    if not _GATE.fullmatch(url):
        raise UsageError(f"--url is the gate's address and nothing more, such as https://gate.example.com, not {url!r}")
    return url.rstrip("/")


def _settings(args: argparse.Namespace) -> Settings | None:
    """The gate's configuration, if one is named or lies where one is looked for, and is needed at all."""
    if args.config is None and args.invitations is not None and (args.url is not None or args.list or args.cancel):
        return None
    try:
        path = config.find(args.config, os.environ)
    except ConfigurationError:
        return None
    return config.load(path).settings


def _host_of(certificate: Path) -> str | None:
    """The first host name that a server's certificate is for; None if it cannot be read, or has none."""
    try:
        found = x509.load_pem_x509_certificate(certificate.read_bytes())
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, x509.ExtensionNotFound):
        return None
    plain = (name for name in names.get_values_for_type(x509.DNSName) if "*" not in name)
    return next(plain, None)


def put(
    invitations: Invitations, gate: str, issued: Issued, password: str, valid: timedelta, *, replaces: str = ""
) -> Invited:
    """Put what was issued into the folder in every form; ``replaces`` is the SHA-256 of the certificate before.

    InvitationError if that fails: nothing lies in the folder then, and what was issued still is at the authority's.
    """
    path = next(path for path in issued.files if path.suffix == ".p12")
    profiles = all_profiles(read_file(path), password, issued.entry.name, str(path))
    token, now = make_token(), datetime.now(UTC).timestamp()
    invitation = Invitation(
        name=issued.entry.name,
        digest=hashlib.sha256(token.encode()).hexdigest(),
        made=now,
        ends=now + valid.total_seconds(),
        files={str(profile): FILES[profile] for profile in profiles},
        serial=issued.entry.serial_hex,
        replaces=replaces,
    )
    try:
        invitations.add(invitation, {FILES[profile]: octets for profile, octets in profiles.items()})
    except InvitationError as error:
        raise InvitationError(
            f"{error}; nobody is invited. The certificate is made all the same: hand {path} over yourself, with a new "
            f"password by gatekeeper ca p12 {issued.entry.name}, or revoke it and invite again"
        ) from error
    return Invited(invitation, link(gate, token))


def put_for_request(invitations: Invitations, gate: str, name: str, valid: timedelta) -> Invited:
    """Invite a computer that makes its own key: nothing is issued, and no file lies in the folder."""
    token, now = make_token(), datetime.now(UTC).timestamp()
    digest = hashlib.sha256(token.encode()).hexdigest()
    invitation = Invitation(name, digest, made=now, ends=now + valid.total_seconds(), kind=Kind.REQUEST)
    invitations.add(invitation, {})
    return Invited(invitation, link(gate, token))


def invited_computer(one: Invited, *, as_json: bool) -> None:
    """Print the link of ``--csr``, and the two commands that follow."""
    name, ends = one.invitation.name, datetime.fromtimestamp(one.invitation.ends, UTC)
    if as_json:
        print_json({"name": name, "link": one.link, "link_ends": iso(ends)})
        return
    print(f"{name} is invited, until {ends:%Y-%m-%d %H:%M} UTC. Run on that computer, which makes its own key:")
    print()
    print(f"  gatekeeper enroll {one.link}")
    print()
    print("It says the fingerprint of its key, and waits. Then run here, and compare it:")
    print()
    print(f"  gatekeeper ca approve {shlex.quote(name)}")


def not_fetched(invitations: Invitations, serial: str) -> str:
    """What the certificate of this serial is to replace, if it is a renewal that nobody has fetched; "" otherwise."""
    renewals = (one for one in invitations.all() if one.invitation.serial == serial)
    return next((one.invitation.replaces for one in renewals if one.state.stage is not Stage.USED), "")


def invited(issued: Issued, one: Invited, password: str | None, *, qr: bool, as_json: bool) -> None:
    """Print what a person sends on: the link, its QR code, and the password unless it was given."""
    ends = datetime.fromtimestamp(one.invitation.ends, UTC)
    if as_json:
        print_json(issued_fields(issued) | {"link": one.link, "link_ends": iso(ends), "password": password})
        return
    name = issued.entry.name
    print(f"{name} is invited. The certificate holds until {issued.entry.not_after:%Y-%m-%d}.")
    notes(issued)
    print()
    if qr or sys.stdout.isatty():
        _print_code(one.link)
    print(one.link)
    print()
    print(f"The link works once, until {ends:%Y-%m-%d %H:%M} UTC. Show the code to the camera, or send the link.")
    if one.invitation.replaces:
        gate = one.link.partition(INVITE.decode())[0]
        print(f"A browser that shows the certificate of before needs no link: {gate}{ME.decode()}")
        print("That one is not revoked, and ends by itself.")
    if password is not None:
        show(Text("Password of the certificate: ").append(password, style="bold"))
        print("It is shown this once and kept nowhere. Send it by another way than the link.")
    print()
    print(f"To take it back: gatekeeper ca invite --cancel {shlex.quote(name)}")


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


# -- what became of them

_STYLES = {
    Stage.OPEN: "green",
    Stage.ASKED: "yellow",
    Stage.TAKEN: "yellow",
    Stage.LEFT: "yellow",
    Stage.CANCELLED: "red",
    Stage.LOST: "red",
}
_WORDS = {
    Stage.OPEN: "waits",
    Stage.TAKEN: "is being downloaded",
    Stage.LEFT: "broke off, may be repeated",
    Stage.ASKED: "asked, to be approved",
    Stage.SIGNED: "approved, to be fetched",
    Stage.USED: "used",
    Stage.LOST: "broke off, destroyed",
    Stage.ENDED: "ended unused",
    Stage.CANCELLED: "cancelled",
}


def listing(invitations: Invitations, *, as_json: bool) -> None:
    """``--list``: every invitation, and what became of it."""
    now = datetime.now(UTC).timestamp()
    every = [Found(one.invitation, now_is(one.state, one.invitation.ends, now)) for one in invitations.all()]
    every.sort(key=lambda one: one.invitation.made)
    if as_json:
        print_json([_fields(one) for one in every])
    elif every:
        show(_table(every))
    else:
        print("Nobody is invited.")


def _fields(one: Found) -> dict[str, object]:
    invitation, state = one.invitation, one.state
    return {
        "name": invitation.name,
        "id": one.identifier,
        "kind": invitation.kind,
        "state": state.stage,
        "since": _iso(state.since) if state.since else None,
        "made": _iso(invitation.made),
        "ends": _iso(invitation.ends),
        "serial": invitation.serial or None,
    }


def _table(every: Iterable[Found]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("Name", overflow="fold")
    table.add_column("State", no_wrap=True)
    table.add_column("Since", no_wrap=True)
    table.add_column("Until", no_wrap=True)
    table.add_column("Id", no_wrap=True)
    for one in every:
        stage = one.state.stage
        since = one.state.since or one.invitation.made
        until = _minute(one.invitation.ends) if one.state.alive else ""
        table.add_row(
            Text(one.invitation.name),
            Text(_WORDS[stage], style=_STYLES.get(stage, "")),
            _minute(since),
            until,
            one.identifier[:8],
        )
    return table


def cancel(invitations: Invitations, what: str) -> list[Found]:
    """``--cancel``: take back all that wait for a name, or the one of an id; InvitationError if there is none."""
    now = datetime.now(UTC).timestamp()
    named = [one for one in invitations.all() if what == one.invitation.name or is_id(what, one)]
    if not named:
        raise InvitationError(f"nobody called {what!r} is invited, and no invitation has this id")
    named = [_with_serial(invitations, invitations.aged(one, now)) for one in named]
    cancelled = [one for one in named if invitations.cancel(one, now)]
    if not cancelled:
        last = max(named, key=lambda one: one.invitation.made)
        raise InvitationError(
            f"there is nothing to take back: the invitation of {what} is over ({_WORDS[last.state.stage]}); "
            "to end the certificate: gatekeeper ca revoke"
        )
    return cancelled


def _with_serial(invitations: Invitations, one: Found) -> Found:
    """A computer's, with the serial of the certificate that lies there for it: it may have been fetched."""
    chain = invitations.read(one, CHAIN) if one.state.stage is Stage.SIGNED else None
    if chain is None:
        return one
    try:
        serial = serial_hex(x509.load_pem_x509_certificate(chain).serial_number)
    except ValueError:
        return one
    return Found(replace(one.invitation, serial=serial), one.state)


def taken_back(cancelled: list[Found], revoked: tuple[int, ...], *, as_json: bool) -> None:
    """After ``--cancel``; ``revoked`` are the serials that the authority here could revoke."""
    if as_json:
        serials = [serial_hex(serial) for serial in revoked]
        print_json({"cancelled": [one.identifier for one in cancelled], "revoked": serials})
        return
    for one in cancelled:
        print(f"The invitation of {one.invitation.name} ({one.identifier[:8]}) is cancelled; its files are destroyed.")
    for one in cancelled:
        if one.invitation.serial and int(one.invitation.serial, 16) in revoked:
            print(f"Its certificate ({one.invitation.serial}) is revoked.")
        elif one.invitation.serial:
            print(f"Its certificate ({one.invitation.serial}) was not revoked here; if it is still in force,")
            print(f"where the authority is: gatekeeper ca revoke {one.invitation.serial}")


def is_id(what: str, one: Found) -> bool:
    """Whether it is the beginning of an invitation's id, long enough to mean one."""
    return len(what) >= 8 and one.identifier.startswith(what.lower())


def _minute(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}"


def _iso(seconds: float) -> str:
    return iso(datetime.fromtimestamp(seconds, UTC))
