"""Reads the PEM files of a listener, with a plain sentence for each possible mistake.

Mistakes are collected, so that all of them can be told at once. OpenSSL decides whether certificate and key are good;
what is here finds the words for it.
"""

import ssl
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from gatekeeper.errors import Mistake
from gatekeeper.gate.certificate import Certificate, read_certificate
from gatekeeper.settings.files import FileReader, UnreadableFileError
from gatekeeper.tls.memory_file import as_file
from gatekeeper.x509 import pem
from gatekeeper.x509.certificate import (
    BASIC_CONSTRAINTS,
    EXTENDED_KEY_USAGE,
    KEY_USAGE,
    RawCertificate,
    parse_certificate,
)
from gatekeeper.x509.extensions import KEY_CERT_SIGN, basic_constraints, bits, object_identifiers, read
from gatekeeper.x509.names import canonical

AUTHORITIES = "client_auth.ca"

_FILE_LIMIT = 16 * 1024 * 1024  # every public authority together is 0.2 MiB; what is longer is a device or a wrong path


@dataclass(frozen=True, slots=True)
class Ordered:
    """The content of a file that the gate writes itself (``[acme]``): chain and key, b"" while there is none. A
    self-signed certificate for ``names`` stands in then.
    """

    names: tuple[str, ...]
    content: bytes

    @property
    def host_names(self) -> tuple[str, ...]:
        """Its names without the addresses: no client asks for an address by SNI (RFC 6066, 3)."""
        return tuple(name for name in self.names if not _is_address(name))


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class ServerFiles:
    """A server certificate with its chain, and its key: a table of the configuration, which ``where`` names.

    Where it was ``ordered``, nothing is read: workers may write that file, and root must not follow a link of theirs.
    """

    where: str
    certificate: Path
    key: Path
    key_passphrase_file: Path | None = None
    ask: bool = True
    ordered: Ordered | None = None


@dataclass(frozen=True, slots=True)
class AuthorityFiles:
    """The authorities of some hosts: a table of the configuration, which ``where`` names."""

    where: str
    hosts: tuple[str, ...]
    ca: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class TrustFiles:
    """The files of all client authorities: those in ``ca`` count on every host but ``hosts``, which have their own."""

    ca: Sequence[Path]
    hosts: Sequence[AuthorityFiles] = ()


class Files:
    """Reads files, and collects what is wrong with them."""

    def __init__(self, reader: FileReader) -> None:
        self.mistakes: list[Mistake] = []
        self.warnings: list[str] = []
        self._reader = reader

    def certificates(self, key: str, path: Path) -> list[Certificate]:
        """Every certificate in a PEM file, in order; empty if a mistake was found."""
        content = self._read(key, path)
        return self._certificates_in(key, path, content) if content is not None else []

    def _certificates_in(self, key: str, path: Path, content: bytes) -> list[Certificate]:
        try:
            found = pem.blocks(content, pem.CERTIFICATE_LABELS)
        except ValueError as error:
            self._wrong(key, f"{path} is damaged: {error}")
            return []
        if not found:
            self._wrong(key, f"{path} holds no PEM certificate{_instead(content)}")
        read = [self._certificate(key, path, at, der) for at, der in enumerate(found, 1)]
        return [one for one in read if one is not None] if all(read) else []

    def _certificate(self, key: str, path: Path, position: int, der: bytes) -> Certificate | None:
        try:
            return read_certificate(der)
        except ValueError as error:
            self._wrong(key, f"{path} holds a certificate that cannot be read (the {_nth(position)} in it): {error}")
            return None

    def authorities(self, context: ssl.SSLContext, path: Path, key: str = AUTHORITIES) -> list[Certificate]:
        """The certificates of a bundle of client CAs, each of which OpenSSL accepts as an authority; ``context`` then
        trusts them.
        """
        found = self.certificates(key, path)
        for position, certificate in enumerate(found, 1):
            name = certificate.subject or "a certificate without a name"
            which = f"{path}: {name} (the {_nth(position)} in it)" if len(found) > 1 else f"{path}: {name}"
            for complaint in not_an_authority(parse_certificate(certificate.der)):
                self._wrong(key, f"{which} {complaint}")
            try:
                context.load_verify_locations(cadata=certificate.der)
            except ssl.SSLError as error:
                self._wrong(key, f"{which} cannot be read by OpenSSL: {error.reason or error}")
        return found

    def server(self, context: ssl.SSLContext, files: ServerFiles) -> list[Certificate]:
        """Give ``context`` the server's certificate with its chain and its key. It never asks on a terminal.

        The chain is returned; it is empty if a mistake was found in it.
        """
        if files.ordered is not None:
            return self._ordered(context, files, files.ordered)
        certificate = self._read(f"{files.where}.certificate", files.certificate)
        chain = (
            self._certificates_in(f"{files.where}.certificate", files.certificate, certificate) if certificate else []
        )
        content = self._read(f"{files.where}.key", files.key)
        passphrase = self._passphrase(files) if files.key_passphrase_file else b""
        if certificate is None or content is None or passphrase is None:
            return chain
        if b"PRIVATE KEY-----" not in content:
            self._wrong(f"{files.where}.key", f"{files.key} holds no PEM private key{_instead(content)}")
        elif b"ENCRYPTED" in content and not passphrase:
            self._wrong(
                f"{files.where}.key",
                f"{files.key} is encrypted; name a file with its passphrase in {files.where}.key_passphrase_file",
            )
        elif chain:
            self._load(context, files, certificate, content, passphrase)
        return chain

    def _ordered(self, context: ssl.SSLContext, files: ServerFiles, ordered: Ordered) -> list[Certificate]:
        content, key = ordered.content, "acme.folder"
        if not content:
            from gatekeeper.acme.tls_alpn import placeholder  # cryptography takes 9 MiB

            content = placeholder(list(ordered.names))
            self.warnings.append(
                f"there is no {files.certificate} yet, so visitors of {', '.join(ordered.names)} meet a self-signed "
                "certificate until a directory has given one"
            )
        chain = self._certificates_in(key, files.certificate, content)
        if chain:
            try:
                with as_file(content) as path:
                    context.load_cert_chain(path)
            except ssl.SSLError as error:
                self._wrong(key, _why_not_loaded(error, files, b""))
        return chain

    def _load(
        self, context: ssl.SSLContext, files: ServerFiles, certificate: bytes, key: bytes, passphrase: bytes
    ) -> None:
        """Not from the files: they may be pipes, or may have changed since they were read."""
        try:
            with as_file(certificate) as chain_file, as_file(key) as key_file:
                # A passphrase is always given, an empty one even: OpenSSL would ask for a missing one on the terminal.
                context.load_cert_chain(chain_file, key_file, password=lambda: passphrase)
        except ssl.SSLError as error:
            self._wrong(f"{files.where}.key", _why_not_loaded(error, files, passphrase))
        except OSError as error:
            self._wrong(f"{files.where}.key", f"{files.key} cannot be loaded: {error}")

    def _passphrase(self, files: ServerFiles) -> bytes | None:
        key, path = f"{files.where}.key_passphrase_file", files.key_passphrase_file
        content = self._read(key, path) if path is not None else None
        if content is None:
            return None
        passphrase = content.splitlines()[0]
        if not passphrase or len(passphrase) > 1024:  # PEM_BUFSIZE, which CPython insists on
            self._wrong(key, f"the first line of {path} must be a passphrase of 1 to 1024 bytes")
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
        (b"-----BEGIN TRUSTED CERTIFICATE-----", "OpenSSL's own TRUSTED CERTIFICATE format"),
        (b"-----BEGIN PKCS7-----", "a PKCS#7 bundle"),
    ):
        if mark in content:
            return f", but {what}"
    return "; it looks like DER or PKCS#12; convert it to PEM" if content[:1] == b"\x30" else ""


_CLIENT_AUTH = "1.3.6.1.5.5.7.3.2"
_NETSCAPE_TYPE = bytes.fromhex("6086480186f8420101")
_NETSCAPE_SSL_CA = 5


def not_an_authority(certificate: RawCertificate) -> Iterator[str]:
    """What keeps OpenSSL from taking it as an issuer of client certificates (check_ca, check_purpose_ssl_client)."""
    found: dict[bytes, Any] = {}
    for oid, (name, parse) in _JUDGED.items():
        extension = certificate.extensions.get(oid)
        if extension is not None:
            found[oid] = read(parse, extension.value)
            if found[oid] is None:
                yield f"has {name} that cannot be read"
                return
    constraints, usage, purposes = (found.get(oid) for oid in (BASIC_CONSTRAINTS, KEY_USAGE, EXTENDED_KEY_USAGE))
    if constraints is not None and not constraints[0]:
        yield "is not a certificate authority (its basic constraints say CA:FALSE)"
    elif constraints is None and usage is None and not _is_v1_root(certificate) and not _is_old(found):
        yield "is not a certificate authority (it has no basic constraints)"
    if usage is not None and KEY_CERT_SIGN not in usage:
        yield "must not sign certificates (its key usage lacks keyCertSign)"
    if purposes is not None and _CLIENT_AUTH not in purposes:
        yield "must not issue client certificates (its extended key usage lacks clientAuth)"


_JUDGED: dict[bytes, tuple[str, Callable[[bytes], object]]] = {
    BASIC_CONSTRAINTS: ("basic constraints", basic_constraints),
    KEY_USAGE: ("a key usage", bits),
    EXTENDED_KEY_USAGE: ("an extended key usage", object_identifiers),
    _NETSCAPE_TYPE: ("a Netscape certificate type", bits),
}


def _is_old(found: dict[bytes, Any]) -> bool:
    return _NETSCAPE_SSL_CA in (found.get(_NETSCAPE_TYPE) or ())


def _is_v1_root(certificate: RawCertificate) -> bool:
    return certificate.version == 1 and canonical(certificate.subject) == canonical(certificate.issuer)


def _nth(number: int) -> str:
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10 if number % 100 not in (11, 12, 13) else 0, "th")
    return f"{number}{ending}"


def _why_not_loaded(error: ssl.SSLError, files: ServerFiles, passphrase: bytes) -> str:
    """In words. OpenSSL calls a key of another kind "no certificate assigned", and has no reason ("PEM lib") for a key
    that cannot be opened."""
    if error.reason in ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"):
        return f"{files.key} is not the key of the first certificate in {files.certificate}"
    if error.reason:
        return f"{files.certificate} and {files.key} cannot be used: {error.reason.lower().replace('_', ' ')}"
    if passphrase:
        where = f"{files.where}.key_passphrase_file"
        return f"{files.key} cannot be opened; the passphrase in {where} is wrong, or the key is damaged"
    return f"{files.key} cannot be opened; it is damaged, or of a kind that OpenSSL does not know"
