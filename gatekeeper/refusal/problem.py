"""The answer for programs: ``application/problem+json`` (RFC 9457), in English.

Everything beyond ASCII is written as ``\\u…``, so that no certificate's name can control a curl user's terminal.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from http import HTTPStatus
from json.encoder import encode_basestring_ascii as _quoted

from gatekeeper.gate.certificate import Certificate
from gatekeeper.gate.verdict import Reason, Refuse
from gatekeeper.refusal.shown import rfc3339

# Longer names are cut: the response stays small, whatever the client sent.
LONGEST_VALUE = 1024

_MEMBERS = json.JSONEncoder(separators=(",\n  ", ": "))
_NESTED = json.JSONEncoder(separators=(",\n    ", ": "))

# HTTPStatus has other phrases for these before Python 3.13.
_PHRASES = {413: "Content Too Large", 414: "URI Too Long"}

# Title and advice of each reason. They depend on nothing else, so they are all that detail = "minimal" reveals.
_TEXTS: dict[Reason, tuple[str, str]] = {
    Reason.NO_CERTIFICATE: (
        "No client certificate was sent",
        "Send your certificate in the TLS handshake, as in: curl --cert device.crt --key device.key. Many programs "
        "silently send none if its issuer is not accepted here or its key cannot be read.",
    ),
    Reason.EXPIRED: ("The client certificate has expired", "Send a renewed certificate."),
    Reason.NOT_YET_VALID: (
        "The client certificate is not valid yet",
        "Wait until it is, and check the clocks of the client, the gate and the authority.",
    ),
    Reason.REVOKED: ("The client certificate has been revoked", "Ask for a new certificate."),
    Reason.UNTRUSTED_ISSUER: (
        "The client certificate was issued by an authority that is not accepted here",
        "Send a certificate from an accepted authority, with the intermediate certificates it needs.",
    ),
    Reason.WRONG_PURPOSE: (
        "The client certificate was not issued for client authentication",
        "Send a certificate whose extended key usage allows clientAuth.",
    ),
    Reason.BLANK_NAME: ("The client certificate has no name", "Ask for a certificate with a common name (CN)."),
    Reason.NOT_ALLOWED: (
        "The client certificate is valid, but has no access to this",
        "Ask for access, or send another certificate.",
    ),
    Reason.REVOCATION_UNKNOWN: (
        "The revocation status of the client certificate is unknown",
        "Try again later; if the problem persists, tell the operator of this service.",
    ),
    Reason.INVALID_CERTIFICATE: (
        "The client certificate was rejected",
        "Send another certificate, or ask for a new one.",
    ),
}


def refusal(refused: Refuse, request_id: str, *, minimal: bool) -> bytes:
    """The body of a 403; ``minimal`` leaves out the certificate and everything that the check found in it."""
    certificate = None if minimal or refused.certificate is None else _certificate(refused.certificate)
    return _whole(_refusal(refused.reason, "" if minimal else _cut(refused.detail)), request_id, certificate)


def sentence(refused: Refuse, *, minimal: bool) -> str:
    """The body of a 403 in one line, for clients that do not show a body: reason, finding, advice."""
    title, advice = _TEXTS[refused.reason]
    return f"{refused.reason}: {title if minimal else refused.detail.rstrip('.')}. {advice}"


def failure(status: int, detail: str, request_id: str, *, minimal: bool) -> bytes:
    """The body of any other answer of the gate itself. The type is about:blank (section 4.2.1)."""
    why = {} if minimal else {"detail": _cut(detail)}
    return _whole(_encoded({"type": "about:blank", "title": phrase(status), "status": status, **why}), request_id)


def phrase(status: int) -> str:
    """The reason phrase of a status (RFC 9110, section 15)."""
    return _PHRASES.get(status) or HTTPStatus(status).phrase


def _certificate(certificate: Certificate) -> Mapping[str, str]:
    return {
        "subject": _cut(certificate.subject),
        "issuer": _cut(certificate.issuer),
        "serial": _cut(certificate.serial),
        "not_before": rfc3339(certificate.not_before),
        "not_after": rfc3339(certificate.not_after),
        "sha256": certificate.sha256,
    }


@lru_cache(maxsize=64)
def _refusal(reason: Reason, detail: str) -> str:
    """What is the same for every visitor who is refused for this reason, and with this detail."""
    title, advice = _TEXTS[reason]
    members: dict[str, object] = {
        "type": f"urn:gatekeeper:refusal:{reason}",
        "title": title,
        "status": 403,
        "detail": f"{detail} {advice}" if detail else advice,
        "reason": reason,
    }
    return _encoded(members)


def _encoded(members: Mapping[str, object]) -> str:
    return _MEMBERS.encode(members)[1:-1]


def _whole(members: str, request_id: str, certificate: Mapping[str, str] | None = None) -> bytes:
    """What `json.dumps` writes with an indent of two, in half the time: Python's encoder in C cannot indent."""
    text = f'{members},\n  "request_id": {_quoted(request_id)}'
    if certificate is not None:
        text += f',\n  "certificate": {{\n    {_NESTED.encode(certificate)[1:-1]}\n  }}'
    return f"{{\n  {text}\n}}\n".encode("ascii")


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"
