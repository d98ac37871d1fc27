"""The token in an invitation's link: 256 random bits. Gate and folder store only its SHA-256."""

import hashlib
import re
import secrets

from gatekeeper.gate.routes import LOCAL_PREFIX

INVITE = LOCAL_PREFIX + b"invite/"
"""The path prefix before a token."""

_TOKEN = re.compile(rb"[A-Za-z0-9_-]{43}")
_IDENTIFIER_DIGITS = 32


def make_token() -> str:
    """A new token: 43 characters that can be part of a path."""
    return secrets.token_urlsafe(32)


def digest_of(token: bytes) -> str | None:
    """The SHA-256 of a token in hex; None for text that cannot be a token.

    A single unsalted hash is enough, because 256 random bits cannot be guessed.
    """
    return hashlib.sha256(token).hexdigest() if _TOKEN.fullmatch(token) else None


def identifier_of(digest: str) -> str:
    """The name of an invitation's folder: 128 bits of the hash."""
    return digest[:_IDENTIFIER_DIGITS]


def link(gate: str, token: str) -> str:
    """The link of an invitation; ``gate`` is such as ``https://gate.example.com``."""
    return f"{gate.rstrip('/')}{INVITE.decode()}{token}"
