"""The answer for programs: ``application/problem+json`` (RFC 9457), in English.

Everything beyond ASCII is written as ``\\u…``, so that no certificate's name can steer the terminal of who runs curl.
"""

import json
from collections.abc import Mapping
from http import HTTPStatus

from gatekeeper.gate.certificate import Certificate
from gatekeeper.gate.verdict import Reason, Refuse
from gatekeeper.refusal.shown import rfc3339

# Longer names are cut: an answer to somebody unknown stays small, whatever they sent.
LONGEST_VALUE = 1024

# Where HTTPStatus has other words before Python 3.13.
_PHRASES = {413: "Content Too Large", 414: "URI Too Long"}

# Title and advice of each reason. They depend on nothing else, so they are all that detail = "minimal" tells.
_TEXTS: dict[Reason, tuple[str, str]] = {
    Reason.NO_CERTIFICATE: (
        "No client certificate was sent",
        "Send your certificate in the TLS handshake, as in: curl --cert device.crt --key device.key.",
    ),
    Reason.EXPIRED: ("The client certificate has expired", "Send a renewed certificate."),
    Reason.NOT_YET_VALID: (
        "The client certificate is not valid yet",
        "Wait until it is, and compare the clocks of the client, the gate and the authority.",
    ),
    Reason.REVOKED: ("The client certificate has been revoked", "Ask for a new certificate."),
    Reason.UNTRUSTED_ISSUER: (
        "The client certificate comes from an authority that is not accepted here",
        "Send a certificate of the right authority, together with the intermediate certificates it needs.",
    ),
    Reason.WRONG_PURPOSE: (
        "The client certificate was not made for signing in as a client",
        "Send a certificate whose extended key usage allows clientAuth.",
    ),
    Reason.BLANK_NAME: ("The client certificate has no name", "Ask for a certificate with a common name (CN)."),
    Reason.NOT_ALLOWED: (
        "The client certificate is good, but has no access to this",
        "Ask for access, or send another certificate.",
    ),
    Reason.REVOCATION_UNKNOWN: (
        "It is not known whether the client certificate has been revoked",
        "Try again later; if it stays like this, tell whoever runs this service.",
    ),
    Reason.INVALID_CERTIFICATE: (
        "The client certificate was rejected",
        "Send another certificate, or ask for a new one.",
    ),
}


def refusal(refused: Refuse, request_id: str, *, minimal: bool) -> bytes:
    """The body of a 403; ``minimal`` leaves out the certificate and everything that was found in it."""
    title, advice = _TEXTS[refused.reason]
    members: dict[str, object] = {
        "type": f"urn:gatekeeper:refusal:{refused.reason}",
        "title": title,
        "status": 403,
        "detail": advice if minimal else f"{_cut(refused.detail)} {advice}",
        "reason": refused.reason,
        "request_id": request_id,
    }
    if refused.certificate is not None and not minimal:
        members["certificate"] = _certificate(refused.certificate)
    return _write(members).encode("ascii") + b"\n"


def failure(status: int, detail: str, request_id: str, *, minimal: bool) -> bytes:
    """The body of any other answer of the gate itself: the status says it all, so the type is about:blank (4.2.1)."""
    members: dict[str, object] = {"type": "about:blank", "title": phrase(status), "status": status}
    if not minimal:
        members["detail"] = _cut(detail)
    members["request_id"] = request_id
    return _write(members).encode("ascii") + b"\n"


def phrase(status: int) -> str:
    """The status in words, as RFC 9110 has it."""
    return _PHRASES.get(status) or HTTPStatus(status).phrase


def _certificate(certificate: Certificate) -> dict[str, object]:
    return {
        "subject": _cut(certificate.subject),
        "issuer": _cut(certificate.issuer),
        "serial": _cut(certificate.serial),
        "not_before": rfc3339(certificate.not_before),
        "not_after": rfc3339(certificate.not_after),
        "sha256": certificate.sha256,
    }


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"


def _write(members: Mapping[str, object], indent: str = "") -> str:
    """One member a line. ``json.dumps(indent=2)`` writes the same and takes three times as long."""
    lines = (
        f'{indent}  "{name}": {_write(value, indent + "  ") if isinstance(value, Mapping) else json.dumps(value)}'
        for name, value in members.items()
    )
    return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
