"""The types of settings that name something in a certificate: fingerprints, names, object identifiers."""

import base64
import re
from typing import Annotated

from gatekeeper.settings.types import one_line
from gatekeeper.settings.validation import matching, reads, schema
from gatekeeper.x509.names import normal_rfc4514


def _hex(text: str) -> str:
    digits = text.replace(":", "").lower()
    if not re.fullmatch(r"[0-9a-f]+", digits, re.ASCII):
        raise ValueError
    return digits


def _serial(text: str) -> str:
    digits = _hex(text.removeprefix("-")).lstrip("0").upper() or "0"
    return "-" * text.startswith("-") + "0" * (len(digits) % 2) + digits


def _sha256(text: str) -> str:
    digits = _hex(text)
    if len(digits) != 64:
        raise ValueError
    return digits


def _spki(text: str) -> str:
    pin = text.removeprefix("sha256//").removeprefix("sha256/")
    if not re.fullmatch(r"[A-Za-z0-9+/]{43}=", pin, re.ASCII):
        return _sha256(text)
    return base64.b64decode(pin).hex()


Serial = Annotated[str, reads(_serial, 'a serial number in hex, such as "0a1b" or "0A:1B"'), schema()]
"""A serial number in the form that ``Certificate.serial`` has, however it was written."""

Fingerprint = Annotated[str, reads(_sha256, "a SHA-256 fingerprint: 64 hex digits, with or without colons"), schema()]
"""A SHA-256 fingerprint in the form that ``Certificate.sha256`` has."""

Pin = Annotated[str, reads(_spki, 'the SHA-256 of a public key: 64 hex digits, or "sha256/" and its base64'), schema()]
"""A public key's pin in the form that ``Certificate.spki_sha256`` has."""


def _without_star(text: str) -> str:
    """Under ``deny``, a star that matches only itself would let in those whom it was written for."""
    if "*" in text:
        raise ValueError(
            "must not contain a star, which would match only itself: values are compared whole; "
            "write a rule for each value, or a rule with another key"
        )
    return text


Attribute = Annotated[
    str, reads(lambda text: _without_star(one_line(text)), "text on one line, not empty"), schema(r"[^*\r\n]+")
]
"""The whole value of an attribute of a name in a certificate."""

Name = Annotated[
    str,
    reads(
        lambda text: normal_rfc4514(_without_star(text)),
        'a distinguished name by RFC 4514, such as "CN=alice,O=Example Ltd"',
    ),
    schema("[^*]+"),
]
"""A whole distinguished name in the form that ``Certificate.dn`` has."""


# OpenSSL's names (objects.txt) of common key usages; others are written as OIDs.
PURPOSES = {
    "serverAuth": "1.3.6.1.5.5.7.3.1",
    "clientAuth": "1.3.6.1.5.5.7.3.2",
    "codeSigning": "1.3.6.1.5.5.7.3.3",
    "emailProtection": "1.3.6.1.5.5.7.3.4",
    "timeStamping": "1.3.6.1.5.5.7.3.8",
    "OCSPSigning": "1.3.6.1.5.5.7.3.9",
    "msSmartcardLogin": "1.3.6.1.4.1.311.20.2.2",
    "anyExtendedKeyUsage": "2.5.29.37.0",
}


def _oid(text: str) -> str:
    if not re.fullmatch(r"[0-2](\.(0|[1-9][0-9]*))+", text, re.ASCII):
        raise ValueError
    return text


OID = Annotated[str, reads(_oid, 'an object identifier such as "1.3.6.1.4.1.55555.1"'), schema()]
"""A dotted object identifier."""

Purpose = Annotated[
    str,
    reads(lambda text: PURPOSES.get(text) or _oid(text), f"an object identifier, or one of {', '.join(PURPOSES)}"),
    schema(),
]
"""An extended key usage as its dotted object identifier."""


_LABEL = "[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?"
EmailPattern = Annotated[
    str,
    matching(r"(\*|[^\s@*]+)@[^\s@*]+", 'an address such as "alice@example.com", or "*@example.com" for all there'),
    schema(),
]
"""An e-mail address, or every one of a domain."""

DNSPattern = Annotated[
    str,
    matching(rf"(\*\.)?{_LABEL}(\.{_LABEL})*", 'a host name such as "laptop.example.com", or "*.example.com"'),
    schema(),
]
"""A host name in a certificate, or every one with one label more than what follows the star."""

URIPattern = Annotated[
    str,
    matching(
        r"[A-Za-z][A-Za-z0-9+.-]*:[^\s*]*(?<=/)\*|[A-Za-z][A-Za-z0-9+.-]*:[^\s*]+", 'a URI, or one that ends in "/*"'
    ),
    schema(),
]
"""A URI in a certificate, or every one that goes on behind the slash."""
