"""Rules over what a certificate says."""

from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from gatekeeper.gate.rules import Rule, compile_rule
from gatekeeper.gate.verdict import Identity
from gatekeeper.settings.access import RuleSettings
from tests.people import ALICE


def rule(**written: Any) -> Rule:
    return compile_rule(RuleSettings.model_validate(written), "allow[0]")


WHO = Identity(ALICE, issuer_sha256="ef" * 32)
FITS = [
    {"upn": "alice@corp.example.com"},
    {"upn": "*@corp.example.com"},
    {"subject_serial": "PNODE-1"},
    {"uid": "al"},
    {"dn": "o=Home, ou=dev, ou=staff, cn=\\61lice, serialNumber=PNODE-1"},
    {"policy": "1.2.3.5"},
    {"eku": "msSmartcardLogin"},
    {"eku": "1.3.6.1.5.5.7.3.2"},
    {"issuer_sha256": "EF" * 32},
    {"cn": "alice"},
    {"o": "Home"},
    {"ou": "staff"},
    {"ou": "dev"},
    {"email": "alice@example.com"},
    {"email": "alice@EXAMPLE.com"},
    {"email": "al@home.example"},
    {"email": "*@home.example"},
    {"email": "*@Example.COM"},
    {"dns": "laptop.example.com"},
    {"dns": "LAPTOP.example.com"},
    {"dns": "phone.example.com"},
    {"dns": "*.example.com"},
    {"dns": "*.EXAMPLE.com"},
    {"uri": "spiffe://example.com/people/alice"},
    {"uri": "spiffe://example.com/people/*"},
    {"uri": "spiffe://example.com/*"},
    {"issuer": "Home CA"},
    {"serial": "0a1b"},
    {"serial": "A1B"},
    {"sha256": "AB" * 32},
    {"spki": "cd" * 32},
    {"cn": "alice", "ou": "dev", "issuer": "Home CA"},
]


@pytest.mark.parametrize("written", FITS, ids=str)
def test_what_fits(written: dict[str, str]) -> None:
    """Parsed attributes, whole; any of those that repeat; every key of a table."""
    assert rule(**written).fits(WHO)


MISSES = [
    {"upn": "bob@corp.example.com"},
    {"upn": "Alice@corp.example.com"},
    {"upn": "*@example.com"},
    {"subject_serial": "PNODE"},
    {"subject_serial": "0A1B"},
    {"uid": "alice"},
    {"dn": "CN=alice"},
    {"dn": "CN=alice,OU=staff,OU=dev,O=Home"},
    {"policy": "1.2.3"},
    {"eku": "emailProtection"},
    {"issuer_sha256": "ab" * 32},
    {"cn": "alice", "issuer_sha256": "ab" * 32},
    {"cn": "Alice"},
    {"cn": "alic"},
    {"cn": "alice "},
    {"o": "home"},
    {"o": "Home CA"},
    {"ou": "ops"},
    {"ou": "staff,dev"},
    {"email": "ALICE@example.com"},
    {"email": "bob@example.com"},
    {"email": "*@ample.com"},
    {"email": "*@example.com.evil.example"},
    {"dns": "example.com"},
    {"dns": "top.example.com"},
    {"dns": "*.com"},
    {"dns": "*.laptop.example.com"},
    {"uri": "spiffe://example.com/people"},
    {"uri": "spiffe://example.com/people/alic"},
    {"uri": "spiffe://example.com/people/alice/*"},
    {"uri": "SPIFFE://example.com/people/alice"},
    {"issuer": "home CA"},
    {"issuer": "alice"},
    {"serial": "0a1b00"},
    {"sha256": "cd" * 32},
    {"spki": "ab" * 32},
    {"cn": "alice", "ou": "ops"},
    {"cn": "alice", "issuer": "Other CA"},
]


@pytest.mark.parametrize("written", MISSES, ids=str)
def test_near_misses(written: dict[str, str]) -> None:
    """No prefix, no substring, no other case, no name from another place, no star but in its three places."""
    assert not rule(**written).fits(WHO)


def test_attributes_that_are_missing_fit_nothing() -> None:
    """A certificate that says nothing fits no rule, not even one that starts with a star."""
    silent = replace(
        ALICE,
        common_names=(),
        organizations=(),
        organizational_units=(),
        issuer_common_names=(),
        emails=(),
        dns_names=(),
        uris=(),
        dn="",
        subject_serials=(),
        uids=(),
        upns=(),
        policies=(),
        purposes=(),
    )
    pinned = {"serial", "sha256", "spki", "issuer_sha256"}
    for written in (one for one in FITS if not one.keys() & pinned):
        assert not rule(**written).fits(replace(WHO, certificate=silent))


@pytest.mark.parametrize(
    ("mine", "written"),
    [
        ({"dns_names": ("*.example.com",)}, {"dns": "laptop.example.com"}),
        ({"dns_names": ("a.b.example.com",)}, {"dns": "*.example.com"}),
        ({"dns_names": ("evil-example.com",)}, {"dns": "*.example.com"}),
        ({"emails": ("eve@evil.example@example.com.evil.example",)}, {"email": "*@example.com"}),
        ({"emails": ("eve@evil.example@example.com",)}, {"email": "*@example.com"}),
        ({"emails": ("@example.com",)}, {"email": "*@example.com"}),
        ({"emails": ("eve@\u212aelvin.example",)}, {"email": "*@kelvin.example"}),
        ({"dns_names": (".example.com",)}, {"dns": "*.example.com"}),
        ({"dns_names": ("example.com",)}, {"dns": "*.example.com"}),
        ({"dns_names": ("laptop.example.com.",)}, {"dns": "laptop.example.com"}),
        ({"dns_names": ("xn--lptop-0ve.example.com",)}, {"dns": "laptop.example.com"}),
        ({"common_names": ("Jose\u0301",)}, {"cn": "Jos\u00e9"}),
        ({"common_names": ("\u0430lice",)}, {"cn": "alice"}),
        ({"uris": ("spiffe://example.com.evil.example/x",)}, {"uri": "spiffe://example.com/*"}),
        ({"uris": ("spiffe://example.com/",)}, {"uri": "spiffe://example.com/*"}),
        ({"common_names": ("x,OU=ops",), "subject": "CN=x\\,OU=ops"}, {"ou": "ops"}),
        ({"organizations": ("ops",), "organizational_units": ()}, {"ou": "ops"}),
    ],
    ids=str,
)
def test_certificates_that_try(mine: dict[str, Any], written: dict[str, str]) -> None:
    """A certificate's own stars mean nothing, and a name cannot smuggle in another."""
    assert not rule(**written).fits(replace(WHO, certificate=replace(ALICE, **mine)))


def test_a_rule_says_what_it_asks_for() -> None:
    """For ``gatekeeper explain``: where it stands and what is written there."""
    assert rule(cn="alice", issuer="Home CA").text == 'allow[0]: cn = "alice", issuer = "Home CA"'


@pytest.mark.parametrize("known", [True, False])
def test_an_issuer_vouches_only_where_its_name_can_be_no_other(known: bool) -> None:
    """Anybody with a trusted authority can make one below it with this name; who names no issuer does not care."""
    identity = Identity(ALICE, issuer_is_known=known)
    assert rule(cn="alice", issuer="Home CA").vouches_for(identity) is known
    assert rule(cn="alice").vouches_for(identity)
    assert not rule(cn="bob", issuer="Home CA").vouches_for(identity)


@pytest.mark.parametrize(
    "written",
    [
        {"email": "al*@example.com"},
        {"email": "*"},
        {"email": "*@*.example.com"},
        {"email": "example.com"},
        {"dns": "*"},
        {"dns": "lap*.example.com"},
        {"dns": "*.*.example.com"},
        {"dns": "a b"},
        {"uri": "*"},
        {"uri": "spiffe://*/x"},
        {"uri": "spiffe://example.com/a*"},
    ],
    ids=str,
)
def test_a_star_in_another_place_is_a_mistake(written: dict[str, str]) -> None:
    """Not a star that stands for itself, nor one that means something nobody has written down."""
    with pytest.raises(ValidationError, match="should be"):
        rule(**written)


def test_an_empty_rule_is_none() -> None:
    """Settings refuse it; whoever goes around them is refused too."""
    with pytest.raises(ValueError, match="everybody"):
        compile_rule(RuleSettings.model_construct(), "allow[0]")
