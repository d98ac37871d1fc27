"""gatekeeper.invitations.renewal: what is believed of a renewal is what the two keys prove."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from gatekeeper.ca.authority import Authority, make_authority
from gatekeeper.ca.certificates import sign_client
from gatekeeper.ca.keys import make_key
from gatekeeper.ca.requests import make_request
from gatekeeper.ca.subject import Subject, make_subject, subject_of
from gatekeeper.invitations.renewal import (
    SignatureKey,
    asks_for_the_same,
    digest_of_renewal,
    is_proven,
    prove,
    read_signed_renewal,
    write_signed_renewal,
)
from gatekeeper.invitations.token import digest_of, make_token
from gatekeeper.x509.certificate import parse_certificate
from gatekeeper.x509.names import Attribute
from gatekeeper.x509.request import RawRequest, parse_request
from tests.certificates import make_authority as make_authority_holder
from tests.der import CN, PRINTABLE, UTF8, attribute, name
from tests.der import certificate as built

NOW = datetime(2030, 5, 17, tzinfo=UTC)
SHOWN, SPKI = "a" * 64, "b" * 64


def raw(request: x509.CertificateSigningRequest) -> RawRequest:
    return parse_request(request.public_bytes(Encoding.DER))


def der(one: x509.Certificate) -> bytes:
    return one.public_bytes(Encoding.DER)


@pytest.fixture(scope="module")
def home() -> Authority:
    return make_authority("Home CA", key_type="ec:p256", now=NOW)


def certificate(home: Authority, key: SignatureKey, bearer: Subject) -> x509.Certificate:
    return sign_client(home, key.public_key(), bearer, now=NOW)


@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP521R1()),
        ed25519.Ed25519PrivateKey.generate(),
        rsa.generate_private_key(65537, 2048),
    ],
    ids=["p256", "p521", "ed25519", "rsa"],
)
def test_the_old_key_vouches_for_one_new_key(home: Authority, key: SignatureKey) -> None:
    """The statement is about this certificate and this new key; neither can be exchanged, nor the key that made it."""
    shown = certificate(home, key, make_subject("backup"))
    proof = base64.b64encode(prove(key, SHOWN, SPKI)).decode()
    assert is_proven(shown, SHOWN, SPKI, proof)
    assert not is_proven(shown, SHOWN, "c" * 64, proof)
    assert not is_proven(shown, "c" * 64, SPKI, proof)
    other = certificate(home, make_key("ec:p256"), make_subject("backup"))
    assert not is_proven(other, SHOWN, SPKI, proof)


@pytest.mark.parametrize("proof", ["", "AAAA", "no base64!", "é", "A" * 5000])
def test_what_is_no_proof_proves_nothing(home: Authority, proof: str) -> None:
    """Anybody may have written it; it is refused and raises nothing."""
    for key in (make_key("ec:p256"), make_key("ed25519"), make_key("rsa:2048")):
        assert not is_proven(certificate(home, key, make_subject("backup")), SHOWN, SPKI, proof)


@pytest.mark.parametrize(
    ("asked", "same"),
    [
        (make_subject("backup", dns_names=["nas.lan"], organizational_units=["machines"]), True),
        (make_subject("backup", organizational_units=["machines"]), True),
        (make_subject("backup", dns_names=["nas.lan"]), False),
        (make_subject("backup", dns_names=["nas.lan"], organizational_units=["admins"]), False),
        (make_subject("Backup", dns_names=["nas.lan"], organizational_units=["machines"]), False),
        (make_subject("backup", dns_names=["nas.lan", "x.lan"], organizational_units=["machines"]), False),
        (make_subject("backup", emails=["a@example.com"], organizational_units=["machines"]), False),
    ],
)
def test_the_names_asked_for_are_those_of_the_certificate(home: Authority, asked: Subject, same: bool) -> None:
    """RFC 7030, 4.2.2; a request without alternative names asks for no others."""
    key = make_key("ec:p256")
    shown = certificate(home, key, make_subject("backup", dns_names=["nas.lan"], organizational_units=["machines"]))
    assert asks_for_the_same(raw(make_request(key, asked)), der(shown)) is same


@pytest.mark.parametrize(
    ("shown", "asked", "same"),
    [
        ((PRINTABLE, b"backup"), (UTF8, b"backup"), True),
        ((UTF8, b"\xff"), (UTF8, b"\xff"), True),
        ((UTF8, b"\xff"), (UTF8, b"\xfe"), False),
        ((UTF8, b"\xff"), (UTF8, b"backup"), False),
    ],
)
def test_a_name_is_compared_by_its_text_or_else_by_its_bytes(
    shown: tuple[int, bytes], asked: tuple[int, bytes], same: bool
) -> None:
    """String types may differ; two names that cannot be decoded are not the same because neither has a text."""
    ca, key = make_authority_holder("Home CA"), make_key("ec:p256")
    presented = built(ca, ca.key, subject=name(attribute(CN, shown[1], shown[0])))
    subject = (Attribute(0, parse_certificate(presented).subject[0].oid, *asked),)
    request = replace(raw(make_request(key, make_subject("backup"))), subject=subject)
    assert asks_for_the_same(request, presented) is same


def test_a_request_made_from_the_certificate_asks_for_the_same(home: Authority) -> None:
    """Also where the authority added the urn:uuid name."""
    key = make_key("ec:p256")
    shown = certificate(home, key, make_subject("backup"))
    assert asks_for_the_same(raw(make_request(key, subject_of(shown))), der(shown))


def test_a_wish_is_read_back() -> None:
    """Request and proof."""
    request = make_request(make_key("ec:p256"), make_subject("backup"))
    signed = read_signed_renewal(write_signed_renewal(request.public_bytes(Encoding.PEM), b"proof"))
    assert (signed.request, signed.proof) == (raw(request), base64.b64encode(b"proof").decode())


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"1", b"{}", b'{"request": 1}', b'{"request": "x"}', b'{"request": "x", "proof": 1}', b"\xff"]
)
def test_what_is_no_wish_is_refused(body: bytes) -> None:
    """One ValueError with a sentence for all of it."""
    with pytest.raises(ValueError, match=r"there is no|must be"):
        read_signed_renewal(body)


def test_a_weak_key_is_refused() -> None:
    """As for every request."""
    request = make_request(rsa.generate_private_key(65537, 1024), make_subject("backup"))
    body = json.dumps({"request": request.public_bytes(Encoding.PEM).decode()}).encode()
    with pytest.raises(ValueError, match="is refused"):
        read_signed_renewal(body)


def test_a_renewal_has_no_link() -> None:
    """It is found by a hash that no token of 43 characters has, as it is the hash of more than these."""
    assert digest_of_renewal(SHOWN, SPKI) == digest_of_renewal(SHOWN, SPKI)
    assert digest_of_renewal(SHOWN, SPKI) != digest_of_renewal(SPKI, SHOWN)
    assert digest_of(f"renewal {SHOWN} {SPKI}".encode()) is None
    assert digest_of(make_token().encode()) is not None
