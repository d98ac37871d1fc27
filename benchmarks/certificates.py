"""Makes the certificates of a run: an authority, a server, a client, and revocation lists of any length."""

import datetime
import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

CLIENT_NAME = "benchmark client"
VALID_DAYS = 30


@dataclass(frozen=True, slots=True)
class Certificates:
    """Files of one run, all PEM. `server_bundle` is certificate and key in one file, as HAProxy wants them."""

    ca: Path
    server: Path
    server_key: Path
    server_bundle: Path
    client: Path
    client_key: Path
    client_serial: int
    ca_key: Path


def make_certificates(folder: Path) -> Certificates:
    """Write a fresh set into `folder`.

    The kinds of key are what a user has: the authority RSA 4096 as in the usual openssl recipe, the server P-256 as
    certbot makes it, the client RSA 2048 with a SAN.
    """
    ca_key = rsa.generate_private_key(65537, 4096)
    server_key = ec.generate_private_key(ec.SECP256R1())
    client_key = rsa.generate_private_key(65537, 2048)
    ca = _certificate("benchmark authority", ca_key, None, ca_key, [x509.BasicConstraints(True, None)])
    local = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))])
    server = _certificate(
        "localhost", server_key, ca, ca_key, [local, x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])]
    )
    mail = x509.SubjectAlternativeName([x509.RFC822Name("client@example.com")])
    client = _certificate(
        CLIENT_NAME, client_key, ca, ca_key, [mail, x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])]
    )
    return Certificates(
        ca=_write(folder / "ca.crt", _pem(ca)),
        server=_write(folder / "server.crt", _pem(server)),
        server_key=_write(folder / "server.key", _pem_key(server_key)),
        server_bundle=_write(folder / "server.pem", _pem(server) + _pem_key(server_key)),
        client=_write(folder / "client.crt", _pem(client)),
        client_key=_write(folder / "client.key", _pem_key(client_key)),
        client_serial=client.serial_number,
        ca_key=_write(folder / "ca.key", _pem_key(ca_key)),
    )


def client_context(ca: Path) -> ssl.SSLContext:
    """TLS of a client that trusts this authority.

    Without Python's strict mode, which is on by default since 3.13: it wants key identifiers, which the certificates of
    the usual openssl recipe lack, and these do.
    """
    context = ssl.create_default_context(cafile=str(ca))
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def _certificate(
    name: str,
    key: PrivateKey,
    issuer: x509.Certificate | None,
    issuer_key: rsa.RSAPrivateKey,
    extensions: list[x509.ExtensionType],
) -> x509.Certificate:
    subject = x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Benchmark"), x509.NameAttribute(NameOID.COMMON_NAME, name)]
    )
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=VALID_DAYS))
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
    return builder.sign(issuer_key, hashes.SHA256())


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _pem_key(key: PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    path.chmod(0o644)
    return path
