"""Authorities: a private key and its CA certificate. The current time is always an argument."""

import secrets
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from gatekeeper.ca.keys import DEFAULT_KEY_TYPE, PrivateKey, make_key, signature_hash
from gatekeeper.ca.subject import make_subject

YEAR = timedelta(days=365)
# As easy-rsa and mkcert: every device needs a certificate of the next authority before this one expires.
AUTHORITY_LIFETIME = 10 * YEAR

# Clocks of phones and virtual machines lag by minutes; a new certificate must not be "not yet valid" for them.
BACKDATE = timedelta(minutes=10)

# Smaller serial numbers are left to people who count by hand (`openssl x509 -set_serial 01`).
_SMALLEST_SERIAL = 1 << 64

_SERIAL_BITS = 128


@dataclass(frozen=True, slots=True)
class Authority:
    """A private key that signs certificates, and its CA certificate."""

    certificate: x509.Certificate
    key: PrivateKey

    @property
    def certificate_pem(self) -> bytes:
        """The content of ``ca.crt``."""
        return self.certificate.public_bytes(Encoding.PEM)


def make_authority(
    name: str, *, key_type: str = DEFAULT_KEY_TYPE, lifetime: timedelta = AUTHORITY_LIFETIME, now: datetime
) -> Authority:
    """Generate a key and a self-signed CA certificate: version 3, path length 0, keyUsage, key identifiers."""
    return authority_from_key(make_key(key_type), make_subject(name).name, lifetime=lifetime, now=now)


def authority_from_key(
    key: PrivateKey, name: x509.Name, *, lifetime: timedelta = AUTHORITY_LIFETIME, now: datetime
) -> Authority:
    """A self-signed CA certificate for an existing key."""
    public = key.public_key()
    identifier = x509.SubjectKeyIdentifier.from_public_key(public)
    builder = (
        new_builder(name, name, public, lifetime, now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(key_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
    )
    return Authority(builder.sign(key, signature_hash(key)), key)


def renewed_authority(authority: Authority, *, lifetime: timedelta = AUTHORITY_LIFETIME, now: datetime) -> Authority:
    """A new certificate for the authority with the same name and key, so every certificate it signed stays valid.

    An adopted authority keeps its extensions (path length, name constraints, key identifier), since other parties may
    depend on them. One of version 1, which has none, gets the extensions of `make_authority`.
    """
    old, key = authority.certificate, authority.key
    if old.version is x509.Version.v1:
        return authority_from_key(key, old.subject, lifetime=lifetime, now=now)
    builder = new_builder(old.subject, old.subject, key.public_key(), lifetime, now)
    for extension in old.extensions:
        own = isinstance(extension.value, x509.AuthorityKeyIdentifier)  # the AKI may name the old serial
        value = issuer_identifier(old) if own else extension.value
        builder = builder.add_extension(value, extension.critical)
    return Authority(builder.sign(key, signature_hash(key)), key)


def cross_signed(subject: Authority, signer: Authority, *, now: datetime) -> x509.Certificate:
    """A certificate for the key of ``subject``, signed by ``signer`` (RFC 4210, 4.4, root CA key update).

    Both have the same name, so the certificate is self-issued and does not count against a path length (RFC 5280,
    4.2.1.9). It expires when the first of the two authorities does.
    """
    old = subject.certificate
    end = min(old.not_valid_after_utc, signer.certificate.not_valid_after_utc)
    builder = (
        new_builder(old.subject, signer.certificate.subject, old.public_key(), end - now, now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(key_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(key_identifier(old), critical=False)
        .add_extension(issuer_identifier(signer.certificate), critical=False)
    )
    return builder.sign(signer.key, signature_hash(signer.key))


def make_anchor(authority: Authority, hosts: Sequence[str], *, now: datetime) -> x509.Certificate:
    """A certificate of the authority's own key that a device can trust for the servers of these hosts, and no others.

    Name constraints (RFC 5280, 4.2.1.10): a DNS name stands for the names below it, too. Without an address among the
    hosts all are excluded, as a form of names that is not mentioned would not be constrained. Not every device enforces
    constraints in a trust anchor. ValueError if no host is a name: DNS names cannot be excluded, because OpenSSL takes
    the common name for one where a server's certificate has none (NAME_CONSTRAINTS_check_CN).
    """
    names, addresses = _hosts_by_form(hosts)
    if not names:
        raise ValueError("an anchor needs a host name")
    excluded = [] if addresses else [x509.IPAddress(ip_network(every)) for every in ("0.0.0.0/0", "::/0")]
    old, public = authority.certificate, authority.key.public_key()
    builder = (
        new_builder(old.subject, old.subject, public, old.not_valid_after_utc - now, now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(key_usage(key_cert_sign=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.NameConstraints([*names, *addresses], excluded or None), critical=True)
        .add_extension(key_identifier(old), critical=False)
        .add_extension(issuer_identifier(old), critical=False)
    )
    return builder.sign(authority.key, signature_hash(authority.key))


def _hosts_by_form(hosts: Sequence[str]) -> tuple[list[x509.DNSName], list[x509.IPAddress]]:
    names, addresses = [], []
    for host in hosts:
        try:
            addresses.append(x509.IPAddress(ip_network(host)))
        except ValueError:
            names.append(x509.DNSName(host))
    return names, addresses


def identifier_hex(certificate: x509.Certificate) -> str:
    """The subject key identifier in hex, which distinguishes two authorities of the same name."""
    return key_identifier(certificate).digest.hex()


def is_signed_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    """Whether the authority's key made the signature and the names match. Dates are not checked."""
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def key_identifier(certificate: x509.Certificate) -> x509.SubjectKeyIdentifier:
    """The subject key identifier of the certificate; without one, the hash of its key (RFC 5280, 4.2.1.2)."""
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        return x509.SubjectKeyIdentifier.from_public_key(certificate.public_key())


def issuer_identifier(certificate: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    """The authority key identifier for certificates that this authority signs: its own subject key identifier,
    unchanged (RFC 5280, 4.2.1.1).
    """
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(key_identifier(certificate))


def names_serial_of(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    """Whether the AKI names the authority by its serial number, as easy-rsa writes it (RFC 5280, 4.2.1.1).

    OpenSSL and nginx then refuse the certificate under an authority of the same key with another serial number.
    """
    try:
        identifier = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    except x509.ExtensionNotFound:
        return False
    return identifier.authority_cert_serial_number == authority.serial_number


def random_serial(taken: Container[int] = (), draw: Callable[[], int] = lambda: secrets.randbits(_SERIAL_BITS)) -> int:
    """A serial number of 128 random bits (RFC 5280, 4.1.2.2 allows 20 octets) that is neither taken nor small."""
    while (serial := draw()) < _SMALLEST_SERIAL or serial in taken:
        pass
    return serial


def new_builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: CertificatePublicKeyTypes,
    lifetime: timedelta,
    now: datetime,
    serial: int | None = None,
) -> x509.CertificateBuilder:
    """A certificate builder with names, key, serial number (random if None) and dates set."""
    now = now.astimezone(UTC).replace(microsecond=0)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(random_serial() if serial is None else serial)
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + lifetime)
    )


def key_usage(
    *,
    digital_signature: bool = False,
    key_encipherment: bool = False,
    key_cert_sign: bool = False,
    crl_sign: bool = False,
) -> x509.KeyUsage:
    """A keyUsage extension with only the four usages that are ever set here (RFC 5280, 4.2.1.3)."""
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=key_encipherment,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )
