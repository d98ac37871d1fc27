"""Which texts are acceptable as names, and names of `cryptography` as text."""

import unicodedata
from typing import TYPE_CHECKING

from gatekeeper.x509 import names
from gatekeeper.x509.der import element

if TYPE_CHECKING:
    from cryptography import x509

# Control characters, line and paragraph separators, halves of surrogate pairs.
_CONTROLS = frozenset({"Cc", "Cs", "Zl", "Zp"})
# They change the direction of writing, so that one name looks like another (Unicode Standard Annex 9).
_BIDIRECTIONAL = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# Format characters, such as the zero-width space, and spaces.
_INVISIBLE = frozenset({"Cf", "Zs"})


def has_controls(text: str) -> bool:
    """Whether the text contains a NUL, a line end or another character that no name needs, and some readers act on."""
    if text.isascii():
        return not text.isprintable()
    return any(unicodedata.category(char) in _CONTROLS or char in _BIDIRECTIONAL for char in text)


def is_blank(text: str) -> bool:
    """Whether the text shows nothing."""
    return all(unicodedata.category(char) in _INVISIBLE for char in text)


def rfc2253(name: "x509.Name") -> str:
    """The name as OpenSSL writes it (`gatekeeper.x509.names.rfc2253`)."""
    der = name.public_bytes()
    return names.rfc2253(names.read_name(der, element(der, 0, len(der))))
