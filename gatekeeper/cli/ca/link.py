"""Creating invitations: where they are stored, and the link to them."""

import argparse
import hashlib
import os
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gatekeeper.ca.files import read_file
from gatekeeper.ca.issuer import Issued, Issuer
from gatekeeper.ca.profiles import all_profiles
from gatekeeper.config.document import find
from gatekeeper.config.load import load
from gatekeeper.errors import ConfigurationError, InvitationError, UsageError
from gatekeeper.invitations.folder import CHAIN, Invitations, folder_error
from gatekeeper.invitations.invitation import ANCHOR, FILES, Invitation, InvitationKind
from gatekeeper.invitations.state import Stage
from gatekeeper.invitations.token import link, make_token
from gatekeeper.settings.addresses import Address
from gatekeeper.settings.files import OPEN_DIRECTLY, UnreadableFileError
from gatekeeper.settings.tables import Settings

_GATE = re.compile(r"https://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?/?", re.ASCII)
# A chain of certificates is a few KiB.
_LARGEST = 1 << 20
_WHERE = "name it by --invitations, or the gate's configuration by -c"


@dataclass(frozen=True, slots=True)
class NewInvitation:
    """An invitation that was just created. Its link cannot be recovered later: only the token's hash is stored."""

    invitation: Invitation
    link: str


class Destination:
    """The folder for invitations and the address of the gate, from the options or the gate's configuration."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._args = args

    def folder(self) -> Invitations:
        """The folder of invitations; UsageError if it is not known, InvitationError if it cannot be used."""
        found = self.known_folder()
        if found is None:
            raise UsageError(f"there is no folder of invitations in the configuration; {_WHERE}")
        return found

    def known_folder(self) -> Invitations | None:
        """The same, but None if it is not known."""
        path: Path | None = self._args.invitations
        if path is None and self._settings is not None and self._settings.invitations is not None:
            path = self._settings.invitations.folder
        if path is None:
            return None
        if problem := folder_error(path):
            raise InvitationError(problem)
        return Invitations(path)

    def gate(self) -> str:
        """The gate's address, given or derived from its certificate and port; UsageError if it is not known."""
        if self._args.url is not None:
            return checked_url(self._args.url)
        if self._settings is not None:
            file = self._settings.server.certificate
            ordered = (name for order in self._settings.orders for name in order.names)
            name = _host_of(file) if file is not None else next(ordered, None)
            ports = {address.port for address in self._settings.server.listen if isinstance(address, Address)}
            if name is not None and len(ports) == 1 and 0 not in ports:
                (port,) = ports
                return f"https://{name}" if port == 443 else f"https://{name}:{port}"
        raise UsageError("say the address by which people reach the gate: --url https://gate.example.com")

    @cached_property
    def _settings(self) -> Settings | None:
        """The gate's configuration, read only where the options do not say enough; None if there is none."""
        try:
            path = find(self._args.config, os.environ)
        except ConfigurationError:
            return None
        return load(path).settings


def checked_url(url: str) -> str:
    """The address of a gate, without a trailing slash; UsageError if it is not scheme, host and port alone."""
    # No user name and password before the host, which could disguise where a link leads.
    if not _GATE.fullmatch(url):
        raise UsageError(f"--url is the gate's address and nothing more, such as https://gate.example.com, not {url!r}")
    return url.rstrip("/")


def _host_of(certificate: Path) -> str | None:
    """The first host name in a server certificate; None if it has none or cannot be read."""
    try:
        found = x509.load_pem_x509_certificate(OPEN_DIRECTLY.read(certificate, _LARGEST))
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (UnreadableFileError, ValueError, x509.ExtensionNotFound):
        return None
    plain = (name for name in names.get_values_for_type(x509.DNSName) if "*" not in name)
    return next(plain, None)


@dataclass(frozen=True, slots=True)
class Offer:
    """What an invitation hands out: an issued certificate, whose ``.p12`` has this password.

    ``chain`` is the certificate and its authority's (PEM), by which the gate sees whether it still counts;
    ``replaces`` is the SHA-256 of the certificate that it replaces, ``anchor`` an authority for the device to trust.
    """

    issued: Issued
    password: str = field(repr=False)
    chain: bytes
    replaces: str = ""
    anchor: x509.Certificate | None = None


def create_invitation(invitations: Invitations, gate: str, offer: Offer, valid: timedelta) -> NewInvitation:
    """Store a certificate in every form, and make the link by which it can be fetched for the time ``valid``.

    InvitationError if that fails: the folder is unchanged then, and the certificate remains issued.
    """
    name = offer.issued.entry.name
    path = next(path for path in offer.issued.files if path.suffix == ".p12")
    trusted = offer.anchor.public_bytes(Encoding.DER) if offer.anchor is not None else None
    profiles = all_profiles(read_file(path), offer.password, name, str(path), trusted)
    files = {FILES[profile]: octets for profile, octets in profiles.items()} | {CHAIN: offer.chain}
    token, now = make_token(), datetime.now(UTC).timestamp()
    invitation = Invitation(
        name=name,
        digest=hashlib.sha256(token.encode()).hexdigest(),
        made=now,
        ends=now + valid.total_seconds(),
        files={str(profile): FILES[profile] for profile in profiles},
        serial=offer.issued.entry.serial_hex,
        replaces=offer.replaces,
    )
    try:
        invitations.add(invitation, files | ({ANCHOR: trusted} if trusted is not None else {}))
    except InvitationError as error:
        raise InvitationError(
            f"{error}; no invitation was created. The certificate is issued: hand {path} over yourself, with a new "
            f"password by gatekeeper ca p12 {name}, or revoke it and invite again"
        ) from error
    return NewInvitation(invitation, link(gate, token))


def chain_of(issuer: Issuer, issued: Issued) -> bytes:
    """An issued certificate, then that of the authority that signed it (PEM)."""
    certificate = issuer.store.issued(issued.entry)
    return b"".join(one.public_bytes(Encoding.PEM) for one in (certificate, issuer.store.signer(certificate)))


def create_csr_invitation(invitations: Invitations, gate: str, name: str, valid: timedelta) -> NewInvitation:
    """Invite a computer that generates its own key: nothing is issued yet, and the invitation has no files."""
    token, now = make_token(), datetime.now(UTC).timestamp()
    digest = hashlib.sha256(token.encode()).hexdigest()
    invitation = Invitation(name, digest, made=now, ends=now + valid.total_seconds(), kind=InvitationKind.REQUEST)
    invitations.add(invitation, {})
    return NewInvitation(invitation, link(gate, token))


def not_fetched(invitations: Invitations, serial: str) -> str:
    """The SHA-256 that a certificate replaces, if it is a renewal that was not fetched; empty otherwise."""
    renewals = (one for one in invitations.all() if one.invitation.serial == serial)
    return next((one.invitation.replaces for one in renewals if one.state.stage is not Stage.USED), "")
