"""Names of cipher suites in the lists of openssl-ciphers(1): which of them this OpenSSL knows."""

import re
import ssl
from contextlib import suppress

# The separators of openssl-ciphers(1).
_SEPARATORS = re.compile("[:,; ]+")
# Words in older lists that remove suites which OpenSSL no longer has.
_HISTORIC = frozenset(
    ("3DES", "ADH", "DES", "EXP", "EXPORT", "IDEA", "KRB5", "kDH", "LOW", "MEDIUM", "RC2", "RC4", "SEED", "SSLv2")
)


def words(text: str) -> tuple[str, ...]:
    """The words of a list."""
    return tuple(word for word in _SEPARATORS.split(text) if word)


def is_cipher(word: str) -> bool:
    """Whether OpenSSL knows a word of a list. OpenSSL itself ignores unknown words, unless it knows none of them."""
    if word == "@STRENGTH":
        return True
    removes, names = word[0] in "!-", word.lstrip("!+-").split("+")
    return all((removes and name in _HISTORIC) or _selects_something(name) for name in names)


def _selects_something(name: str) -> bool:
    with suppress(ssl.SSLError):
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).set_ciphers(name)
        return True
    return False
