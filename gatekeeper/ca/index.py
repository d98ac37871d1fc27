"""The index of the authority: certificates issued and revoked, as frozen values that are stored as JSON."""

import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from gatekeeper.ca.names import check_name, folded_name, same_name
from gatekeeper.ca.revocation import Revocation, RevocationReason, read_crl_number, revocations_of
from gatekeeper.errors import AuthorityError
from gatekeeper.gate.certificate import read_certificate, serial_hex

# 2: there is, or was, a second authority beside the first (`gatekeeper ca rollover`).
_VERSIONS = (1, 2)

# RFC 5280, 4.1.2.2: up to 20 octets, and not zero.
_SERIAL = re.compile(r"0*[1-9A-Fa-f][0-9A-Fa-f]{0,39}", re.ASCII)

# A hundred years in seconds, the longest lifetime of a CRL.
_LONGEST = 36525 * 86400


class CertificateKind(StrEnum):
    """The purpose of a certificate."""

    CLIENT = "client"
    SERVER = "server"


class Status(StrEnum):
    """The status of a certificate at some moment."""

    VALID = "valid"
    NOT_YET_VALID = "not yet valid"
    EXPIRED = "expired"
    REVOKED = "revoked"
    RETIRED = "retired"  # the authority that signed it was retired


# How many names a message lists.
_FEW = 10


@dataclass(frozen=True, slots=True)
class Entry:
    """A certificate that was issued.

    ``key`` is the SHA-256 of its SubjectPublicKeyInfo in hex; ``holds_key`` says whether the private key was generated
    here and is in the folder. ``authority`` is the key identifier of the authority that signed it, in hex; empty if
    there has been only one.
    """

    serial: int
    name: str
    kind: CertificateKind
    subject: str
    not_before: datetime
    not_after: datetime
    key: str
    holds_key: bool
    authority: str = ""

    @property
    def serial_hex(self) -> str:
        """The serial number in hex, as openssl and the gate's log print it."""
        return serial_hex(self.serial)

    @property
    def lifetime(self) -> timedelta:
        """The lifetime in whole days, without the ten minutes of backdating."""
        return timedelta(days=max(1, (self.not_after - self.not_before).days))


@dataclass(frozen=True, slots=True)
class Index:
    """All certificates issued, oldest first, all revocations, and the state of the CRLs.

    ``crl_lifetime`` is None for CRLs that are valid as long as the authority. ``retiring`` is the key identifier of the
    old authority between `gatekeeper ca rollover` and `gatekeeper ca retire`; ``retired`` are the old ones after that.
    """

    entries: tuple[Entry, ...] = ()
    revocations: tuple[Revocation, ...] = ()
    crl_number: int = 0
    crl_lifetime: timedelta | None = None
    retiring: str = ""
    retired: tuple[str, ...] = ()

    def named(self, name: str) -> tuple[Entry, ...]:
        """The certificates issued under a name, oldest first."""
        return tuple(entry for entry in self.entries if same_name(entry.name, name))

    def revocation(self, serial: int) -> Revocation | None:
        """The revocation of a serial number, None if it is not revoked."""
        return next((revocation for revocation in self.revocations if revocation.serial == serial), None)

    def serials(self) -> frozenset[int]:
        """Every serial number known to have been used."""
        return frozenset(entry.serial for entry in self.entries) | {one.serial for one in self.revocations}

    def status(self, entry: Entry, now: datetime) -> Status:
        """The status of a certificate at the moment ``now``."""
        if self.revocation(entry.serial):
            return Status.REVOKED
        if entry.authority and entry.authority in self.retired:
            return Status.RETIRED
        if now < entry.not_before:
            return Status.NOT_YET_VALID
        # RFC 5280, 4.1.2.5: valid through notAfter.
        return Status.EXPIRED if now >= entry.not_after + timedelta(seconds=1) else Status.VALID

    def in_force(self, name: str, now: datetime) -> tuple[Entry, ...]:
        """The certificates issued under a name that a gate admits now, or will once they are valid."""
        ended = (Status.REVOKED, Status.EXPIRED, Status.RETIRED)
        return tuple(entry for entry in self.named(name) if self.status(entry, now) not in ended)

    def on_retiring(self, now: datetime, unfetched: Collection[str] = ()) -> tuple[Entry, ...]:
        """The newest valid certificate of the old authority of each name that has no valid one of the new yet; those
        with the serial numbers ``unfetched`` (in hex) have not reached their holder.
        """
        old, moved = self._by_authority(now, unfetched)
        return tuple(entry for name, entry in old.items() if name not in moved)

    def keeping_both(self, now: datetime) -> tuple[Entry, ...]:
        """The newest valid certificate of the old authority of each client that has a valid one of the new, too."""
        old, moved = self._by_authority(now)
        return tuple(one for name, one in old.items() if name in moved and one.kind is CertificateKind.CLIENT)

    def _by_authority(self, now: datetime, unfetched: Collection[str] = ()) -> tuple[dict[str, Entry], set[str]]:
        """The newest valid certificate of the old authority by name; and the names that have one of the new."""
        valid = [entry for entry in self.entries if self.status(entry, now) in (Status.VALID, Status.NOT_YET_VALID)]
        here = (one for one in valid if one.authority != self.retiring and one.serial_hex not in unfetched)
        old = (one for one in valid if self.retiring and one.authority == self.retiring)
        return {folded_name(one.name): one for one in old}, {folded_name(one.name) for one in here}

    def expiring(self, within: timedelta, now: datetime) -> tuple[Entry, ...]:
        """The newest valid certificate of each name, if it expires within this time."""
        newest = {folded_name(entry.name): entry for entry in self.entries if self.status(entry, now) is Status.VALID}
        return tuple(entry for entry in newest.values() if entry.not_after - now <= within)

    def key_is_compromised(self, key: str) -> bool:
        """Whether a certificate for this public key was revoked for keyCompromise."""
        stolen = {one.serial for one in self.revocations if one.reason is RevocationReason.KEY_COMPROMISE}
        return any(entry.key == key and entry.serial in stolen for entry in self.entries)

    def with_entry(self, entry: Entry) -> "Index":
        """The index with an entry added; AuthorityError if its serial number is taken."""
        if any(other.serial == entry.serial for other in self.entries):
            raise AuthorityError(f"the serial {entry.serial_hex} was issued before")
        return replace(self, entries=(*self.entries, entry))

    def with_revocation(self, revocation: Revocation) -> "Index":
        """The index with a revocation added; an existing one for the serial number is kept."""
        if self.revocation(revocation.serial):
            return self
        return replace(self, revocations=(*self.revocations, revocation))

    def with_crl(self, crl: x509.CertificateRevocationList) -> "Index":
        """The index with every revocation of a CRL of this authority added, and with CRL numbers that continue after
        it.
        """
        known = {one.serial for one in self.revocations}
        more = tuple(one for one in revocations_of(crl) if one.serial not in known)
        number = max(self.crl_number, read_crl_number(crl) or 0)
        return replace(self, revocations=(*self.revocations, *more), crl_number=number)


def parse_serial(text: str) -> int | None:
    """The serial number that a person writes, in hex, with colons or without; None if it is none."""
    digits = text.replace(":", "")
    return int(digits, 16) if _SERIAL.fullmatch(digits) else None


def entry_of(
    certificate: x509.Certificate, name: str, kind: CertificateKind, *, holds_key: bool, authority: str = ""
) -> Entry:
    """The index entry for a certificate."""
    read = read_certificate(certificate.public_bytes(Encoding.DER))
    return Entry(
        certificate.serial_number,
        name,
        kind,
        read.subject,
        certificate.not_valid_before_utc,
        certificate.not_valid_after_utc,
        read.spki_sha256,
        holds_key,
        authority,
    )


def kind_of(certificate: x509.Certificate) -> CertificateKind:
    """The purpose of a certificate by its extended key usage; without one, it counts as a client's."""
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return CertificateKind.CLIENT
    return CertificateKind.SERVER if ExtendedKeyUsageOID.SERVER_AUTH in usage else CertificateKind.CLIENT


def write_index(index: Index) -> bytes:
    """The index as JSON."""
    rolled_over = bool(index.retiring or index.retired)
    lifetime = index.crl_lifetime
    document = {
        "version": _VERSIONS[rolled_over],
        "crl": {"number": index.crl_number, "seconds": int(lifetime.total_seconds()) if lifetime else None},
        "certificates": [
            {
                "serial": entry.serial_hex,
                "name": entry.name,
                "kind": entry.kind,
                "subject": entry.subject,
                "not_before": iso(entry.not_before),
                "not_after": iso(entry.not_after),
                "key_sha256": entry.key,
                "holds_key": entry.holds_key,
                **({"authority": entry.authority} if rolled_over else {}),
            }
            for entry in index.entries
        ],
        "revocations": [
            {"serial": serial_hex(one.serial), "at": iso(one.at), "reason": one.reason} for one in index.revocations
        ],
        **({"retiring": index.retiring, "retired": index.retired} if rolled_over else {}),
    }
    return json.dumps(document, indent=1, ensure_ascii=False).encode() + b"\n"


def read_index(content: bytes, source: str) -> Index:
    """Read what `write_index` wrote. AuthorityError for anything else: a guess could make revoked certificates valid
    again.
    """
    try:
        document = json.loads(content)
        if document["version"] in _VERSIONS:
            return _index(document)
    except (ValueError, KeyError, TypeError, AuthorityError) as error:
        raise AuthorityError(
            f"{source} is damaged ({error}); bring it back from a backup, or move it away and make it anew from the "
            f"other files: gatekeeper ca --dir DIR init --adopt DIR/ca.crt DIR/ca.key"
        ) from error
    raise AuthorityError(f"{source} was written by a newer gatekeeper (version {document['version']})")


def iso(moment: datetime) -> str:
    """A time as RFC 3339 has it, in UTC: ``2026-01-31T12:00:00Z``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _index(document: dict[str, Any]) -> Index:
    entries = tuple(_entry(part) for part in document["certificates"])
    if len({entry.serial for entry in entries}) < len(entries):
        raise ValueError("a serial is there twice")
    seconds = document["crl"]["seconds"]
    return Index(
        entries,
        tuple(
            Revocation(_serial(part["serial"]), _time(part["at"]), RevocationReason(part["reason"]))
            for part in document["revocations"]
        ),
        _number(document["crl"]["number"], 1 << 63),
        None if seconds is None else timedelta(seconds=_number(seconds, _LONGEST)),
        _text(document.get("retiring", "")),
        tuple(map(_text, document.get("retired", ()))),
    )


def _entry(part: dict[str, Any]) -> Entry:
    return Entry(
        _serial(part["serial"]),
        check_name(_text(part["name"])),
        CertificateKind(part["kind"]),
        _text(part["subject"]),
        _time(part["not_before"]),
        _time(part["not_after"]),
        _text(part["key_sha256"]),
        bool(part["holds_key"]),
        _text(part.get("authority", "")),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not text")
    return value


def _serial(value: object) -> int:
    if not _SERIAL.fullmatch(_text(value)):
        raise ValueError(f"{value!r} is not a serial number")
    return int(_text(value), 16)


def _number(value: object, most: int) -> int:
    if not isinstance(value, int) or not 1 <= value <= most:
        raise ValueError(f"{value!r} is not a number from 1 to {most}")
    return value


def _time(value: object) -> datetime:
    moment = datetime.fromisoformat(_text(value))
    # RFC 5280, 4.1.2.5.1: earlier dates cannot be written into a certificate or a list.
    if moment.tzinfo is None or moment.year < 1950:
        raise ValueError(f"{value!r} is not a time since 1950 with a time zone")
    return moment


def consequence(left: Sequence[Entry]) -> str:
    """The consequence of retiring the authority that signed these certificates (at least one)."""
    clients = [entry for entry in left if entry.kind is CertificateKind.CLIENT]
    servers = [entry for entry in left if entry.kind is CertificateKind.SERVER]
    parts = []
    if clients:
        parts.append(f"{len(clients)} would be locked out: {shown_names(clients)}")
    if servers:
        parts.append(f"the new ca.crt would not verify {len(servers)} of the servers: {shown_names(servers)}")
    return "; ".join(parts)


def shown_names(entries: Sequence[Entry]) -> str:
    """Their names, as many as a sentence can carry."""
    return ", ".join(entry.name for entry in entries[:_FEW]) + (" …" if len(entries) > _FEW else "")
