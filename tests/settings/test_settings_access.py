"""The tables about visitors."""

import pytest
from pydantic import ValidationError

from gatekeeper.settings.access import ResponseSettings, RouteSettings, RuleSettings


def test_a_public_route_cannot_ask_who_is_there() -> None:
    """Whoever writes both believes that somebody is kept out."""
    for rules in ({"allow": [{"cn": "a"}]}, {"deny": [{"cn": "a"}]}):
        with pytest.raises(ValidationError, match="is public, so it cannot ask who the visitor is"):
            RouteSettings.model_validate({"public": True, **rules})


def test_a_rule_that_says_nothing_is_refused() -> None:
    """It would match everybody."""
    with pytest.raises(ValidationError, match="is empty, so it would match everybody"):
        RuleSettings.model_validate({})


@pytest.mark.parametrize(
    "value", ["*", "op*", "CN=*", "CN=alice,OU=op*", "*@*", "*.*.example.com", "spiffe://*/x", "1*"]
)
@pytest.mark.parametrize("key", RuleSettings.model_fields)
def test_a_star_without_a_meaning_is_refused(key: str, value: str) -> None:
    """It would match only itself: a rule under deny would let in those whom it was written for."""
    with pytest.raises(ValidationError) as caught:
        RouteSettings.model_validate({"deny": [{key: value}]})
    (error,) = caught.value.errors()
    assert error["loc"] == ("deny", 0, key)


@pytest.mark.parametrize(
    ("key", "value"),
    [("email", "*@example.com"), ("upn", "*@example.com"), ("dns", "*.example.com"), ("uri", "spiffe://example.com/*")],
)
def test_a_star_with_a_meaning_is_accepted(key: str, value: str) -> None:
    """These are the only ones."""
    assert getattr(RuleSettings.model_validate({key: value}), key) == value


def test_a_name_may_hold_a_star_as_rfc_4514_escapes_it() -> None:
    """Nobody takes the escape for a pattern; it is what the certificate's name is compared with."""
    assert RuleSettings.model_validate({"dn": "CN=\\2A.example.com"}).dn == "CN=*.example.com"


@pytest.mark.parametrize("name", ["allow", "hosts", "methods"])
def test_an_empty_list_does_not_mean_everything(name: str) -> None:
    """Written without an entry, it could mean nobody as well as everybody."""
    with pytest.raises(ValidationError) as caught:
        RouteSettings.model_validate({name: []})
    assert [error["type"] for error in caught.value.errors()] == ["too_short"]


def test_a_header_to_add_needs_a_value() -> None:
    """An empty one removes, which a plus sign contradicts; also for a route."""
    headers = {"headers": {"+Vary": ""}}
    with pytest.raises(ValidationError, match='has no value to add for "\\+Vary"'):
        ResponseSettings.model_validate(headers)
    with pytest.raises(ValidationError, match='has no value to add for "\\+Vary"'):
        RouteSettings.model_validate({"response": headers})
