"""Names of cipher suites in the lists of openssl-ciphers(1): which of them this OpenSSL knows."""

import re
import ssl
from contextlib import suppress

# openssl-ciphers(1) takes each of them between words.
_SEPARATORS = re.compile("[:,; ]+")
# Words of older lists, by which suites are removed that OpenSSL is no longer built with.
_HISTORIC = frozenset(
    ("3DES", "ADH", "DES", "EXP", "EXPORT", "IDEA", "KRB5", "kDH", "LOW", "MEDIUM", "RC2", "RC4", "SEED", "SSLv2")
)


def words(text: str) -> tuple[str, ...]:
    """The words of a list."""
    return tuple(word for word in _SEPARATORS.split(text) if word)


def is_cipher(word: str) -> bool:
    """Whether a word of a list means something. OpenSSL itself passes over what it does not know, unless it knows
    nothing of the whole list.
    """
    if word == "@STRENGTH":
        return True
    removes, names = word[0] in "!-", word.lstrip("!+-").split("+")
    return all((removes and name in _HISTORIC) or _selects_something(name) for name in names)


def _selects_something(name: str) -> bool:
    with suppress(ssl.SSLError):
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).set_ciphers(name)
        return True
    return False
