"""Makes text from strangers safe to display: bounded, and without invisible characters.

Escaping for HTML and JSON is not done here; the template and the JSON encoder do that to every value.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlsplit

from gatekeeper.gate.certificate import Certificate
from gatekeeper.gate.names import UNSEEN

# A name takes at most two lines on a wide screen; a whole distinguished name, or the gate's own text, a paragraph.
LONGEST_NAME = 160
LONGEST_PARAGRAPH = 600
# A request id is echoed in a header; what a trusted proxy sends as one is a UUID or a ULID.
LONGEST_REQUEST_ID = 128

# The words of RFC 5280, 4.2.1.12.
_PURPOSES = {
    "1.3.6.1.5.5.7.3.1": "serverAuth",
    "1.3.6.1.5.5.7.3.2": "clientAuth",
    "1.3.6.1.5.5.7.3.3": "codeSigning",
    "1.3.6.1.5.5.7.3.4": "emailProtection",
    "1.3.6.1.5.5.7.3.8": "timeStamping",
    "1.3.6.1.5.5.7.3.9": "OCSPSigning",
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAIL_ADDRESS = re.compile(r"[^\s@<>\"?&#%]+@[^\s@<>\"?&#%]+")
_NOT_A_TOKEN = re.compile(r"[^!-~]")


def visible(text: str, limit: int) -> str:
    """At most ``limit`` characters of ``text``, the rest an ellipsis, with every unseen character spelled out.

    Control characters, the marks that turn the direction of writing around (Unicode TR 36, 2.9), zero-width characters,
    line separators, lone surrogates: what `str.isprintable` denies, or `UNSEEN` matches, is shown as its code point,
    ``‹U+202E›``.
    """
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    text = UNSEEN.sub(_spelled_out, text)
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else f"‹U+{ord(char):04X}›" for char in text)


def _spelled_out(found: re.Match[str]) -> str:
    return f"‹U+{ord(found[0]):04X}›"


def header_safe(request_id: str) -> str:
    """The request id as it can stand in a header field: visible ASCII, anything else an underscore, bounded."""
    return _NOT_A_TOKEN.sub("_", request_id[:LONGEST_REQUEST_ID])


def moment(seconds: float) -> datetime:
    """Seconds since the epoch as a UTC time; any time a certificate can hold, years before 1970 too."""
    return _EPOCH + timedelta(seconds=seconds)


def rfc3339(seconds: float) -> str:
    """``2026-11-23T19:00:00Z``."""
    return f"{moment(seconds).replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def minutes(seconds: float) -> str:
    """``2026-11-23 19:00 UTC``, the same in every language, and no day that could be a month."""
    return f"{moment(seconds).replace(tzinfo=None).isoformat(' ', timespec='minutes')} UTC"


@dataclass(frozen=True, slots=True)
class ShownCertificate:
    """A certificate as the page shows it: text of bounded length, not yet escaped for HTML."""

    name: str
    issuer: str
    not_before: str
    not_after: str
    serial: str
    sha256: str
    subject_dn: str
    issuer_dn: str
    purpose: str = ""


def show(certificate: Certificate) -> ShownCertificate:
    """The fields of a certificate for the page. Anyone may have made it."""
    issuer = certificate.issuer_common_names[0] if certificate.issuer_common_names else certificate.issuer
    return ShownCertificate(
        name=visible(certificate.common_name.strip(), LONGEST_NAME),
        issuer=visible(issuer, LONGEST_NAME),
        not_before=minutes(certificate.not_before),
        not_after=minutes(certificate.not_after),
        serial=visible(certificate.serial, LONGEST_NAME),
        sha256=certificate.sha256,
        subject_dn=visible(certificate.subject, LONGEST_PARAGRAPH),
        issuer_dn=visible(certificate.issuer, LONGEST_PARAGRAPH),
        purpose=visible(", ".join(_PURPOSES.get(one, one) for one in certificate.purposes), LONGEST_NAME),
    )


def contact_link(contact: str) -> str:
    """The link behind the contact: mailto: or http(s), or "" for a text that is neither."""
    if _MAIL_ADDRESS.fullmatch(contact):
        return f"mailto:{quote(contact, safe='@+')}"
    try:
        parts = urlsplit(contact)
    except ValueError:
        return ""
    return contact if parts.scheme in ("http", "https") and parts.hostname else ""
