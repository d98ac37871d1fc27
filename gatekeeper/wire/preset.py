"""The headers in which an app learns who is there, written as the systems it knows write them."""

from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import quote

from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_der_x509_certificate

from gatekeeper.gate.certificate import Certificate
from gatekeeper.gate.verdict import Identity


@lru_cache(1024)
def identity_headers(identity: Identity) -> bytes:
    """The header lines of the ``nginx`` preset for an admitted visitor; made once for each certificate."""
    return b"".join(_line(name, value) for name, value in nginx(identity))


def nginx(identity: Identity) -> list[tuple[str, str]]:
    """What ``proxy_set_header X-SSL-Client-… $ssl_client_…`` sends (ngx_http_ssl_module, embedded variables)."""
    certificate = identity.certificate
    return [
        ("X-SSL-Client-Verify", "SUCCESS"),
        ("X-SSL-Client-S-DN", certificate.subject),
        ("X-SSL-Client-I-DN", certificate.issuer),
        ("X-SSL-Client-Serial", certificate.serial),
        ("X-SSL-Client-Fingerprint", certificate.sha1),
        ("X-SSL-Client-V-Start", _asn1_time(certificate.not_before)),
        ("X-SSL-Client-V-End", _asn1_time(certificate.not_after)),
        ("X-SSL-Client-Escaped-Cert", quote(pem(certificate), safe="")),
    ]


def pem(certificate: Certificate) -> str:
    """The certificate in PEM, 64 characters a line, with a final line end."""
    return load_der_x509_certificate(certificate.der).public_bytes(Encoding.PEM).decode("ascii")


def _asn1_time(seconds: float) -> str:
    """As OpenSSL's ASN1_TIME_print writes it: ``Nov  3 19:00:00 2026 GMT``, English whatever the locale."""
    moment = datetime.fromtimestamp(seconds, UTC)
    month = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"][moment.month - 1]
    return f"{month} {moment.day:2d} {moment:%H:%M:%S} {moment.year} GMT"


def _line(name: str, value: str) -> bytes:
    """One header line; ValueError if the value would break out of it. Names are escaped to ASCII long before."""
    if any(not " " <= char <= "~" for char in value):
        raise ValueError(f"{name} would hold a character that cannot stand in a header")
    return f"{name}: {value}\r\n".encode("ascii")
