"""Headers of one's own."""

from dataclasses import replace

import pytest

from gatekeeper.gate.verdict import Identity
from gatekeeper.settings.http_types import PLACEHOLDERS
from gatekeeper.wire.custom import _VALUES, fill
from tests.people import ALICE


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("{cn}", "alice"),
        ("{o}", "Home"),
        ("{ou}", "staff,dev"),
        ("{email}", "alice@Example.com"),
        ("{dns}", "laptop.example.com,Phone.example.com"),
        ("{uri}", "spiffe://example.com/people/alice"),
        ("{serial}", "0A1B"),
        ("{sha256}", "ab" * 32),
        ("{issuer}", "Home CA"),
        ("{issuer_sha256}", "ef" * 32),
        ("{upn}", "alice@Corp.example.com"),
        ("{subject_serial}", "PNODE-1"),
        ("{uid}", "al"),
        ("{dn}", "O=Home,OU=dev,OU=staff,CN=alice,serialNumber=PNODE-1"),
        ("{policy}", "1.2.3.4,1.2.3.5"),
        ("{eku}", "1.3.6.1.5.5.7.3.2,1.3.6.1.4.1.311.20.2.2"),
        ("{not_after}", "2027-08-15T19:00:00Z"),
        ("device-{cn}", "device-alice"),
        ("{cn} of {o}", "alice of Home"),
        ("{o}: {dns}", "Home: laptop.example.com,Phone.example.com"),
        ("yes", "yes"),
    ],
)
def test_what_is_filled_in(template: str, value: str) -> None:
    """Every placeholder, alone and among other text."""
    assert fill(template, Identity(ALICE, issuer_sha256="ef" * 32)) == value


def test_every_placeholder_of_the_settings_has_a_value() -> None:
    """And none is without a name there."""
    assert {*_VALUES, "issuer_sha256"} == set(PLACEHOLDERS)


def test_a_name_cannot_forge_what_the_template_separates() -> None:
    """Punctuation of the template is encoded in the values."""
    mallory = replace(ALICE, common_names=("x; role=admin",), organizational_units=("a,b", "c;d"))
    assert fill("{cn}", Identity(mallory, issuer_sha256="ef" * 32)) == "x; role=admin"
    assert fill("{cn};{ou}", Identity(mallory, issuer_sha256="ef" * 32)) == "x%3B role=admin;a%2Cb,c%3Bd"
    assert fill("{cn} ({ou})", Identity(mallory, issuer_sha256="ef" * 32)) == "x; role=admin (a%2Cb,c;d)"
    assert fill("user={cn}; role={ou}", Identity(mallory, issuer_sha256="ef" * 32)).count("role=") == 1


def test_a_blank_beside_what_a_certificate_lacks_goes_too() -> None:
    """A header value that begins with a blank is none (RFC 9110, 5.5): everybody without this name would be dropped."""
    nobody = replace(ALICE, organizational_units=())
    assert fill("{ou} {cn}", Identity(nobody)) == "alice"
    assert fill("{cn} {ou}", Identity(nobody)) == "alice"
    assert fill("{ou} {cn} {ou}", Identity(replace(nobody, common_names=(" alice ",)))) == "%20alice%20"


def test_what_is_filled_in_is_not_filled_in_again() -> None:
    """A name may look like a placeholder."""
    assert fill("{cn}", Identity(replace(ALICE, common_names=("{sha256}",)))) == "{sha256}"


def test_a_certificate_that_says_nothing_gets_no_header() -> None:
    """Unless there is something else to say."""
    silent = replace(ALICE, emails=(), uris=())
    assert fill("{email}", Identity(silent, issuer_sha256="ef" * 32)) == ""
    assert fill("mailto:{email}", Identity(silent, issuer_sha256="ef" * 32)) == ""
    assert fill("{email}{cn}", Identity(silent, issuer_sha256="ef" * 32)) == "alice"
