"""The PEM files of a listener, with a plain sentence for everything that can be wrong with them.

Mistakes are collected, so that all of them can be told at once. OpenSSL decides whether certificate and key are good;
what is here finds the words for it.
"""

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from gatekeeper.errors import Mistake
from gatekeeper.gate.certificate import Certificate, read_certificate
from gatekeeper.settings.files import FileReader, UnreadableFileError

CERTIFICATE, KEY, PASSPHRASE = "server.certificate", "server.key", "server.key_passphrase_file"
AUTHORITIES = "client_auth.ca"

_FILE_LIMIT = 16 * 1024 * 1024  # every public authority together is 0.2 MiB; what is longer is a device or a wrong path

_Extension = TypeVar("_Extension", bound=x509.ExtensionType)


class Files:
    """Reads files, and keeps a list of what is wrong with them."""

    def __init__(self, reader: FileReader) -> None:
        self.mistakes: list[Mistake] = []
        self._reader = reader

    def certificates(self, key: str, path: Path) -> list[Certificate]:
        """Every certificate in a PEM file, in order; empty if a mistake was found."""
        content = self._read(key, path)
        if content is None:
            return []
        if b"-----BEGIN CERTIFICATE-----" not in content:
            self._wrong(key, f"{path} holds no PEM certificate{_instead(content)}")
            return []
        try:
            parsed = x509.load_pem_x509_certificates(content)
            return [read_certificate(one.public_bytes(Encoding.DER)) for one in parsed]
        except ValueError as error:
            self._wrong(key, f"{path} holds a certificate that cannot be read: {error}")
            return []

    def authorities(self, path: Path) -> list[Certificate]:
        """The certificates of a bundle of client CAs, each of which OpenSSL would accept as an authority."""
        found = self.certificates(AUTHORITIES, path)
        for certificate in found:
            for complaint in not_an_authority(x509.load_der_x509_certificate(certificate.der)):
                self._wrong(AUTHORITIES, f"{path}: {certificate.subject or 'a certificate without a name'} {complaint}")
        return found

    def server(
        self, context: ssl.SSLContext, certificate: Path, key: Path, passphrase_file: Path | None
    ) -> list[Certificate]:
        """Give ``context`` the server's certificate with its chain and its key. It never asks on a terminal.

        The chain is returned; it is empty if a mistake was found in it.
        """
        chain = self.certificates(CERTIFICATE, certificate)
        content = self._read(KEY, key)
        passphrase = self._passphrase(passphrase_file) if passphrase_file else b""
        if content is None or passphrase is None:
            return chain
        if b"PRIVATE KEY-----" not in content:
            self._wrong(KEY, f"{key} holds no PEM private key{_instead(content)}")
        elif b"ENCRYPTED" in content and not passphrase:
            self._wrong(KEY, f"{key} is encrypted; name a file with its passphrase in {PASSPHRASE}")
        elif chain:
            self._load(context, certificate, key, passphrase)
        return chain

    def _load(self, context: ssl.SSLContext, certificate: Path, key: Path, passphrase: bytes) -> None:
        try:
            # A passphrase is always given, an empty one even: OpenSSL would ask for a missing one on the terminal.
            locate = self._reader.locate
            context.load_cert_chain(locate(certificate), locate(key), password=lambda: passphrase)
        except ssl.SSLError as error:
            self._wrong(KEY, _why_not_loaded(error, certificate, key, passphrase))
        except OSError as error:
            self._wrong(KEY, f"{key} cannot be loaded: {error}")

    def _passphrase(self, path: Path) -> bytes | None:
        content = self._read(PASSPHRASE, path)
        if content is None:
            return None
        passphrase = content.splitlines()[0]
        if not passphrase or len(passphrase) > 1024:  # PEM_BUFSIZE, which CPython insists on
            self._wrong(PASSPHRASE, f"the first line of {path} must be a passphrase of 1 to 1024 bytes")
            return None
        return passphrase

    def _read(self, key: str, path: Path) -> bytes | None:
        try:
            return self._reader.read(path, _FILE_LIMIT)
        except UnreadableFileError as error:
            self._wrong(key, f"{path} {error}")
            return None

    def _wrong(self, key: str, message: str) -> None:
        self.mistakes.append(Mistake(key, message))


def _instead(content: bytes) -> str:
    """What the file holds instead, where that can be told."""
    for mark, what in (
        (b"PRIVATE KEY-----", "a private key"),
        (b"-----BEGIN CERTIFICATE REQUEST-----", "a signing request (CSR)"),
        (b"-----BEGIN CERTIFICATE-----", "a certificate"),
        (b"-----BEGIN X509 CRL-----", "a revocation list (CRL)"),
        (b"-----BEGIN TRUSTED CERTIFICATE-----", "OpenSSL's own TRUSTED CERTIFICATE form"),
        (b"-----BEGIN PKCS7-----", "a PKCS#7 bundle"),
    ):
        if mark in content:
            return f", but {what}"
    return "; it looks like DER or PKCS#12, which has to be converted to PEM" if content[:1] == b"\x30" else ""


def not_an_authority(certificate: x509.Certificate) -> Iterator[str]:
    """What keeps OpenSSL from taking it as an issuer of client certificates (check_ca, check_purpose_ssl_client)."""
    constraints = _extension(certificate, x509.BasicConstraints)
    usage = _extension(certificate, x509.KeyUsage)
    purposes = _extension(certificate, x509.ExtendedKeyUsage)
    if constraints is not None and not constraints.ca:
        yield "is not a certificate authority (its basic constraints say CA:FALSE)"
    elif constraints is None and usage is None and not _is_v1_root(certificate):
        yield "is not a certificate authority (it has no basic constraints)"
    if usage is not None and not usage.key_cert_sign:
        yield "must not sign certificates (its key usage lacks keyCertSign)"
    if purposes is not None and ExtendedKeyUsageOID.CLIENT_AUTH not in purposes:
        yield "must not vouch for clients (its extended key usage lacks clientAuth)"


def _is_v1_root(certificate: x509.Certificate) -> bool:
    return certificate.version is x509.Version.v1 and certificate.subject == certificate.issuer


def _extension(certificate: x509.Certificate, kind: type[_Extension]) -> _Extension | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _why_not_loaded(error: ssl.SSLError, certificate: Path, key: Path, passphrase: bytes) -> str:
    """In words. OpenSSL calls a key of another kind "no certificate assigned", and has no reason ("PEM lib") for a key
    that cannot be opened."""
    if error.reason in ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"):
        return f"{key} is not the key of the first certificate in {certificate}"
    if error.reason:
        return f"{certificate} and {key} cannot be used: {error.reason.lower().replace('_', ' ')}"
    if passphrase:
        return f"{key} cannot be opened; the passphrase in {PASSPHRASE} is wrong, or the key is damaged"
    return f"{key} cannot be opened; it is damaged, or of a kind that OpenSSL does not know"
