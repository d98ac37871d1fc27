"""``X-Forwarded-Tls-Client-Cert`` and ``-Info``: Traefik's passTLSClientCert with ``pem`` and all of ``info``.

Traefik escapes nothing inside of ``-Info``: a comma in a name looks like one between names there. Apps that decide by
names should take another preset.
"""

from collections.abc import Iterator
from urllib.parse import quote_plus

from cryptography import x509
from cryptography.x509.oid import NameOID

from gatekeeper.gate.certificate import Certificate, read_certificate
from gatekeeper.gate.verdict import Identity
from gatekeeper.wire.presets.pem import base64

_PARTS = (
    ("C", NameOID.COUNTRY_NAME),
    ("ST", NameOID.STATE_OR_PROVINCE_NAME),
    ("L", NameOID.LOCALITY_NAME),
    ("O", NameOID.ORGANIZATION_NAME),
)
_UNIT = ("OU", NameOID.ORGANIZATIONAL_UNIT_NAME)
# Go keeps only the last of these.
_SINGLE_PARTS = (("SN", NameOID.SERIAL_NUMBER), ("CN", NameOID.COMMON_NAME))


def headers(identity: Identity, _server: Certificate) -> list[tuple[str, str]]:
    """Both cover every certificate that the client sent, its own first, but for those that nobody can read: Traefik
    lets no such client in.
    """
    sent = (identity.certificate.der, *filter(_is_readable, identity.chain))
    info = ",".join(";".join(_fields(x509.load_der_x509_certificate(der))) for der in sent)
    return [
        ("X-Forwarded-Tls-Client-Cert", ",".join(map(base64, sent))),
        ("X-Forwarded-Tls-Client-Cert-Info", quote_plus(info)),
    ]


def _is_readable(der: bytes) -> bool:
    try:
        read_certificate(der)
    except ValueError:
        return False
    return True


def _fields(certificate: x509.Certificate) -> Iterator[str]:
    subject, issuer = _name(certificate.subject, (*_PARTS, _UNIT)), _name(certificate.issuer, _PARTS)
    if subject:
        yield f'Subject="{subject}"'
    if issuer:
        yield f'Issuer="{issuer}"'
    yield f'SerialNumber="{certificate.serial_number}"'
    yield f'NB="{int(certificate.not_valid_before_utc.timestamp())}"'
    yield f'NA="{int(certificate.not_valid_after_utc.timestamp())}"'
    names = ",".join(_alternatives(certificate))
    if names:
        yield f'SAN="{names}"'


def _name(name: x509.Name, parts: tuple[tuple[str, x509.ObjectIdentifier], ...]) -> str:
    written = [f"DC={value}" for value in _values(name, NameOID.DOMAIN_COMPONENT)]
    written += [f"{key}={value}" for key, oid in parts for value in _values(name, oid) if value]
    written += [f"{key}={value}" for key, oid in _SINGLE_PARTS for value in _values(name, oid)[-1:] if value]
    return ",".join(written).removesuffix(",")


def _values(name: x509.Name, oid: x509.ObjectIdentifier) -> list[str]:
    return [str(attribute.value) for attribute in name.get_attributes_for_oid(oid)]


def _alternatives(certificate: x509.Certificate) -> Iterator[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return
    for kind in (x509.DNSName, x509.RFC822Name, x509.IPAddress, x509.UniformResourceIdentifier):
        yield from map(str, names.get_values_for_type(kind))
