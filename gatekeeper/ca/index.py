"""The index: what was issued, and what of it no longer counts. Frozen values, and JSON at the edge."""

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gatekeeper.ca.names import same_name
from gatekeeper.ca.revocation import CRL_LIFETIME, Revocation, RevocationReason
from gatekeeper.errors import AuthorityError
from gatekeeper.gate.certificate import read_certificate, serial_hex

_VERSION = 1


class Kind(StrEnum):
    """What a certificate is for."""

    CLIENT = "client"
    SERVER = "server"


class Status(StrEnum):
    """Where a certificate stands in its life."""

    VALID = "valid"
    NOT_YET_VALID = "not yet valid"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Entry:
    """One certificate that was issued.

    ``key`` is the SHA-256 of its public key (SubjectPublicKeyInfo), in hex; ``holds_key`` says whether the private one
    was made here and lies in the folder.
    """

    serial: int
    name: str
    kind: Kind
    subject: str
    not_before: datetime
    not_after: datetime
    key: str
    holds_key: bool

    @property
    def serial_hex(self) -> str:
        """The serial as openssl and the gate's log write it."""
        return serial_hex(self.serial)


@dataclass(frozen=True, slots=True)
class Index:
    """Everything that was issued, oldest first, everything revoked, and where the revocation lists have got to."""

    entries: tuple[Entry, ...] = ()
    revocations: tuple[Revocation, ...] = ()
    crl_number: int = 0
    crl_lifetime: timedelta = CRL_LIFETIME

    def named(self, name: str) -> tuple[Entry, ...]:
        """The certificates of that name, oldest first."""
        return tuple(entry for entry in self.entries if same_name(entry.name, name))

    def revocation(self, serial: int) -> Revocation | None:
        """The revocation of a serial, if it is revoked."""
        return next((revocation for revocation in self.revocations if revocation.serial == serial), None)

    def serials(self) -> frozenset[int]:
        """Every serial that was ever used, as far as is known here."""
        return frozenset(entry.serial for entry in self.entries) | {one.serial for one in self.revocations}

    def status(self, entry: Entry, now: datetime) -> Status:
        """Where a certificate stands at the moment ``now``."""
        if self.revocation(entry.serial):
            return Status.REVOKED
        if now < entry.not_before:
            return Status.NOT_YET_VALID
        # RFC 5280, 4.1.2.5: valid through notAfter.
        return Status.EXPIRED if now >= entry.not_after + timedelta(seconds=1) else Status.VALID

    def in_force(self, name: str, now: datetime) -> tuple[Entry, ...]:
        """The certificates of that name that a gate lets in now or later."""
        ended = (Status.REVOKED, Status.EXPIRED)
        return tuple(entry for entry in self.named(name) if self.status(entry, now) not in ended)

    def key_is_stolen(self, key: str) -> bool:
        """Whether a certificate for this public key was revoked because its key got into other hands."""
        stolen = {one.serial for one in self.revocations if one.reason is RevocationReason.KEY_COMPROMISE}
        return any(entry.key == key and entry.serial in stolen for entry in self.entries)

    def with_entry(self, entry: Entry) -> "Index":
        """The index with one certificate more; AuthorityError if its serial is taken."""
        if any(other.serial == entry.serial for other in self.entries):
            raise AuthorityError(f"the serial {entry.serial_hex} was issued before")
        return replace(self, entries=(*self.entries, entry))

    def with_revocation(self, revocation: Revocation) -> "Index":
        """The index with one revocation more; one that is already there stays as it was."""
        if self.revocation(revocation.serial):
            return self
        return replace(self, revocations=(*self.revocations, revocation))


def entry_of(certificate: x509.Certificate, name: str, kind: Kind, *, holds_key: bool) -> Entry:
    """The index's line for a certificate."""
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
    )


def write_index(index: Index) -> bytes:
    """The index as JSON."""
    document = {
        "version": _VERSION,
        "crl": {"number": index.crl_number, "seconds": int(index.crl_lifetime.total_seconds())},
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
            }
            for entry in index.entries
        ],
        "revocations": [
            {"serial": serial_hex(one.serial), "at": iso(one.at), "reason": one.reason} for one in index.revocations
        ],
    }
    return json.dumps(document, indent=1, ensure_ascii=False).encode() + b"\n"


def read_index(content: bytes, source: str) -> Index:
    """Read what `write_index` wrote; AuthorityError if it is anything else, for a guess would revive the revoked."""
    try:
        document = json.loads(content)
        if document["version"] != _VERSION:
            raise AuthorityError(f"{source} was written by a newer gatekeeper (version {document['version']})")
        return Index(
            tuple(_entry(part) for part in document["certificates"]),
            tuple(
                Revocation(int(part["serial"], 16), _time(part["at"]), RevocationReason(part["reason"]))
                for part in document["revocations"]
            ),
            int(document["crl"]["number"]),
            timedelta(seconds=int(document["crl"]["seconds"])),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise AuthorityError(f"{source} is damaged ({error}); bring it back from a backup") from error


def iso(moment: datetime) -> str:
    """A moment as ``2026-01-31T12:00:00Z``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _time(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"the time {text} has no zone")
    return moment


def _entry(part: dict[str, Any]) -> Entry:
    return Entry(
        int(part["serial"], 16),
        part["name"],
        Kind(part["kind"]),
        part["subject"],
        _time(part["not_before"]),
        _time(part["not_after"]),
        part["key_sha256"],
        bool(part["holds_key"]),
    )
