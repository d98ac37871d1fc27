"""The certificates of the start-up proof (`gatekeeper.tls.proof`), made for it and thrown away afterwards.

cryptography, which creates them, takes 9 MiB, so only the process that creates them loads it.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec


@dataclass(frozen=True, slots=True)
class ProofCertificates:
    """PEM. ``trusted`` is an authority's certificate; the others have their keys with them: that authority, a visitor
    that it has certified, and one that another authority of the same name has certified, so that only the signature
    tells them apart.
    """

    trusted: bytes
    authority: bytes
    good: bytes
    foreign: bytes


@dataclass(frozen=True, slots=True)
class _Holder:
    key: "ec.EllipticCurvePrivateKey"
    certificate: "x509.Certificate"


def make_proof_certificates() -> ProofCertificates:
    """A new set, valid for a day, so a clock may be a bit off."""
    authority, stranger = _issue("proof authority"), _issue("proof authority")
    return ProofCertificates(
        trusted=_pem(authority)[1],
        authority=b"".join(_pem(authority)),
        good=b"".join(_pem(_issue("visitor", authority))),
        foreign=b"".join(_pem(_issue("visitor", stranger))),
    )


def _pem(holder: _Holder) -> tuple[bytes, bytes]:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = holder.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return key, holder.certificate.public_bytes(Encoding.PEM)


def _issue(name: str, issuer: _Holder | None = None) -> _Holder:
    """A certificate by ``issuer``, or an authority that signs itself."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder(issuer.certificate.subject if issuer else subject, subject, key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=12))
        .not_valid_after(now + timedelta(hours=12))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .sign(issuer.key if issuer else key, hashes.SHA256())
    )
    return _Holder(key, certificate)
