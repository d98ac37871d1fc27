"""What visitors present in these tests: certificates as values, so that any field can hold anything."""

from dataclasses import replace

from gatekeeper.gate.certificate import Certificate
from gatekeeper.gate.verdict import Reason, Refuse

DAY = 86_400
NOW = 1_795_460_400.0  # 2026-11-23 19:00:00 UTC
CHROME = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
CURL = "*/*"

CERTIFICATE = Certificate(
    der=b"0\x82",
    subject="CN=alice's laptop,OU=ops,O=Home",
    issuer="CN=Home CA,O=Home",
    serial="0A1B2C3D",
    not_before=NOW - 100 * DAY,
    not_after=NOW + 265 * DAY,
    common_names=("alice's laptop",),
    organizations=("Home",),
    organizational_units=("ops",),
    issuer_common_names=("Home CA",),
    emails=(),
    dns_names=(),
    uris=(),
    ips=(),
    sha1="11" * 20,
    sha256="ab" * 32,
    spki_sha256="cd" * 32,
)
EXPIRED = replace(CERTIFICATE, not_after=NOW - 3 * DAY)

HOSTILE = (
    "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
    "</bdi></dd></title></style><style>*{display:none}</style>"
    "{{ 7 * 7 }}{% raw %} \r\nSet-Cookie: a=b\x00\x1b[2J\u202egnp.exe\u2066\ud800"
)


def refuse(reason: Reason, certificate: Certificate | None = CERTIFICATE, detail: str = "What was found.") -> Refuse:
    """A refusal that presented ``certificate``, or none where the reason is that there was none."""
    return Refuse(reason, detail, None if reason is Reason.NO_CERTIFICATE else certificate)
