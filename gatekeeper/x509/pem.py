"""PEM (RFC 7468) as leniently as OpenSSL reads it: text around the blocks, blanks in them, older labels."""

import re
from binascii import Error as BinasciiError
from binascii import a2b_base64, b2a_base64
from collections.abc import Iterable

CERTIFICATE_LABELS = (b"CERTIFICATE", b"X509 CERTIFICATE")
"""PEM_read_bio_X509(3) accepts both; the second was written by SSLeay."""

CRL_LABELS = (b"X509 CRL",)
REQUEST_LABELS = (b"CERTIFICATE REQUEST", b"NEW CERTIFICATE REQUEST")
"""Windows and Java write the second."""

_LINE = 48  # octets of a line of 64 characters (RFC 7468, 2)


def encode(label: bytes, der: bytes) -> bytes:
    """One block of PEM."""
    lines = (b2a_base64(der[at : at + _LINE]) for at in range(0, len(der), _LINE))
    return b"-----BEGIN %b-----\n%b-----END %b-----\n" % (label, b"".join(lines), label)


def blocks(content: bytes, labels: Iterable[bytes]) -> list[bytes]:
    """The contents of the blocks with one of these labels, in order; ValueError names the block that is broken."""
    wanted = b"|".join(map(re.escape, labels))
    found = []
    pattern = re.compile(rb"-----BEGIN (" + wanted + rb")-----(.*?)-----END \1-----", re.DOTALL)
    for number, match in enumerate(pattern.finditer(content), 1):
        try:
            found.append(a2b_base64(b"".join(match[2].split()), strict_mode=True))
        except BinasciiError as error:
            raise ValueError(f"block {number} is not Base64: {error}") from error
    return found
