"""The output of ``gatekeeper ca … --json``: the facts of the text output, for scripts. Names are a stable interface."""

from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from gatekeeper.ca.index import Entry, Index, iso
from gatekeeper.ca.inspection import Inspection
from gatekeeper.ca.issuer import Issued
from gatekeeper.gate.certificate import serial_hex
from gatekeeper.gate.names import rfc2253


def authority_fields(certificate: x509.Certificate, folder: Path) -> dict[str, Any]:
    """For ``init``, ``rollover`` and ``renew ca``."""
    return {
        "subject": rfc2253(certificate.subject),
        "not_after": iso(certificate.not_valid_after_utc),
        "sha256": certificate.fingerprint(hashes.SHA256()).hex(),
        "files": [str(folder / name) for name in ("ca.crt", "ca.crl", "ca.key", "index.json")],
    }


def issued_fields(issued: Issued) -> dict[str, Any]:
    """For ``issue``, ``sign``, ``server`` and ``renew``."""
    entry = issued.entry
    return {
        "name": entry.name,
        "serial": entry.serial_hex,
        "kind": entry.kind,
        "subject": entry.subject,
        "not_before": iso(entry.not_before),
        "not_after": iso(entry.not_after),
        "files": [str(path) for path in issued.files],
        "password": issued.password,
        "revoked": [old.serial_hex for old in issued.superseded],
        "not_granted": list(issued.not_granted),
    }


def entry_fields(index: Index, entry: Entry, now: datetime) -> dict[str, Any]:
    """One entry of ``list``."""
    revocation = index.revocation(entry.serial)
    return {
        "name": entry.name,
        "serial": entry.serial_hex,
        "kind": entry.kind,
        "status": index.status(entry, now),
        "subject": entry.subject,
        "not_before": iso(entry.not_before),
        "not_after": iso(entry.not_after),
        "days_left": days_left(entry, now),
        "on_old_authority": bool(index.retiring) and entry.authority == index.retiring,
        "revoked_at": iso(revocation.at) if revocation else None,
        "reason": revocation.reason if revocation else None,
    }


def unlisted_fields(index: Index) -> list[dict[str, Any]]:
    """Revoked certificates that an adopted authority signed before, which the index does not list."""
    known = {entry.serial for entry in index.entries}
    return [
        {
            "name": None,
            "serial": serial_hex(one.serial),
            "status": "revoked",
            "revoked_at": iso(one.at),
            "reason": one.reason,
        }
        for one in index.revocations
        if one.serial not in known
    ]


def inspection_fields(one: Inspection) -> dict[str, Any]:
    """One object described by ``show``."""
    judged = one.judged
    return {
        "title": one.title,
        "facts": [[label, value] for label, value in one.facts],
        "let_in": None if judged is None else judged.reason is None,
        "reason": judged.reason if judged else None,
        "detail": judged.detail if judged else one.remark,
    }


def days_left(entry: Entry, now: datetime) -> int:
    """Whole days until a certificate expires, 0 if it has."""
    return max(0, (entry.not_after - now).days)
