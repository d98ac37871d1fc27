"""Certificates: who signs, what they say, how long they hold. Values in, objects out; the time is an argument."""

import ipaddress
import secrets
import uuid
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gatekeeper.ca.bundle import make_bundle
from gatekeeper.ca.keys import DEFAULT_KEY_TYPE, PrivateKey, key_pem, make_key, signature_hash

YEAR = timedelta(days=365)

# Clocks of phones and virtual machines lag by minutes; a new certificate must not be "not yet valid" for them.
BACKDATE = timedelta(minutes=10)

# Below lie the serials that people count by hand (`openssl x509 -set_serial 01`). Ours are random and never down there.
_SMALLEST_SERIAL = 1 << 64
_SERIAL_BITS = 128

# What our urn:uuid: names are derived under; any constant does (RFC 9562, 6.6).
_NAMESPACE = uuid.UUID("6d1c3b0e-5f0a-4c43-9a57-2f1d9b8f7a11")


@dataclass(frozen=True, slots=True)
class Authority:
    """A key that may sign, and the certificate that says so."""

    certificate: x509.Certificate
    key: PrivateKey

    @property
    def certificate_pem(self) -> bytes:
        """What goes into ``ca.crt``."""
        return self.certificate.public_bytes(Encoding.PEM)


@dataclass(frozen=True, slots=True)
class Holder:
    """What a certificate says about its bearer: the subject, and the alternative names (RFC 5280, 4.2.1.6)."""

    name: x509.Name
    alternatives: tuple[x509.GeneralName, ...] = ()


@dataclass(frozen=True, slots=True)
class Credential:
    """A certificate, its key, and the authority's certificate (None where it signed itself)."""

    certificate: x509.Certificate
    key: PrivateKey
    authority: x509.Certificate | None = None

    @property
    def certificate_pem(self) -> bytes:
        """The certificate alone."""
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def chain_pem(self) -> bytes:
        """The certificate, then the authority's: what a server sends."""
        above = b"" if self.authority is None else self.authority.public_bytes(Encoding.PEM)
        return self.certificate_pem + above

    def key_pem(self, passphrase: bytes | None = None) -> bytes:
        """The key as PKCS #8 PEM, encrypted if there is a passphrase."""
        return key_pem(self.key, passphrase)

    def bundle(self, password: str, *, compat: bool = False, friendly_name: str | None = None) -> bytes:
        """The ``.p12`` (see `gatekeeper.ca.bundle.make_bundle`)."""
        name = friendly_name or common_name(self.certificate.subject) or "client"
        return make_bundle(self.key, self.certificate, self.authority, password, friendly_name=name, compat=compat)


def holder(
    name: str | None,
    *,
    organizational_units: Iterable[str] = (),
    emails: Iterable[str] = (),
    dns_names: Iterable[str] = (),
    uris: Iterable[str] = (),
    ips: Iterable[str] = (),
) -> Holder:
    """Put a `Holder` together; ValueError for what cannot stand in a certificate: an empty name, one of 65 characters …

    A ``name`` of None leaves the common name out; one of spaces is written as it is.
    """
    attributes = [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit) for unit in organizational_units]
    if name is not None:
        attributes.append(x509.NameAttribute(NameOID.COMMON_NAME, name))
    return Holder(
        x509.Name(attributes),
        (
            *(x509.RFC822Name(email) for email in emails),
            *(x509.DNSName(dns_name) for dns_name in dns_names),
            *(x509.UniformResourceIdentifier(uri) for uri in uris),
            *(x509.IPAddress(ipaddress.ip_address(ip)) for ip in ips),
        ),
    )


def common_name(name: x509.Name) -> str:
    """The first common name, "" where there is none."""
    values = [attribute.value for attribute in name.get_attributes_for_oid(NameOID.COMMON_NAME)]
    return str(values[0]) if values else ""


def make_authority(
    name: str, *, key_type: str = DEFAULT_KEY_TYPE, lifetime: timedelta = YEAR, now: datetime
) -> Authority:
    """Make a key and a certificate that may sign others (v3, CA, one level, keyUsage, SKI)."""
    return authority_from_key(make_key(key_type), holder(name).name, lifetime=lifetime, now=now)


def authority_from_key(key: PrivateKey, name: x509.Name, *, lifetime: timedelta = YEAR, now: datetime) -> Authority:
    """A self-signed CA certificate for a key there already is."""
    public = key.public_key()
    identifier = x509.SubjectKeyIdentifier.from_public_key(public)
    builder = (
        _builder(name, name, public, lifetime, now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
    )
    return Authority(builder.sign(key, signature_hash(key)), key)


def renewed_authority(authority: Authority, *, lifetime: timedelta = YEAR, now: datetime) -> Authority:
    """The authority's own certificate anew: same name, same key, so everything it signed stays good.

    What an adopted one says of itself (path length, name constraints, its SKI) is kept, for others hold to it. One
    without extensions, of version 1, becomes one like ours.
    """
    old, key = authority.certificate, authority.key
    if old.version is x509.Version.v1:
        return authority_from_key(key, old.subject, lifetime=lifetime, now=now)
    builder = _builder(old.subject, old.subject, key.public_key(), lifetime, now)
    for extension in old.extensions:
        own = isinstance(extension.value, x509.AuthorityKeyIdentifier)  # it may name the old serial
        value = issuer_identifier(old) if own else extension.value
        builder = builder.add_extension(value, extension.critical)
    return Authority(builder.sign(key, signature_hash(key)), key)


def sign_client(
    authority: Authority,
    public_key: CertificatePublicKeyTypes,
    bearer: Holder,
    *,
    lifetime: timedelta = YEAR,
    now: datetime,
    serial: int | None = None,
) -> x509.Certificate:
    """A certificate to sign in with: v3, not a CA, clientAuth only, alternative names, SKI and AKI.

    A holder without alternative names gets one, ``urn:uuid:…``, made of the authority's key and the common name and so
    the same after each renewal: validators that go by RFC 5280's letter refuse a certificate without any.
    """
    alternatives = bearer.alternatives or (client_uri(authority, common_name(bearer.name)),)
    return _sign_leaf(
        authority, public_key, Holder(bearer.name, alternatives), ExtendedKeyUsageOID.CLIENT_AUTH, lifetime, now, serial
    )


def sign_server(
    authority: Authority,
    public_key: CertificatePublicKeyTypes,
    bearer: Holder,
    *,
    lifetime: timedelta = YEAR,
    now: datetime,
    serial: int | None = None,
) -> x509.Certificate:
    """A server's certificate: v3, not a CA, serverAuth only. Its names are the holder's alternatives (RFC 9525)."""
    return _sign_leaf(authority, public_key, bearer, ExtendedKeyUsageOID.SERVER_AUTH, lifetime, now, serial)


def issue_client(
    authority: Authority,
    name: str | None,
    *,
    organizational_units: Iterable[str] = (),
    emails: Iterable[str] = (),
    dns_names: Iterable[str] = (),
    uris: Iterable[str] = (),
    key_type: str = DEFAULT_KEY_TYPE,
    lifetime: timedelta = YEAR,
    now: datetime,
    serial: int | None = None,
) -> Credential:
    """Key and client certificate in one step. ``now`` in the past or the future makes an expired or an early one."""
    bearer = holder(name, organizational_units=organizational_units, emails=emails, dns_names=dns_names, uris=uris)
    key = make_key(key_type)
    certificate = sign_client(authority, key.public_key(), bearer, lifetime=lifetime, now=now, serial=serial)
    return Credential(certificate, key, authority.certificate)


def issue_server(
    authority: Authority,
    *names: str,
    key_type: str = DEFAULT_KEY_TYPE,
    lifetime: timedelta = YEAR,
    now: datetime,
    serial: int | None = None,
) -> Credential:
    """Key and server certificate in one step; ``names`` are hosts and addresses, the first is the common name."""
    key = make_key(key_type)
    bearer = server_holder(names[0], names)
    certificate = sign_server(authority, key.public_key(), bearer, lifetime=lifetime, now=now, serial=serial)
    return Credential(certificate, key, authority.certificate)


def self_signed(
    name: str, *, key_type: str = DEFAULT_KEY_TYPE, lifetime: timedelta = YEAR, now: datetime
) -> Credential:
    """A client certificate that nobody but itself vouches for: what every gate must refuse."""
    key = make_key(key_type)
    alone = authority_from_key(key, holder(name).name, lifetime=lifetime, now=now)
    certificate = sign_client(alone, key.public_key(), holder(name), lifetime=lifetime, now=now)
    return Credential(certificate, key)


def server_holder(name: str, hosts: Iterable[str]) -> Holder:
    """A server's names, host names and IP addresses told apart."""
    dns_names: list[str] = []
    ips: list[str] = []
    for host in hosts:
        (ips if _is_address(host) else dns_names).append(host)
    return holder(name, dns_names=dns_names, ips=ips)


def client_uri(authority: Authority, name: str) -> x509.UniformResourceIdentifier:
    """The ``urn:uuid:`` name of a client of this authority (RFC 9562, version 5)."""
    identifier = x509.SubjectKeyIdentifier.from_public_key(authority.certificate.public_key())
    return x509.UniformResourceIdentifier(uuid.uuid5(_NAMESPACE, f"{identifier.digest.hex()}/{name}").urn)


def random_serial(taken: Container[int] = (), draw: Callable[[], int] = lambda: secrets.randbits(_SERIAL_BITS)) -> int:
    """A serial of 128 random bits (RFC 5280, 4.1.2.2, allows 20 octets), neither taken nor one that people count to."""
    while (serial := draw()) < _SMALLEST_SERIAL or serial in taken:
        pass
    return serial


def _sign_leaf(
    authority: Authority,
    public_key: CertificatePublicKeyTypes,
    bearer: Holder,
    purpose: x509.ObjectIdentifier,
    lifetime: timedelta,
    now: datetime,
    serial: int | None,
) -> x509.Certificate:
    builder = (
        _builder(bearer.name, authority.certificate.subject, public_key, lifetime, now, serial)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(issuer_identifier(authority.certificate), critical=False)
    )
    if bearer.alternatives:
        # RFC 5280, 4.2.1.6: critical where the subject is empty, for then it is the only name.
        names = x509.SubjectAlternativeName(bearer.alternatives)
        builder = builder.add_extension(names, critical=not list(bearer.name))
    return builder.sign(authority.key, signature_hash(authority.key))


def is_signed_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    """Whether the authority's key made this signature, and the names fit."""
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def key_identifier(certificate: x509.Certificate) -> x509.SubjectKeyIdentifier:
    """The SKI as the certificate says it, else the hash of its key (RFC 5280, 4.2.1.2)."""
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        return x509.SubjectKeyIdentifier.from_public_key(certificate.public_key())


def issuer_identifier(certificate: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    """The AKI of what this authority signs: its own SKI word for word (RFC 5280, 4.2.1.1)."""
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(key_identifier(certificate))


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: CertificatePublicKeyTypes,
    lifetime: timedelta,
    now: datetime,
    serial: int | None = None,
) -> x509.CertificateBuilder:
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


def _usage(*, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
