"""gatekeeper.ca.profiles: every form of a bundle is encrypted, and holds the same."""

import plistlib

import pytest

from gatekeeper.ca.bundle import make_bundle, read_bundle
from gatekeeper.ca.profiles import all_profiles, apple_profile
from gatekeeper.errors import AuthorityError
from gatekeeper.invitations.invitation import FILES, Profile
from tests.certificates import make_authority, make_client

PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def bundle() -> bytes:
    authority = make_authority("Home CA")
    client = make_client("alice", authority)
    return make_bundle(client.key, client.certificate, (authority.certificate,), PASSWORD, friendly_name="alice")


def test_each_form_holds_the_same_key_and_certificate(bundle: bytes) -> None:
    """All that is handed out opens with the one password, and with no other."""
    before = read_bundle(bundle, PASSWORD, "x")
    profiles = all_profiles(bundle, PASSWORD, "alice", "x")
    assert set(profiles) == set(Profile) == set(FILES)
    inside = plistlib.loads(profiles[Profile.APPLE])["PayloadContent"][0]["PayloadContent"]
    for octets in (profiles[Profile.MODERN], profiles[Profile.COMPAT], inside):
        after = read_bundle(octets, PASSWORD, "x")
        assert after.certificate == before.certificate
        assert after.key is not None
        assert before.key is not None
        assert after.key.public_key() == before.key.public_key()
        with pytest.raises(AuthorityError):
            read_bundle(octets, "wrong", "x")
    # The identity in an Apple profile is the older form: iOS 15 and macOS 12 open no other.
    assert inside == profiles[Profile.COMPAT]


def test_the_apple_profile_knows_no_password_and_asks_for_no_trust(bundle: bytes) -> None:
    """A key "Password" would open the bundle for whoever has the file; a root would let it vouch for any website."""
    octets = apple_profile(bundle, "alice")
    profile = plistlib.loads(octets)
    assert [one["PayloadType"] for one in profile["PayloadContent"]] == ["com.apple.security.pkcs12"]
    assert "Password" not in profile["PayloadContent"][0]
    assert PASSWORD.encode() not in octets


def test_an_apple_profile_carries_the_authority_of_the_server(bundle: bytes) -> None:
    """As a root, which iOS trusts only after the person has switched it on; the identity beside it is the same."""
    profiles = all_profiles(bundle, PASSWORD, "alice", "x", b"the anchor")
    identity, root = plistlib.loads(profiles[Profile.APPLE])["PayloadContent"]
    assert (identity["PayloadType"], identity["PayloadContent"]) == (
        "com.apple.security.pkcs12",
        profiles[Profile.COMPAT],
    )
    assert (root["PayloadType"], root["PayloadContent"]) == ("com.apple.security.root", b"the anchor")
    assert len({root["PayloadUUID"], identity["PayloadUUID"]}) == 2


def test_two_profiles_stand_beside_each_other(bundle: bytes) -> None:
    """A profile of the same identifier would take away the certificate that is still in use."""
    first, second = (plistlib.loads(apple_profile(bundle, "alice")) for _ in range(2))
    assert first["PayloadIdentifier"] != second["PayloadIdentifier"]
    assert first["PayloadContent"][0]["PayloadUUID"] != second["PayloadContent"][0]["PayloadUUID"]
