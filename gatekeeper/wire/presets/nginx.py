"""``X-SSL-Client-*``: what ``proxy_set_header X-SSL-Client-… $ssl_client_…`` sends (ngx_http_ssl_module)."""

from datetime import UTC, datetime
from urllib.parse import quote

from gatekeeper.gate.certificate import Certificate
from gatekeeper.gate.verdict import Identity
from gatekeeper.wire.presets.pem import pem

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def headers(identity: Identity, _server: Certificate) -> list[tuple[str, str]]:
    """The embedded variables of the same names; the fingerprint is nginx's, SHA-1."""
    certificate = identity.certificate
    return [
        ("X-SSL-Client-Verify", "SUCCESS"),
        ("X-SSL-Client-S-DN", certificate.subject),
        ("X-SSL-Client-I-DN", certificate.issuer),
        ("X-SSL-Client-Serial", certificate.serial),
        ("X-SSL-Client-Fingerprint", certificate.sha1),
        ("X-SSL-Client-V-Start", asn1_time(certificate.not_before)),
        ("X-SSL-Client-V-End", asn1_time(certificate.not_after)),
        ("X-SSL-Client-Escaped-Cert", quote(pem(certificate.der), safe="")),
    ]


def asn1_time(seconds: float) -> str:
    """As OpenSSL's ASN1_TIME_print(3) writes it: ``Nov  3 19:00:00 2026 GMT``, English whatever the locale."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{_MONTHS[moment.month - 1]} {moment.day:2d} {moment:%H:%M:%S} {moment.year} GMT"
