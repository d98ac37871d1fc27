"""The certificate that answers a tls-alpn-01 challenge (RFC 8737, 3; for addresses RFC 8738, 6)."""

import datetime
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

_ACME_IDENTIFIER = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31")
_VALID = datetime.timedelta(days=7)


def general_name(name: str) -> x509.GeneralName:
    """A configured name or address as a subjectAltName entry."""
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def server_name(name: str) -> str:
    """The SNI that a validating client sends: for an address, its reverse DNS name (RFC 8738, 6)."""
    try:
        return ip_address(name).reverse_pointer
    except ValueError:
        return name


def challenge_certificate(name: str, digest: bytes) -> bytes:
    """Key and certificate, PEM: self-signed, for exactly this name, with the SHA-256 of the key authorization in a
    critical acmeIdentifier extension.
    """
    identifier = x509.UnrecognizedExtension(_ACME_IDENTIFIER, b"\x04\x20" + digest)
    return _self_signed([general_name(name)], _VALID, [(identifier, True)])


def placeholder(names: list[str]) -> bytes:
    """Key and certificate, PEM: self-signed, served until a directory has issued one."""
    return _self_signed([general_name(name) for name in names], datetime.timedelta(days=3650), [])


def _self_signed(
    names: list[x509.GeneralName], valid: datetime.timedelta, extensions: list[tuple[x509.ExtensionType, bool]]
) -> bytes:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "gatekeeper")])
    builder = x509.CertificateBuilder(
        subject, subject, key.public_key(), x509.random_serial_number(), now - datetime.timedelta(hours=1), now + valid
    ).add_extension(x509.SubjectAlternativeName(names), critical=False)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    certificate = builder.sign(key, hashes.SHA256())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private + certificate.public_bytes(Encoding.PEM)
