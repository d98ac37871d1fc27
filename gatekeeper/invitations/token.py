"""The token in the link of an invitation: 256 random bits. The gate and the folder know its SHA-256 only."""

import hashlib
import re
import secrets

from gatekeeper.gate.routes import LOCAL_PREFIX

INVITE = LOCAL_PREFIX + b"invite/"
"""Below it, a path is a token."""

_TOKEN = re.compile(rb"[A-Za-z0-9_-]{43}")
_IDENTIFIER_DIGITS = 32


def make_token() -> str:
    """A fresh one: 256 bits as 43 characters that can stand in a path."""
    return secrets.token_urlsafe(32)


def digest_of(token: bytes) -> str | None:
    """The SHA-256 of a token, in hex; None for what cannot be one.

    As 256 random bits cannot be guessed, one round without salt keeps them as secret as many would.
    """
    return hashlib.sha256(token).hexdigest() if _TOKEN.fullmatch(token) else None


def identifier_of(digest: str) -> str:
    """What an invitation's folder is called: 128 bits of the hash, so that no two share one."""
    return digest[:_IDENTIFIER_DIGITS]


def link(gate: str, token: str) -> str:
    """The address to open; ``gate`` is ``https://gate.example.com``."""
    return f"{gate.rstrip('/')}{INVITE.decode()}{token}"
