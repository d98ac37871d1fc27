"""Which texts are acceptable as names, and names of `cryptography` as text."""

import re
import unicodedata
from typing import TYPE_CHECKING

from gatekeeper.x509 import names
from gatekeeper.x509.der import element

if TYPE_CHECKING:
    from cryptography import x509

# Control characters, halves of surrogate pairs.
_CONTROLS = frozenset({"Cc", "Cs"})
# Format characters, such as the zero-width space, and spaces; and the Braille pattern without dots.
_BLANK_CATEGORIES = frozenset({"Cf", "Zs"})
_BLANK_BRAILLE = "\u2800"

# What turns the direction of writing (Unicode Standard Annex 9), separates lines, or shows nothing at all, so that one
# name looks like another: Default_Ignorable_Code_Point of Unicode (Unicode Standard Annex 44, 5.3), which Unicode
# Technical Standard 39, 3.1 keeps out of identifiers, and the interlinear annotations, which are as unseen.
_UNSEEN = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e00ff\U000e01f0-\U000e0fff"
)
# The exceptions have a use behind some letters: joiners in Persian and Indic scripts and in emoji (Unicode Standard
# Annex 31, 2.3), variation selectors in Mongolian, in emoji and in Japanese names. Latin, Greek and Cyrillic letters,
# digits and spaces end before U+0530; behind them, or where a name begins, they show nothing either.
_SHAPING = "\u180b-\u180f\u200c\u200d\ufe00-\ufe0f\U000e0100-\U000e01ef"
UNSEEN = re.compile(f"[{_UNSEEN}]|(?<![\u0530-\U0010ffff])[{_SHAPING}]")
"""Each character of a text that is not seen, and may make the text look like another."""


def has_controls(text: str) -> bool:
    """Whether the text contains a NUL, a line end or another character that no name needs, and some readers act on or
    do not show.
    """
    if text.isascii():
        return not text.isprintable()
    return UNSEEN.search(text) is not None or any(unicodedata.category(char) in _CONTROLS for char in text)


def is_blank(text: str) -> bool:
    """Whether the text shows nothing."""
    return all(unicodedata.category(char) in _BLANK_CATEGORIES or char == _BLANK_BRAILLE for char in text)


def rfc2253(name: "x509.Name") -> str:
    """The name as OpenSSL writes it (`gatekeeper.x509.names.rfc2253`)."""
    der = name.public_bytes()
    return names.rfc2253(names.read_name(der, element(der, 0, len(der))))
