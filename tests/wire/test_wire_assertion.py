"""The signed assertion, checked as an app would."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace
from hashlib import sha256
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from gatekeeper.gate.verdict import Identity
from gatekeeper.wire.assertion import CACHED_ASSERTIONS, CACHED_CERTIFICATE_BYTES, Assertions, read_signing_key
from tests.people import ALICE, NOW

KEY = ec.generate_private_key(ec.SECP256R1())
IDENTITY = Identity(ALICE)


@pytest.fixture
def assertions() -> Assertions:
    return Assertions([KEY], "my-app", 300.0)


def claims(assertions: Assertions, token: str, audience: str = "my-app") -> dict[str, Any]:
    """What an app that fetched the JWKS takes from a token; its dates are judged by the tests."""
    keys = jwt.PyJWKSet.from_json(assertions.jwks().decode())
    key = keys[jwt.get_unverified_header(token)["kid"]]
    options = {"verify_exp": False, "verify_iat": False}
    found: dict[str, Any] = jwt.decode(token, key, ["ES256"], audience=audience, options=options)  # type: ignore[arg-type]
    return found


def test_an_app_can_verify_it(assertions: Assertions) -> None:
    """By the key in the JWKS; it says who is there, for whom it is, and for how long."""
    token = assertions.assertion(IDENTITY, NOW).token
    assert claims(assertions, token) == {
        "iss": "gatekeeper",
        "aud": "my-app",
        "iat": NOW,
        "exp": NOW + 300,
        "sub": "alice",
        "email": "alice@Example.com",
        "groups": ["staff", "dev"],
        "organizations": ["Home"],
        "dns": ["laptop.example.com", "Phone.example.com"],
        "uri": ["spiffe://example.com/people/alice"],
        "subject_dn": "CN=alice,OU=staff,OU=dev,O=Home",
        "issuer_dn": "CN=Home CA,O=Home",
        "serial": "0A1B",
        "cnf": {"x5t#S256": urlsafe_b64encode(sha256(ALICE.der).digest()).rstrip(b"=").decode()},
    }
    assert jwt.get_unverified_header(token)["alg"] == "ES256"


def test_another_audience_does_not_take_it(assertions: Assertions) -> None:
    """A token for one app is none for the next."""
    with pytest.raises(jwt.InvalidAudienceError):
        claims(assertions, assertions.assertion(IDENTITY, NOW).token, "another-app")


def test_another_key_did_not_sign_it(assertions: Assertions) -> None:
    """A token that somebody else made, with the same id of the key."""
    forged = jwt.encode(
        {"aud": "my-app", "sub": "root"},
        ec.generate_private_key(ec.SECP256R1()),
        "ES256",
        headers={"kid": json.loads(assertions.jwks())["keys"][0]["kid"]},
    )
    with pytest.raises(jwt.InvalidSignatureError):
        claims(assertions, forged)


def test_nothing_is_said_of_what_the_certificate_does_not_say(assertions: Assertions) -> None:
    """No empty claims."""
    silent = replace(
        ALICE, common_names=(), emails=(), organizational_units=(), organizations=(), dns_names=(), uris=()
    )
    found = claims(assertions, assertions.assertion(Identity(silent), NOW).token)
    assert set(found) == {"iss", "aud", "iat", "exp", "subject_dn", "issuer_dn", "serial", "cnf"}


def test_it_is_signed_once_and_sent_for_half_its_life(assertions: Assertions) -> None:
    """Whoever gets it has the other half to look at it."""
    first = assertions.assertion(IDENTITY, NOW)
    assert assertions.assertion(IDENTITY, NOW + 149.9) is first
    assert (first.renew, first.expires) == (NOW + 150, NOW + 300)
    second = assertions.assertion(IDENTITY, NOW + 150)
    assert claims(assertions, second.token)["iat"] == NOW + 150


def test_each_certificate_has_its_own(assertions: Assertions) -> None:
    """By the certificate itself, not by its name."""
    other = Identity(replace(ALICE, sha256="ff" * 32, serial="FF"))
    assertions.assertion(IDENTITY, NOW)
    assert claims(assertions, assertions.assertion(other, NOW).token)["serial"] == "FF"
    assert claims(assertions, assertions.assertion(IDENTITY, NOW).token)["serial"] == "0A1B"


def test_it_does_not_outlive_the_certificate(assertions: Assertions) -> None:
    """RFC 5280, 4.1.2.5: good through notAfter."""
    found = assertions.assertion(Identity(replace(ALICE, not_after=NOW + 9)), NOW)
    assert (found.expires, found.renew) == (NOW + 10, NOW + 10)
    assert claims(assertions, found.token)["exp"] == NOW + 10


def test_the_memory_is_bounded() -> None:
    """More certificates than it holds are signed for anew, and that is all."""
    assertions = Assertions([KEY], "a", 300.0)
    made = assertions.assertion(IDENTITY, NOW)
    assertions._made |= {str(number): made for number in range(CACHED_ASSERTIONS - 1)}
    assertions.assertion(Identity(replace(ALICE, sha256="one more")), NOW)
    assert len(assertions._made) == 1


def test_what_is_kept_is_bounded_in_bytes(assertions: Assertions) -> None:
    """A token holds what the certificate says: one of a large certificate is signed each time."""
    large, small = (replace(ALICE, der=bytes(CACHED_CERTIFICATE_BYTES + more)) for more in (1, 0))
    assert assertions.assertion(Identity(large), NOW) is not assertions.assertion(Identity(large), NOW)
    assert assertions._made == {}
    assert assertions.assertion(Identity(small), NOW) is assertions.assertion(Identity(small), NOW)


def test_the_jwks_holds_the_public_key_and_nothing_else(assertions: Assertions) -> None:
    """RFC 7517; the id is the thumbprint of RFC 7638, the same in every worker and after every start."""
    (key,) = json.loads(assertions.jwks())["keys"]
    assert set(key) == {"kty", "crv", "x", "y", "use", "alg", "kid"}
    assert (key["kty"], key["crv"], key["use"], key["alg"]) == ("EC", "P-256", "sig", "ES256")
    text = f'{{"crv":"P-256","kty":"EC","x":"{key["x"]}","y":"{key["y"]}"}}'
    assert key["kid"] == urlsafe_b64encode(sha256(text.encode()).digest()).rstrip(b"=").decode()


@pytest.mark.parametrize(("member", "private_value"), [("x", 379), ("y", 43)])
def test_a_coordinate_that_begins_with_zero_is_written_whole(member: str, private_value: int) -> None:
    """RFC 7518, 6.2.1.2: 32 bytes, or apps refuse the key. One key in 128 has such a coordinate."""
    assertions = Assertions([ec.derive_private_key(private_value, ec.SECP256R1())], "my-app", 300.0)
    coordinate = json.loads(assertions.jwks())["keys"][0][member]
    assert urlsafe_b64decode(coordinate + "=")[0] == 0
    assert len(urlsafe_b64decode(coordinate + "=")) == 32
    assert claims(assertions, assertions.assertion(IDENTITY, NOW).token)["sub"] == "alice"


def test_a_key_is_changed_without_an_app_that_has_not_heard_of_it() -> None:
    """RFC 7517, 4.5: the first signs, all are published, so an app that keeps the set knows the next key before."""
    other = ec.generate_private_key(ec.SECP256R1())
    before, after = Assertions([KEY, other], "my-app", 300.0), Assertions([other, KEY], "my-app", 300.0)
    first, second = (one.assertion(IDENTITY, NOW).token for one in (before, after))
    assert jwt.get_unverified_header(first)["kid"] != jwt.get_unverified_header(second)["kid"]
    for published in (before, after):
        assert claims(published, first)["sub"] == claims(published, second)["sub"] == "alice"


def test_keys_in_both_pem_forms() -> None:
    """PKCS #8, and the older form of ``openssl ecparam -genkey``."""
    for form in (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL):
        pem = KEY.private_bytes(Encoding.PEM, form, NoEncryption())
        assert read_signing_key(pem).private_numbers() == KEY.private_numbers()


@pytest.mark.parametrize(
    ("pem", "why"),
    [
        (b"", "holds no PEM private key"),
        (KEY.public_key().public_numbers().__repr__().encode(), "holds no PEM private key"),
        (
            ec.generate_private_key(ec.SECP384R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
            "is not an EC key on the curve P-256",
        ),
        (KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")), "is encrypted"),
    ],
    ids=["empty", "text", "another curve", "encrypted"],
)
def test_what_is_no_signing_key(pem: bytes, why: str) -> None:
    """With a sentence that goes on from the file's name."""
    with pytest.raises(ValueError, match=why):
        read_signing_key(pem)
