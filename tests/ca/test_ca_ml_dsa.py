"""Authorities and keys that quantum computers do not break: as far as the libraries can, and a sentence beyond that."""

import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gatekeeper.ca.creation import NewAuthority, create_store
from gatekeeper.ca.issuer import Issuer
from gatekeeper.ca.keys import ML_DSA, check_key_type, describe_key, is_ml_dsa, key_pem, load_key, make_key
from gatekeeper.ca.requests import check_request, make_request, read_request
from gatekeeper.ca.subject import make_subject
from gatekeeper.errors import AuthorityError, UsageError
from gatekeeper.gate.certificate import read_certificate
from gatekeeper.gate.revocation import read_lists
from tests.ca.conftest import NOW, PASSPHRASE


def makes_them() -> bool:
    try:
        check_key_type("ml-dsa-65")
    except UsageError:
        return False
    return True


needs_ml_dsa = pytest.mark.skipif(not makes_them(), reason="this cryptography makes no ML-DSA keys")


@needs_ml_dsa
@pytest.mark.parametrize("kind", ML_DSA)
def test_a_key_is_made_kept_and_described(kind: str) -> None:
    """PKCS #8 under a passphrase, as the others."""
    key = make_key(check_key_type(kind))
    again = load_key(key_pem(key, PASSPHRASE), PASSPHRASE, "x.key")
    assert again.public_key() == key.public_key()
    assert describe_key(key) == describe_key(key.public_key()) == kind.upper()


@needs_ml_dsa
def test_a_request_is_judged() -> None:
    """Signed over the message itself (RFC 9881); one that was changed is refused."""
    der = make_request(make_key("ml-dsa-65"), make_subject("alice")).public_bytes(Encoding.DER)
    assert check_request(read_request(der, "a.csr"), "a.csr") == "alice"
    with pytest.raises(AuthorityError, match="signature does not fit"):
        check_request(read_request(der.replace(b"alice", b"admin"), "a.csr"), "a.csr")


@needs_ml_dsa
def test_an_authority_signs_lists_that_the_gate_verifies(tmp_path: Path) -> None:
    """Revocation does not depend on the OpenSSL of the interpreter."""
    store = create_store(tmp_path / "ca", NewAuthority("Home CA", "ml-dsa-65"), PASSPHRASE, now=NOW)
    with store.opened():
        der = store.certificate().public_bytes(Encoding.DER)
    lists = read_lists((store.path / "ca.crl").read_bytes(), [read_certificate(der)])
    assert [one.issuer[0] for one in lists] == ["CN=Home CA"]


@needs_ml_dsa
def test_what_this_openssl_cannot_verify_is_not_signed(tmp_path: Path) -> None:
    """Before 3.5 no gate on this computer could let anybody in by it: a sentence that says what is missing."""
    store = create_store(tmp_path / "ca", NewAuthority("Home CA", "ml-dsa-65"), PASSPHRASE, now=NOW)
    issuer = Issuer(store, PASSPHRASE)
    if ssl.OPENSSL_VERSION_INFO >= (3, 5):
        assert issuer.issue("alice", key_type="ec:p256", now=NOW).entry.name == "alice"
        return
    with pytest.raises(AuthorityError, match=r"OpenSSL .* does not know ML-DSA; 3\.5 does"):
        issuer.issue("alice", key_type="ec:p256", now=NOW)
    assert not (store.path / "alice.crt").exists()


@needs_ml_dsa
def test_a_bundle_holds_no_such_key(tmp_path: Path) -> None:
    """PKCS #12 files with one are read by nobody yet."""
    store = create_store(tmp_path / "ca", NewAuthority("Home CA", "ec:p256"), PASSPHRASE, now=NOW)
    with pytest.raises(AuthorityError, match=r"does not know ML-DSA|a \.p12 with an ML-DSA key cannot be made"):
        Issuer(store, PASSPHRASE).issue("alice", key_type="ml-dsa-65", now=NOW)


@pytest.mark.parametrize("kind", ML_DSA)
def test_a_key_is_made_or_a_sentence_says_why_not(kind: str) -> None:
    """cryptography 47 has the classes, and no OpenSSL that makes such keys."""
    if makes_them():
        assert is_ml_dsa(make_key(kind))
        return
    with pytest.raises(UsageError, match=f"makes no {kind} keys"):
        make_key(kind)


def test_an_older_cryptography_says_so() -> None:
    """Not "no such key type"."""
    with pytest.raises(UsageError, match="makes no ml-dsa-65 keys; a later one does"):
        check_key_type("ml-dsa-65", ml_dsa=())
