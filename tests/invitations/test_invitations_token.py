"""The token of an invitation."""

import hashlib

import pytest

from gatekeeper.invitations.token import digest_of, identifier_of, link, make_token


def test_a_token_has_256_bits_and_no_two_are_alike() -> None:
    """43 characters of six bits each, for 32 bytes."""
    tokens = {make_token() for _ in range(100)}
    assert len(tokens) == 100
    assert {len(token) for token in tokens} == {43}


def test_only_the_hash_is_known() -> None:
    """SHA-256 of the characters as they stand in the link; the folder is called by half of it."""
    token = make_token()
    digest = hashlib.sha256(token.encode()).hexdigest()
    assert digest_of(token.encode()) == digest
    assert identifier_of(digest) == digest[:32]


@pytest.mark.parametrize("token", [b"", b"a" * 42, b"a" * 44, b"a" * 42 + b"/", b"a" * 42 + b".", b"../" + b"a" * 40])
def test_what_cannot_be_a_token_is_not_looked_for(token: bytes) -> None:
    """Nothing that comes from outside becomes part of a path, not even as a hash."""
    assert digest_of(token) is None


def test_the_link_is_below_the_gates_own_place() -> None:
    """Whether or not the gate's address was given with a slash."""
    for gate in ("https://gate.example.com", "https://gate.example.com/"):
        assert link(gate, "T") == "https://gate.example.com/.gatekeeper/invite/T"
