"""Certificates for clients and servers: pure functions of the authority, the key, the names and the time."""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from gatekeeper.ca.authority import YEAR, Authority, authority_from_key, issuer_identifier, key_usage, new_builder
from gatekeeper.ca.bundle import make_bundle
from gatekeeper.ca.keys import DEFAULT_KEY_TYPE, PrivateKey, key_pem, make_key, signature_hash
from gatekeeper.ca.subject import Subject, common_name, make_server_subject, make_subject

# The namespace of our urn:uuid: names; any constant would do (RFC 9562, 6.6).
_NAMESPACE = uuid.UUID("6d1c3b0e-5f0a-4c43-9a57-2f1d9b8f7a11")


@dataclass(frozen=True, slots=True)
class Credential:
    """A certificate, its private key, and the authority's certificate (None if it is self-signed)."""

    certificate: x509.Certificate
    key: PrivateKey
    authority: x509.Certificate | None = None

    @property
    def certificate_pem(self) -> bytes:
        """The certificate alone, PEM."""
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def chain_pem(self) -> bytes:
        """The certificate followed by the authority's, PEM: what a server sends in the handshake."""
        above = b"" if self.authority is None else self.authority.public_bytes(Encoding.PEM)
        return self.certificate_pem + above

    def key_pem(self, passphrase: bytes | None = None) -> bytes:
        """The key as PKCS #8 PEM, encrypted if a passphrase is given."""
        return key_pem(self.key, passphrase)

    def bundle(self, password: str, *, compat: bool = False, friendly_name: str | None = None) -> bytes:
        """The ``.p12`` (see `gatekeeper.ca.bundle.make_bundle`)."""
        name = friendly_name or common_name(self.certificate.subject) or "client"
        chain = (self.authority,) if self.authority else ()
        return make_bundle(self.key, self.certificate, chain, password, friendly_name=name, compat=compat)


def sign_client(
    authority: Authority,
    public_key: CertificatePublicKeyTypes,
    subject: Subject,
    *,
    lifetime: timedelta = YEAR,
    now: datetime,
    serial: int | None = None,
) -> x509.Certificate:
    """Sign a client certificate: version 3, not a CA, clientAuth only, with alternative names and key identifiers.

    A holder without alternative names gets one, ``urn:uuid:…``, derived from the authority's key and the common name,
    so that it is the same after each renewal: strict validators reject a certificate without alternative names. It
    gets none if the authority has name constraints on URIs, because a URI without a host violates them (RFC 5280,
    4.2.1.10).
    """
    alternatives = subject.alternatives
    if not alternatives and not _constrains_uris(authority.certificate):
        alternatives = (client_uri(authority, common_name(subject.name)),)
    builder = new_builder(subject.name, authority.certificate.subject, public_key, lifetime, now, serial)
    builder = builder.add_extension(key_usage(digital_signature=True), critical=True)
    named = Subject(subject.name, alternatives)
    return _sign_leaf(authority, builder, public_key, named, ExtendedKeyUsageOID.CLIENT_AUTH)


def sign_server(
    authority: Authority,
    public_key: CertificatePublicKeyTypes,
    subject: Subject,
    *,
    lifetime: timedelta = YEAR,
    now: datetime,
    serial: int | None = None,
) -> x509.Certificate:
    """Sign a server certificate: version 3, not a CA, serverAuth only. Clients compare only its alternative names (RFC
    9525).

    An RSA key may encipher keys too: TLS 1.2 needs that for the RSA key exchange (RFC 5246, 7.4.2), and programs that
    verify with NSS's CERT_VerifyCertificate() ask for it whatever the key exchange.
    """
    usage = key_usage(digital_signature=True, key_encipherment=isinstance(public_key, RSAPublicKey))
    builder = new_builder(subject.name, authority.certificate.subject, public_key, lifetime, now, serial)
    builder = builder.add_extension(usage, critical=True)
    return _sign_leaf(authority, builder, public_key, subject, ExtendedKeyUsageOID.SERVER_AUTH)


def issue_client(
    authority: Authority,
    subject: Subject | str | None,
    *,
    key_type: str = DEFAULT_KEY_TYPE,
    lifetime: timedelta = YEAR,
    now: datetime,
    serial: int | None = None,
) -> Credential:
    """Generate a key and sign its client certificate; text is the common name of a subject with no other names.

    A ``now`` in the past or future makes an expired or not yet valid one.
    """
    subject = subject if isinstance(subject, Subject) else make_subject(subject)
    key = make_key(key_type)
    certificate = sign_client(authority, key.public_key(), subject, lifetime=lifetime, now=now, serial=serial)
    return Credential(certificate, key, authority.certificate)


def issue_server(
    authority: Authority,
    *names: str,
    key_type: str = DEFAULT_KEY_TYPE,
    lifetime: timedelta = YEAR,
    now: datetime,
    serial: int | None = None,
) -> Credential:
    """Generate a key and sign its server certificate; ``names`` are host names and IP addresses, the first is the
    common name too.
    """
    key = make_key(key_type)
    subject = make_server_subject(names[0], names)
    certificate = sign_server(authority, key.public_key(), subject, lifetime=lifetime, now=now, serial=serial)
    return Credential(certificate, key, authority.certificate)


def self_signed(
    name: str, *, key_type: str = DEFAULT_KEY_TYPE, lifetime: timedelta = YEAR, now: datetime
) -> Credential:
    """A self-signed client certificate, which every gate must refuse."""
    key = make_key(key_type)
    alone = authority_from_key(key, make_subject(name).name, lifetime=lifetime, now=now)
    certificate = sign_client(alone, key.public_key(), make_subject(name), lifetime=lifetime, now=now)
    return Credential(certificate, key)


def client_uri(authority: Authority, name: str) -> x509.UniformResourceIdentifier:
    """The ``urn:uuid:`` name of a client of this authority (RFC 9562, 5.5)."""
    identifier = x509.SubjectKeyIdentifier.from_public_key(authority.certificate.public_key())
    return x509.UniformResourceIdentifier(uuid.uuid5(_NAMESPACE, f"{identifier.digest.hex()}/{name}").urn)


def _constrains_uris(authority: x509.Certificate) -> bool:
    try:
        constraints = authority.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return False
    subtrees = (*(constraints.permitted_subtrees or ()), *(constraints.excluded_subtrees or ()))
    return any(isinstance(one, x509.UniformResourceIdentifier) for one in subtrees)


def _sign_leaf(
    authority: Authority,
    builder: x509.CertificateBuilder,
    public_key: CertificatePublicKeyTypes,
    subject: Subject,
    purpose: x509.ObjectIdentifier,
) -> x509.Certificate:
    builder = (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(issuer_identifier(authority.certificate), critical=False)
    )
    if subject.alternatives:
        # RFC 5280, 4.2.1.6: critical where the subject is empty, for then it is the only name.
        names = x509.SubjectAlternativeName(subject.alternatives)
        builder = builder.add_extension(names, critical=not list(subject.name))
    return builder.sign(authority.key, signature_hash(authority.key))
