"""Reading certificates, CRLs and other files from elsewhere, for an authority that signs.

A certificate that signs must be readable by `cryptography`, which is stricter than OpenSSL.
"""

import ssl
import warnings
from contextlib import suppress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gatekeeper.ca.requests import STRICT_ERRORS
from gatekeeper.ca.revocation import is_crl_of
from gatekeeper.ca.subject import common_name
from gatekeeper.errors import AuthorityError
from gatekeeper.gate.certificate import read_certificate
from gatekeeper.gate.keys import key_weakness
from gatekeeper.settings.files import FROM_COMMAND_LINE, UnreadableFileError
from gatekeeper.tls.files import not_an_authority
from gatekeeper.x509.certificate import parse_certificate
from gatekeeper.x509.pem import CERTIFICATE_LABELS, blocks

# A revocation list of a million serials takes 54 MB in PEM.
_LARGEST = 64 << 20


def read_file(path: Path) -> bytes:
    """The content of a file that the command line names; AuthorityError if it is empty or cannot be read."""
    try:
        return FROM_COMMAND_LINE.read(path, _LARGEST)
    except UnreadableFileError as error:
        raise AuthorityError(f"{path} {error}") from error


def read_certificate_pem(content: bytes, source: str) -> x509.Certificate:
    """The first certificate of a PEM file, or the one in a DER file; AuthorityError if there is none."""
    return read_certificates(content, source)[0]


def read_certificates(content: bytes, source: str) -> list[x509.Certificate]:
    """Every certificate of a PEM file, or the one in a DER file.

    AuthorityError if there is none, or if only OpenSSL can read one of them.
    """
    try:
        found = blocks(content, CERTIFICATE_LABELS) if b"-----BEGIN" in content else [content]
    except ValueError as error:
        raise AuthorityError(f"{source} holds no certificate that can be read: {error}") from error
    if not found:
        raise AuthorityError(f"{source} holds no certificate that can be read")
    return [_read_certificate(der, source) for der in found]


def _read_certificate(der: bytes, source: str) -> x509.Certificate:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            certificate = x509.load_der_x509_certificate(der)
            # *cryptography* parses these lazily, so a broken one raises only when it is read.
            list(certificate.subject), list(certificate.issuer), list(certificate.extensions), certificate.public_key()
        return certificate
    except STRICT_ERRORS as error:
        raise AuthorityError(f"{source} {_why_unread(der)}") from error


def _why_unread(der: bytes) -> str:
    try:
        subject = read_certificate(der).subject
        _new_context().load_verify_locations(cadata=der)
    except (ValueError, ssl.SSLError):
        return "holds no certificate that can be read"
    return (
        f"holds the certificate of {subject or 'nobody'}, which OpenSSL and the gate can read, but not the library "
        "that signs here: it is in an unusual form (gatekeeper ca show says more)"
    )


def read_crl(content: bytes, source: str, authority: x509.Certificate) -> x509.CertificateRevocationList:
    """Read a CRL of this authority, PEM or DER; AuthorityError if it is none."""
    read = x509.load_pem_x509_crl if b"-----BEGIN" in content else x509.load_der_x509_crl
    try:
        crl = read(content)
    except ValueError as error:
        raise AuthorityError(
            f"{source} is missing or damaged; if it is yours, sign it again: gatekeeper ca crl"
        ) from error
    if not is_crl_of(crl, authority):
        raise AuthorityError(f"{source} is not a revocation list of {common_name(authority.subject)}; move it away")
    return crl


def must_be_able_to_sign(certificate: x509.Certificate, source: str) -> None:
    """AuthorityError for a certificate that no gate would accept as an authority."""
    der = certificate.public_bytes(Encoding.DER)
    try:
        _new_context().load_verify_locations(cadata=der)
    except ssl.SSLError as error:
        raise AuthorityError(f"{source} holds a certificate that OpenSSL cannot read, so no gate can") from error
    for problem in not_an_authority(parse_certificate(der)):
        raise AuthorityError(
            f"{source} {problem}, and no gate would trust what it signs; "
            "make one: openssl req -new -x509 -days 365 -key ca.key -out ca.crt"
        )
    with suppress(x509.ExtensionNotFound):
        if not certificate.extensions.get_extension_for_class(x509.KeyUsage).value.crl_sign:
            raise AuthorityError(f"{source} must not sign revocation lists (its key usage lacks cRLSign)")
    if weakness := key_weakness(certificate.public_key()):
        raise AuthorityError(f"{source} is refused: {weakness}")


def _new_context() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
