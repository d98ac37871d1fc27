"""Cipher suites and groups by OpenSSL's names (``server.ciphers``, ``.ciphersuites``, ``.groups``): which of them this
OpenSSL knows, and which are weak."""

import re
import ssl
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from gatekeeper.errors import BindingError, ConfigurationError, Mistake
from gatekeeper.settings.cipher_names import is_cipher, words
from gatekeeper.tls.openssl import OpenSSL

# SSL_CTX_set_security_level(3): 112 bits; RSA from 2048 on, no SHA-1, for the certificates of visitors too. Python's
# own default can be less.
SECURITY_LEVEL = 2
_STRENGTH = 112
_LEVEL_WORD = re.compile("@SECLEVEL=([0-5])")
# RFC 8422, 5.1.1, and SP 800-57 part 1, table 2: less than 112 bits.
_SMALL_GROUPS = re.compile("sect1[0-9]+[rk][0-9]|secp1[0-9]+[rk][0-9]|prime192v1|[PKB]-1[0-9]+", re.IGNORECASE)
# The curves of usual EC certificates, and what else OpenSSL calls them.
_CURVES = {"P-256": ("prime256v1", "secp256r1"), "P-384": ("secp384r1",)}
# How many names a warning lists.
_SHOWN = 4
_NEVER_USED = (
    "never used, because they are too weak (below 112 bits) or need keys or parameters that the gate does not have"
)
_RECORDED_FOR_LATER = "they have no forward secrecy: whoever gets the server's key can read what was recorded before"
_NO_AEAD = "they are not AEAD; clients that speak HTTP/2 may close the connection (RFC 9113, 9.2.2)"


@dataclass(frozen=True, slots=True)
class Suites:
    """What a configuration says of suites and groups; what is empty is as it is without."""

    ciphers: tuple[str, ...] = ()
    ciphersuites: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()

    @classmethod
    def read(cls, ciphers: Iterable[str], ciphersuites: Iterable[str], groups: Iterable[str]) -> "Suites":
        """Each is a list of names, or of lists of them as OpenSSL writes them."""
        return cls(words(":".join(ciphers)), words(":".join(ciphersuites)), words(":".join(groups)))

    def known(self, openssl: OpenSSL) -> "Suites":
        """The same without the groups that may be unknown ("?X25519MLKEM768") and are."""
        found = [one.removeprefix("?") for one in self.groups if not one.startswith("?") or _is_group(openssl, one[1:])]
        return Suites(self.ciphers, self.ciphersuites, tuple(found))

    def choose(self, context: ssl.SSLContext, openssl: OpenSSL | None) -> None:
        """Have connections of ``context`` use these. BindingError, or ssl.SSLError, if OpenSSL has none of them."""
        if self.ciphers:
            context.set_ciphers(":".join(self.ciphers))  # the security level of the context stays
        if openssl is not None and self.ciphersuites:
            openssl.choose_ciphersuites(context, ":".join(self.ciphersuites))
        if openssl is not None and self.groups:
            openssl.choose_groups(context, ":".join(self.groups))


DEFAULT_SUITES = Suites()


def choose_suites(
    suites: Suites, contexts: Sequence[ssl.SSLContext], openssl: OpenSSL | None, reason: str
) -> tuple[str, ...]:
    """Have the connections of all these contexts use what is configured; returns what is weak about it, in sentences.

    ConfigurationError if a name is unknown, or, where there is no ``openssl`` for the ``reason``, for what Python alone
    cannot set.
    """
    if openssl is None:
        for key in ("ciphersuites", "groups"):
            if getattr(suites, key):
                raise ConfigurationError(Mistake(f"server.{key}", f"cannot be used, because {reason}"))
    else:
        wanted, suites = suites.groups, suites.known(openssl)
        if wanted and not suites.groups:
            raise ConfigurationError(Mistake("server.groups", "holds no group that this OpenSSL knows"))
    mistakes = list(_mistakes(suites, openssl))
    if mistakes:
        raise ConfigurationError(*mistakes)
    try:
        for context in contexts:
            suites.choose(context, openssl)
    except ssl.SSLError:
        raise ConfigurationError(Mistake("server.ciphers", "selects no suite that this OpenSSL has")) from None
    return (*_doubts(suites, contexts[0].get_ciphers()), *_missing_curves(suites.groups, contexts[0].minimum_version))


def _mistakes(suites: Suites, openssl: OpenSSL | None) -> Iterator[Mistake]:
    for word in suites.ciphers:
        level = _LEVEL_WORD.fullmatch(word)
        if level and int(level[1]) < SECURITY_LEVEL:
            yield Mistake(
                "server.ciphers",
                f"must not lower the security level ({word}), which decides about visitors' certificates too",
            )
        elif not level and not is_cipher(word):
            yield _unknown("ciphers", word)
    if openssl is not None:
        for word in suites.ciphersuites:
            if not _is_ciphersuite(openssl, word):
                yield _unknown("ciphersuites", word)
        for word in suites.groups:
            if not _is_group(openssl, word):
                yield _unknown("groups", word)


def _unknown(key: str, word: str) -> Mistake:
    return Mistake(
        f"server.{key}", f"holds {word}, which {ssl.OPENSSL_VERSION.rpartition(' ')[0] or 'OpenSSL'} does not know"
    )


def _is_ciphersuite(openssl: OpenSSL, name: str) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    return _takes(openssl.choose_ciphersuites, context, name) and any(
        one["name"] == name for one in context.get_ciphers()
    )


def _is_group(openssl: OpenSSL, name: str) -> bool:
    return _takes(openssl.choose_groups, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), name)


def _takes(choose: Callable[[ssl.SSLContext, str], None], context: ssl.SSLContext, name: str) -> bool:
    with suppress(BindingError):
        choose(context, name)
        return True
    return False


def _doubts(suites: Suites, found: Sequence[Any]) -> Iterator[str]:
    """What an operator should know: a sentence for each kind of weakness among the suites that OpenSSL found."""
    tls12 = [one for one in found if suites.ciphers and one["kea"] != "kx-any"]
    yield from _doubt([one for one in tls12 if not _can_be_used(one)], _NEVER_USED)
    used = [one for one in tls12 if _can_be_used(one)]
    yield from _doubt([one for one in used if one["kea"] == "kx-rsa"], _RECORDED_FOR_LATER)
    yield from _doubt([one for one in used if one["kea"] != "kx-rsa" and not one["aead"]], _NO_AEAD)
    small = [one for one in suites.groups if _SMALL_GROUPS.fullmatch(one)]
    if small:
        yield f"server.groups holds {', '.join(small)}: {_NEVER_USED}"


def _missing_curves(groups: Sequence[str], lowest: ssl.TLSVersion) -> Iterator[str]:
    """In TLS 1.2 the server's groups are the curves of certificates too (RFC 8422, 5.1): OpenSSL ends the handshake of
    a client whose certificate has another one ("wrong curve"), before the verify callback.
    """
    known = {one.lower() for one in groups}
    missing = [curve for curve, more in _CURVES.items() if known.isdisjoint((curve.lower(), *more))]
    if groups and missing and lowest < ssl.TLSVersion.TLSv1_3:
        yield (
            f"server.groups lacks {' and '.join(missing)}: in TLS 1.2, clients whose certificate has such a key cannot "
            "connect, and no page says why; write it at the end of the list, or set server.min_tls to 1.3"
        )


def _can_be_used(suite: Any) -> bool:
    """As ssl_security_default_callback decides at level 2. The gate has no pre-shared keys, no SRP, and no parameters
    for Diffie-Hellman in a finite field.
    """
    return (
        suite["strength_bits"] >= _STRENGTH
        and suite["kea"] in ("kx-ecdhe", "kx-rsa")
        and suite["auth"] in ("auth-ecdsa", "auth-rsa")
    )


def _doubt(found: Sequence[Any], why: str) -> Iterator[str]:
    if found:
        names = [one["name"] for one in found[:_SHOWN]]
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        yield f"server.ciphers holds {', '.join(names)}{more}: {why}"
