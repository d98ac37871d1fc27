"""Routes that no request ever reaches."""

from typing import Any

import pytest

from gatekeeper.config.shadowed_routes import shadowed_routes
from gatekeeper.gate.routes import Routes
from gatekeeper.settings.access import RouteSettings
from tests.calls import count_calls


def found(*tables: dict[str, Any]) -> list[tuple[int, int]]:
    return list(shadowed_routes([RouteSettings.model_validate(table) for table in tables]))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, {}),
        ({"path": "/*"}, {"path": "/a/*", "hosts": "x", "methods": "GET", "public": True}),
        ({"path": "/a/*"}, {"path": "/a/b/c"}),
        ({"path": "/a/*"}, {"path": "/a/b/*"}),
        ({"path": "/a/*"}, {"path": "/a/*"}),
        ({"path": "/a/*"}, {"path": "/a/"}),
        ({"path": "/a/*"}, {"path": "/a"}),
        ({"path": "/a"}, {"path": "/a/"}),
        ({"path": "/a/"}, {"path": "/a", "public": True}),
        ({"path": "/"}, {"path": "/"}),
        ({"hosts": ["x", "y"]}, {"hosts": "y"}),
        ({"methods": ["GET", "PUT"]}, {"methods": ["PUT"]}),
        ({"methods": ["GET"]}, {"methods": ["HEAD"]}),
        ({"path": "/a", "public": True}, {"path": "/a", "public": True}),
        ({"path": "/a/*", "public": True}, {"path": "/a/*", "public": True}),
        ({"path": "/a/*", "public": True}, {"path": "/a/b"}),
        ({"path": "/*", "public": True}, {"path": "/a/b"}),
    ],
    ids=str,
)
def test_a_route_below_one_that_takes_everything(first: dict[str, Any], second: dict[str, Any]) -> None:
    """All hosts, all methods and all paths of the second are the first's."""
    assert found(first, second) == [(1, 0)]
    assert found({"path": "/other"}, first, {"path": "/another"}, second)[-1] == (3, 1)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"path": "/a/*"}, {"path": "/*"}),
        ({"path": "/a/*"}, {"path": "/ab"}),
        ({"path": "/a/b"}, {"path": "/a/*"}),
        ({"path": "/a"}, {"path": "/a/*"}),
        ({"path": "/"}, {"path": "/*"}),
        ({"hosts": "x"}, {}),
        ({"hosts": "x"}, {"hosts": ["x", "y"]}),
        ({"methods": "GET"}, {}),
        ({"methods": "GET"}, {"methods": ["GET", "PUT"]}),
        ({"methods": "HEAD"}, {"methods": "GET"}),
        ({"path": "/a", "public": True}, {"path": "/a"}),
        ({"path": "/a", "public": True}, {"path": "/a/", "public": True}),
        ({"path": "/a/*", "public": True}, {"path": "/a/*"}),
        ({"path": "/a/*", "public": True}, {"path": "/a", "public": True}),
        ({"path": "/a/*", "public": True}, {"path": "/a/"}),
    ],
    ids=str,
)
def test_a_route_that_takes_something_still(first: dict[str, Any], second: dict[str, Any]) -> None:
    """However little is left over."""
    assert found(first, second) == []


@pytest.mark.parametrize("public", [(False, False), (True, False), (False, True), (True, True)])
def test_it_agrees_with_the_routes_themselves(public: tuple[bool, bool]) -> None:
    """For every pair of these paths: found if and only if none of these targets reaches the second route."""
    paths = ["/*", "/", "/a", "/a/", "/a/*", "/a/b", "/a/b/", "/a/b/*"]
    targets = [b"/", b"/x", b"/a", b"/a/", b"/a/x", b"/a/b", b"/a/b/", b"/a/b/x"]
    for one in paths:
        for other in paths:
            tables = [
                {"path": path, "public": open_, "upstream": name}
                for path, open_, name in zip((one, other), public, ("first", "second"), strict=True)
            ]
            routes = Routes([RouteSettings.model_validate(table) for table in tables])
            reached = any(getattr(routes.match(b"GET", b"x", target), "upstream", "") == "second" for target in targets)
            assert (found(*tables) == []) == reached, (one, other)


def test_a_thousand_routes_take_no_time() -> None:
    """Each is compared only with those whose path could take its own."""
    routes = [RouteSettings.model_validate({"path": f"/p{number}/*"}) for number in range(1000)]
    assert count_calls(lambda: list(shadowed_routes(routes))) < 100 * 1000
