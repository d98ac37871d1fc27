"""Routes for hosts whose visitors are never asked for a certificate."""

from typing import Any

from gatekeeper.gate.unasked import closed_routes
from gatekeeper.settings.access import RouteSettings


def found(names: tuple[str, ...], *routes: dict[str, Any]) -> list[tuple[str, str]]:
    def asks(host: str) -> bool:
        return host not in names and f"*.{host.partition('.')[2]}" not in names

    return list(closed_routes([RouteSettings.model_validate(one) for one in routes], asks, names))


OPEN = {"hosts": ["public.example.org"], "public": True}


def test_public_routes_are_fine() -> None:
    """And a route without hosts behind one that takes everything of the host."""
    assert found(("public.example.org",), OPEN, {}) == []


def test_a_route_that_is_not_public_is_a_mistake() -> None:
    """One that names the host, and one that takes every host; each is told once."""
    sentence = (
        "takes requests for public.example.org, whose visitors are never asked for a certificate, and is not public"
    )
    named = {"hosts": ["public.example.org", "b.example.org"], "path": "/admin/*"}
    assert found(("b.example.org", "public.example.org"), OPEN | {"path": "/a/*"}, named) == [
        ("routes[1]", sentence.replace("public.example.org,", "b.example.org,"))
    ]
    assert found(("public.example.org",), OPEN | {"methods": ["GET"]}, {}) == [("routes[1]", sentence)]
    assert found(("public.example.org",), {}, OPEN) == [("routes[0]", sentence)]


def test_hosts_below_a_wildcard_are_looked_at_where_routes_name_them() -> None:
    """What other names below it there are, nobody knows; requests for them are refused as everywhere."""
    below = {"hosts": ["a.example.org"]}
    assert [key for key, _ in found(("*.example.org",), below, {})] == ["routes[0]"]
    assert found(("*.example.org",), below | {"public": True}, {}) == []


def test_hosts_whose_visitors_are_asked_may_be_protected() -> None:
    """Nothing is said of them, nor where everybody is asked."""
    assert found(("public.example.org",), OPEN, {"hosts": ["gate.example.com"]}) == []
    assert found((), {}) == []


def test_without_routes_everybody_must_be_asked() -> None:
    """Every request then needs a certificate."""
    sentence = "never asks visitors of public.example.org, but without [[routes]] everybody must be asked"
    assert found(("public.example.org",)) == [("server.certificates", sentence)]
