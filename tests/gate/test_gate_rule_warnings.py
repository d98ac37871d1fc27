"""Rules that the certificates of several authorities could match."""

from dataclasses import replace
from typing import Any

import pytest

from gatekeeper.gate.routes import Routes
from gatekeeper.settings.access import RouteSettings
from tests.people import ALICE


def routes(*tables: dict[str, Any]) -> Routes:
    return Routes([RouteSettings.model_validate(one) for one in tables])


HOME, PARTNER = replace(ALICE, common_names=("Home CA",)), replace(ALICE, common_names=("Partner CA",), spki_sha256="x")


@pytest.mark.parametrize(
    ("rule", "doubt"),
    [
        ({"cn": "alice"}, "names no issuer"),
        ({"serial": "01"}, "names no issuer"),
        ({"cn": "alice", "issuer": "Home CA"}, ""),
        ({"cn": "alice", "issuer": "Hume CA"}, "not in client_auth.ca, so no certificate matches"),
        ({"cn": "alice", "issuer": "Partner CA"}, "holds 2"),
        ({"sha256": "ab" * 32}, ""),
        ({"spki": "ab" * 32}, ""),
    ],
    ids=str,
)
def test_rules_that_two_authorities_could_fit(rule: dict[str, str], doubt: str) -> None:
    """Names and serials are unique within an issuer only; with one authority, nothing is doubtful. A renewed
    authority, with its old name and key, is the same one.
    """
    some = routes({"allow": [rule]})
    trusted = [HOME, replace(HOME, der=b"renewed"), PARTNER, replace(PARTNER, spki_sha256="y")]
    sentences = list(some.rule_warnings(trusted))
    assert [doubt in sentence for sentence in sentences] == ([True] if doubt else [])
    assert all(sentence.startswith("routes[0] /*, allow[0]: ") for sentence in sentences)
    assert list(some.rule_warnings([HOME])) == []


def test_rules_for_authorities_of_one_name() -> None:
    """As after `gatekeeper ca rollover`: to name the issuer would not help, and two pinned rules do."""
    trusted = [HOME, replace(HOME, spki_sha256="new")]
    (sentence,) = routes({"allow": [{"ou": "ops"}]}).rule_warnings(trusted)
    assert sentence.endswith("; write issuer_sha256, as all have the same name")
    (sentence,) = routes({"allow": [{"ou": "ops", "issuer": "Home CA"}]}).rule_warnings(trusted)
    assert sentence.endswith("; write a rule with issuer_sha256 for each that is meant")
    pinned = [{"ou": "ops", "issuer_sha256": letter * 64} for letter in "ab"]
    assert list(routes({"allow": pinned}).rule_warnings(trusted)) == []


PARTNER_HOSTS = [({"partners.example"}, [PARTNER])]


@pytest.mark.parametrize(
    ("tables", "doubtful"),
    [
        ([{"path": "/admin/*"}], [0]),
        ([{"path": "/admin/*", "hosts": "home.example"}], []),
        ([{"path": "/admin/*", "hosts": "partners.example"}], []),
        ([{"path": "/admin/*", "hosts": ["home.example", "partners.example"]}], [0]),
        ([{"hosts": "partners.example"}, {"path": "/admin/*"}], []),
        ([{"hosts": "partners.example", "path": "/admin/*"}, {"path": "/admin/*"}], []),
        ([{"hosts": "partners.example", "path": "/a/*"}, {"path": "/admin/*"}], [1]),
        ([{"hosts": "partners.example", "methods": ["GET"]}, {"path": "/admin/*"}], [1]),
        ([{"hosts": "partners.example", "methods": ["GET"]}, {"path": "/admin/*", "methods": ["PUT"]}], [1]),
        ([{"hosts": "partners.example", "methods": ["PUT"]}, {"path": "/admin/*", "methods": ["PUT"]}], []),
    ],
)
def test_rules_that_the_authorities_of_two_hosts_could_fit(tables: list[dict[str, Any]], doubtful: list[int]) -> None:
    """On a host with its own authorities, a route without hosts takes their certificates as well, unless an earlier
    route takes all its requests there.
    """
    some = routes(*(table | {"allow": [{"ou": "ops"}]} for table in tables))
    sentences = list(some.rule_warnings([HOME], PARTNER_HOSTS))
    assert [sentence.partition(" ")[0] for sentence in sentences] == [f"routes[{index}]" for index in doubtful]
    assert all("hosts with different authorities" in sentence for sentence in sentences)
