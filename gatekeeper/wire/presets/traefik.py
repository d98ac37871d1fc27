"""``X-Forwarded-Tls-Client-Cert`` and ``-Info``: Traefik's passTLSClientCert with ``pem`` and all of ``info``.

Traefik escapes nothing inside of ``-Info``: a comma in a name looks like one between names there. Apps that decide by
names should take another preset.
"""

from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import quote_plus

from gatekeeper.gate.certificate import Certificate
from gatekeeper.gate.verdict import Identity
from gatekeeper.wire.presets.pem import base64
from gatekeeper.x509 import names
from gatekeeper.x509.certificate import SUBJECT_ALTERNATIVE_NAME, RawCertificate, parse_certificate
from gatekeeper.x509.extensions import NO_NAMES, alternative_names, read
from gatekeeper.x509.names import Name, texts

_PARTS = (("C", names.C), ("ST", names.ST), ("L", names.L), ("O", names.O))
_UNIT = ("OU", names.OU)
# Go keeps only the last of these.
_SINGLE_PARTS = (("SN", names.SERIAL_NUMBER), ("CN", names.CN))


def headers(identity: Identity, _server: Certificate) -> list[tuple[str, str]]:
    """Both cover every certificate that the client sent, its own first, but for those that nobody can read: Traefik
    lets no such client in.
    """
    sent = [parse_certificate(identity.certificate.der), *_readable(identity.chain)]
    info = ",".join(";".join(_fields(one)) for one in sent)
    return [
        ("X-Forwarded-Tls-Client-Cert", ",".join(base64(one.der) for one in sent)),
        ("X-Forwarded-Tls-Client-Cert-Info", quote_plus(info)),
    ]


def _readable(chain: tuple[bytes, ...]) -> Iterator[RawCertificate]:
    for der in chain:
        with suppress(ValueError):
            yield parse_certificate(der)


def _fields(certificate: RawCertificate) -> Iterator[str]:
    subject, issuer = _name(certificate.subject, (*_PARTS, _UNIT)), _name(certificate.issuer, _PARTS)
    if subject:
        yield f'Subject="{subject}"'
    if issuer:
        yield f'Issuer="{issuer}"'
    yield f'SerialNumber="{certificate.serial}"'
    yield f'NB="{int(certificate.not_before)}"'
    yield f'NA="{int(certificate.not_after)}"'
    alternatives = ",".join(_alternatives(certificate))
    if alternatives:
        yield f'SAN="{alternatives}"'


def _name(name: Name, parts: tuple[tuple[str, bytes], ...]) -> str:
    written = [f"DC={value}" for value in texts(name, names.DC)]
    written += [f"{key}={value}" for key, oid in parts for value in texts(name, oid) if value]
    written += [f"{key}={value}" for key, oid in _SINGLE_PARTS for value in texts(name, oid)[-1:] if value]
    return ",".join(written).removesuffix(",")


def _alternatives(certificate: RawCertificate) -> tuple[str, ...]:
    extension = certificate.extensions.get(SUBJECT_ALTERNATIVE_NAME)
    found = (read(alternative_names, extension.value) if extension else None) or NO_NAMES
    return (*found.dns_names, *found.emails, *found.ips, *found.uris)
