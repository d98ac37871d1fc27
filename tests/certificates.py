"""Certificates for the tests: an authority, and holders of everything that can be right or wrong with a certificate."""

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey

NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
DAY = datetime.timedelta(days=1)
CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH


@dataclass(frozen=True, slots=True)
class Holder:
    """Somebody with a key, a certificate, and the certificates they send along."""

    key: Key
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...] = ()

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def certificate_pem(self) -> bytes:
        return b"".join(one.public_bytes(serialization.Encoding.PEM) for one in (self.certificate, *self.chain))

    def key_pem(self, passphrase: bytes | None = None) -> bytes:
        encryption = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
        return self.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)

    def write(self, folder: Path, name: str) -> tuple[Path, Path]:
        """``name.crt`` (with the chain) and ``name.key`` in ``folder``."""
        certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
        certificate.write_bytes(self.certificate_pem)
        key.write_bytes(self.key_pem())
        return certificate, key


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def digest_for(key: Key) -> hashes.SHA256 | None:
    """What ``key`` signs; Ed25519 signs no digest."""
    return None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()


def named(common_name: str | None, unit: str | None = None) -> x509.Name:
    parts = ((NameOID.ORGANIZATIONAL_UNIT_NAME, unit), (NameOID.COMMON_NAME, common_name))
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in parts if value is not None])


def make(
    subject: x509.Name,
    issuer: Holder | None = None,
    *,
    key: Key | None = None,
    starts: datetime.datetime = NOW - DAY,
    ends: datetime.datetime = NOW + 30 * DAY,
    extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
    chain: tuple[x509.Certificate, ...] = (),
    serial: int | None = None,
) -> Holder:
    """A certificate by ``issuer``, by its own key if there is none; with exactly these extensions."""
    key = key or new_key()
    builder = x509.CertificateBuilder(
        issuer.certificate.subject if issuer else subject,
        subject,
        key.public_key(),
        x509.random_serial_number() if serial is None else serial,
        starts,
        ends,
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    signer = issuer.key if issuer else key
    return Holder(key, builder.sign(signer, digest_for(signer)), chain)


def make_authority(name: str = "Test CA", issuer: Holder | None = None, **more: Any) -> Holder:
    constraints = (x509.BasicConstraints(ca=True, path_length=None), True)
    return make(named(name), issuer, extensions=[constraints], **more)


def make_client(
    name: str | None, issuer: Holder | None, purposes: Sequence[x509.ObjectIdentifier] = (CLIENT,), **more: Any
) -> Holder:
    extensions = [(x509.BasicConstraints(ca=False, path_length=None), True), (x509.ExtendedKeyUsage(purposes), False)]
    return make(named(name), issuer, extensions=extensions, **more)


def make_server(name: str, issuer: Holder | None = None, **more: Any) -> Holder:
    extensions = [(x509.SubjectAlternativeName([x509.DNSName(name)]), False), (x509.ExtendedKeyUsage([SERVER]), False)]
    return make(named(name), issuer, extensions=extensions, **more)


def as_v1(holder: Holder, issuer: Holder) -> Holder:
    """The same certificate as X.509 v1, as ``openssl x509 -req`` makes it: no version field, no extensions.

    *cryptography* cannot build one, so the version is cut out of the DER, and what remains is signed anew.
    """
    assert not holder.certificate.extensions
    body = _content(holder.certificate.tbs_certificate_bytes)
    assert body[:5] == b"\xa0\x03\x02\x01\x02"  # [0] EXPLICIT version 2, which means v3
    tbs = _sequence(body[5:])
    algorithm = _sequence(bytes.fromhex("06082a8648ce3d040302"))  # ecdsa-with-SHA256
    assert isinstance(issuer.key, ec.EllipticCurvePrivateKey)
    signature = b"\x00" + issuer.key.sign(tbs, ec.ECDSA(hashes.SHA256()))
    der = _sequence(tbs + algorithm + b"\x03" + _length(signature) + signature)
    return Holder(holder.key, x509.load_der_x509_certificate(der), holder.chain)


def _content(der: bytes) -> bytes:
    return der[2 + (der[1] & 0x7F if der[1] & 0x80 else 0) :]


def _sequence(content: bytes) -> bytes:
    return b"\x30" + _length(content) + content


def _length(content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes((size,))
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((0x80 | len(octets),)) + octets


_SHA256_RSA, _SHA1_RSA = (b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01" + last for last in (b"\x0b", b"\x05"))


def with_sha1(content: bytes, signed: Callable[[bytes], tuple[bytes, bytes]], key: rsa.RSAPrivateKey) -> bytes:
    """Signed anew with SHA-1, which `cryptography` will not do. ``signed`` takes out what is signed, and the signature.

    A certificate, a list or an answer, as DER, that ``key`` has signed with SHA-256.
    """
    changed = content.replace(_SHA256_RSA, _SHA1_RSA)
    body, signature = signed(changed)
    return changed.replace(signature, key.sign(body, padding.PKCS1v15(), hashes.SHA1()))
