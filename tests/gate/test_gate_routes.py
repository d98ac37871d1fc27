"""Which route takes a request."""

from collections.abc import Mapping
from typing import Any

import pytest

from gatekeeper.gate.routes import (
    AMBIGUOUS,
    EVERYTHING,
    LOCAL,
    NO_HOST,
    UNKNOWN,
    Route,
    RouteMatch,
    Routes,
    StaticDocument,
)
from gatekeeper.settings.access import RouteSettings
from tests.calls import count_calls


def routes(*tables: dict[str, Any], documents: tuple[bytes, ...] = ()) -> Routes:
    return Routes([RouteSettings.model_validate(table) for table in tables], documents)


def taken(found: RouteMatch) -> str:
    """The upstream of the route, whose name says in these tests which route it is."""
    assert isinstance(found, Route)
    return found.upstream


def test_without_routes_everything_goes_to_the_default() -> None:
    """And nothing needs to be looked at, not even a path that could be read in two ways."""
    none = routes()
    assert none.everywhere is EVERYTHING
    assert none.match(b"GET", b"x", b"/a/../b") is EVERYTHING
    assert EVERYTHING.upstream == "default"


def test_with_routes_each_request_is_looked_at() -> None:
    """One route is enough."""
    assert routes({"path": "/*"}).everywhere is None


def test_the_first_that_matches_wins() -> None:
    """By the order in the file, not by length, whether exact or prefix, with a host or without."""
    some = routes(
        {"path": "/a/*", "upstream": "first"},
        {"path": "/a/b", "upstream": "second"},
        {"path": "/*", "hosts": "x.example", "upstream": "third"},
        {"path": "/c", "upstream": "fourth"},
        {"path": "/*", "upstream": "fifth"},
    )
    assert taken(some.match(b"GET", b"y.example", b"/a/b")) == "first"
    assert taken(some.match(b"GET", b"x.example", b"/a/b")) == "first"
    assert taken(some.match(b"GET", b"x.example", b"/c")) == "third"
    assert taken(some.match(b"GET", b"y.example", b"/c")) == "fourth"
    assert taken(some.match(b"GET", b"y.example", b"/d")) == "fifth"


def test_a_request_that_no_route_takes() -> None:
    """404, which is for those who were let in."""
    assert routes({"path": "/a/*"}).match(b"GET", b"x", b"/b") is UNKNOWN
    assert routes({"hosts": "x.example"}).match(b"GET", b"y.example", b"/") is UNKNOWN
    assert routes({"methods": "POST"}).match(b"GET", b"x", b"/") is UNKNOWN
    assert UNKNOWN.status == 404


@pytest.mark.parametrize(
    ("path", "target", "matches"),
    [
        ("/a/*", b"/a/b", True),
        ("/a/*", b"/a/b/c/d", True),
        ("/a/*", b"/a/", True),
        ("/a/*", b"/a", True),
        ("/a/*", b"/a?x", True),
        ("/a/*", b"/ab", False),
        ("/a/*", b"/", False),
        ("/a/*", b"*", False),
        ("/a/b/*", b"/a/b", True),
        ("/a/b/*", b"/a/c", False),
        ("/a", b"/a", True),
        ("/a", b"/a/", True),
        ("/a/", b"/a", True),
        ("/a", b"/a?b=/c", True),
        ("/a", b"/a/b", False),
        ("/a", b"/", False),
        ("/", b"/", True),
        ("/", b"/?x", True),
        ("/", b"/a", False),
        ("/", b"*", False),
        ("/*", b"/", True),
        ("/*", b"/a/b", True),
        ("/*", b"*", True),
    ],
)
def test_paths(path: str, target: bytes, matches: bool) -> None:
    """Exact, or everything below; a slash at the end makes no difference; ``OPTIONS *`` is about the server."""
    assert (routes({"path": path}).match(b"OPTIONS", b"x", target) is not UNKNOWN) is matches


@pytest.mark.parametrize(
    ("path", "target", "matches"),
    [
        ("/a/*", b"/a/b", True),
        ("/a/*", b"/a/", True),
        ("/a/*", b"/a", False),
        ("/a", b"/a", True),
        ("/a", b"/a/", False),
        ("/a/", b"/a", False),
        ("/", b"/", True),
        ("/*", b"/a", True),
    ],
)
def test_public_paths_are_taken_by_the_letter(path: str, target: bytes, matches: bool) -> None:
    """What is open to everybody must not be more than what is written."""
    assert (routes({"path": path, "public": True}).match(b"GET", b"x", target) is not UNKNOWN) is matches


def test_methods() -> None:
    """Whoever may GET may HEAD; the next route gets what this one does not take."""
    some = routes({"methods": ["GET", "PUT"], "upstream": "some"}, {"upstream": "rest"})
    assert [taken(some.match(method, b"x", b"/")) for method in (b"GET", b"HEAD", b"PUT")] == ["some"] * 3
    assert [taken(some.match(method, b"x", b"/")) for method in (b"POST", b"post", b"GETX")] == ["rest"] * 3
    assert routes({"methods": "POST"}).match(b"HEAD", b"x", b"/") is UNKNOWN


@pytest.mark.parametrize("method", [b"delete", b"Delete", b"DELETe"])
def test_a_method_that_only_its_case_keeps_away_from_a_route_is_ambiguous(method: bytes) -> None:
    """RFC 9110, 9.1 tells them apart, Django, Werkzeug and Express do not."""
    some = routes({"methods": "DELETE", "path": "/a/*", "upstream": "some"}, {"upstream": "rest"})
    assert some.match(method, b"x", b"/a/b") is AMBIGUOUS
    assert taken(some.match(method, b"x", b"/b")) == "rest"


def test_hosts() -> None:
    """Any of those that are written; the other routes are for every host."""
    some = routes(
        {"hosts": ["a.example", "B.example", "[::1]", "192.0.2.1"], "upstream": "named"}, {"upstream": "rest"}
    )
    for host in (b"a.example", b"b.example:8443", b"B.EXAMPLE.", b"[::1]:443", b"[0:0::1]", b"192.0.2.1"):
        assert taken(some.match(b"GET", host, b"/")) == "named"
    for host in (b"c.example", b"x.a.example", b"[::2]"):
        assert taken(some.match(b"GET", host, b"/")) == "rest"


def test_a_strange_host_is_refused_where_hosts_matter() -> None:
    """One that is missing too: the gate would put in the app's own. Where no route names a host, the app may judge
    it.
    """
    assert routes({"hosts": "a.example"}).match(b"GET", b"a..example", b"/") is NO_HOST
    assert routes({"hosts": "a.example"}, {"path": "/*"}).match(b"GET", b"", b"/") is NO_HOST  # HTTP/1.0
    assert NO_HOST.status == 400
    assert taken(routes({"path": "/*"}).match(b"GET", b"a..example", b"/")) == "default"


def test_paths_are_not_judged_where_they_do_not_matter() -> None:
    """Neither without a rule for paths, nor on a host that has none, nor where no rule lies below."""
    hosts = routes({"hosts": "a.example", "path": "/a/*"}, {"path": "/*"})
    assert taken(hosts.match(b"GET", b"b.example", b"/x/../%2e%2e")) == "default"
    assert hosts.match(b"GET", b"a.example", b"/x/../y") is AMBIGUOUS
    assert taken(routes({"methods": "GET"}).match(b"GET", b"x", b"//a/../b")) == "default"
    assert AMBIGUOUS.status == 400


def test_paths_do_not_matter_behind_a_route_that_takes_everything() -> None:
    """No reading of the path reaches a later route; an earlier one, and one for some methods alone, still count."""
    first = {"hosts": "a.example", "upstream": "first"}
    some = routes(first, {"path": "/hooks/*", "upstream": "hooks"}, {"path": "/*"})
    for path in (b"//index.html", b"/x/../hooks/", b"/hooks%2fa"):
        assert taken(some.match(b"GET", b"a.example", path)) == "first"
        assert some.match(b"GET", b"b.example", path) is AMBIGUOUS
    earlier = routes({"path": "/hooks/*", "upstream": "hooks"}, first)
    assert earlier.match(b"GET", b"a.example", b"/x/../hooks/") is AMBIGUOUS
    reading = routes({**first, "methods": "GET"}, {"path": "/hooks/*", "upstream": "hooks"})
    assert reading.match(b"POST", b"a.example", b"/x/../hooks/") is AMBIGUOUS


def test_a_prefix_that_surely_matches_needs_no_sure_end() -> None:
    """What is below /a/ stays below /a/, unless another route is below that."""
    assert taken(routes({"path": "/a/*"}).match(b"GET", b"x", b"/a/b%2fc")) == "default"
    assert routes({"path": "/a/*"}, {"path": "/a/b/c"}).match(b"GET", b"x", b"/a/b%2fc") is AMBIGUOUS
    assert routes({"path": "/a/*"}, {"path": "/a/b/*"}).match(b"GET", b"x", b"/a//b") is AMBIGUOUS
    assert routes({"path": "/a"}, {"path": "/*"}).match(b"GET", b"x", b"/a/;b") is AMBIGUOUS
    assert routes({"path": "/"}, {"path": "/*"}).match(b"GET", b"x", b"/;a") is AMBIGUOUS


def test_case() -> None:
    """A path that only its case keeps away from a route is ambiguous; one written with capitals is taken as written."""
    some = routes({"path": "/Api/*", "upstream": "api"}, {"upstream": "rest"})
    assert taken(some.match(b"GET", b"x", b"/Api/Users")) == "api"
    assert some.match(b"GET", b"x", b"/api/users") is AMBIGUOUS
    assert some.match(b"GET", b"x", b"/API/users") is AMBIGUOUS
    assert taken(some.match(b"GET", b"x", b"/Other")) == "rest"


def test_a_route_says_which_it_is() -> None:
    """For explain and check: where it stands, and what it takes."""
    some = routes({"path": "/a/*"}, {"hosts": ["x.example", "y.example"], "methods": ["GET", "PUT"]})
    assert [route.text for route in some.all] == ["routes[0] /a/*", "routes[1] x.example,y.example/*"]


def test_documents_are_found_before_routes() -> None:
    """The gate's own, for GET and HEAD of exactly this path; other methods go where they would have gone."""
    for own in (routes(documents=(b"/keys",)), routes({"path": "/*"}, documents=(b"/keys",))):
        assert own.everywhere is None
        for method, target in ((b"GET", b"/keys"), (b"HEAD", b"/keys?x")):
            found = own.match(method, b"x", target)
            assert isinstance(found, StaticDocument)
            assert found.path == b"/keys"
        for method, target in ((b"POST", b"/keys"), (b"GET", b"/keys/"), (b"GET", b"/Keys"), (b"GET", b"/")):
            assert taken(own.match(method, b"x", target)) == "default"


def test_what_is_cached_is_what_was_found() -> None:
    """Remembered and fresh agree, a second time too."""
    some = routes({"path": "/a/*", "upstream": "a"}, {"path": "/*", "methods": "GET"})
    for target in (b"/a/b", b"/c", b"/a/../c", b"/c/" + b"x" * 5000):
        for method in (b"GET", b"POST"):
            for _ in range(2):
                assert some.cached_match(method, b"x", target) is some.match(method, b"x", target)


def test_a_thousand_routes_cost_what_one_costs() -> None:
    """Looking anew among a thousand calls as many functions as among one: no loop goes over them."""

    def calls(some: Routes) -> int:
        return count_calls(lambda: some.match(b"GET", b"h7.example", b"/p999/x"))

    many = routes(*({"path": f"/p{n}/*", "hosts": f"h{n % 10}.example"} for n in range(1000)), {"path": "/*"})
    assert isinstance(many.match(b"GET", b"h7.example", b"/p997/x"), Route)
    assert calls(many) <= calls(routes({"path": "/p999/*", "hosts": "h7.example"}, {"path": "/*"})) + 2


def test_a_long_path_costs_no_more_steps_than_the_deepest_route() -> None:
    """Thousands of slashes do not become thousands of look-ups."""
    some = routes({"path": "/a/b/*"}, {"path": "/*"})
    short = count_calls(lambda: some.match(b"GET", b"x", b"/a" * 4))
    long = count_calls(lambda: some.match(b"GET", b"x", b"/a" * 4000))
    assert long <= short + 2


# The gate's own place -------------------------------------------------------------------------------------------------


def test_without_invitations_an_app_keeps_the_path() -> None:
    """It is the gate's only where something is there."""
    assert routes().match(b"GET", b"x", b"/.gatekeeper/invite/x") is EVERYTHING


def test_with_invitations_each_request_is_looked_at() -> None:
    """And the headers by which some apps take another path than that of the request do not pass."""
    inviting = Routes([], local=True)
    assert inviting.everywhere is None
    assert inviting.match(b"GET", b"x", b"/") is EVERYTHING
    assert inviting.stripped == {b"x-original-url", b"x-rewrite-url"}


def test_every_method_there_is_the_gates() -> None:
    """Whatever it is."""
    for method in (b"GET", b"POST", b"DELETE", b"OPTIONS", b"BREW"):
        assert Routes([], local=True).match(method, b"x", b"/.gatekeeper/x") is LOCAL


def test_a_stripped_path_around_a_guarded_one_is_said() -> None:
    """At the same app alone, and not for a route without rules."""
    stripped = {"path": "/a/*", "strip_prefix": True}
    guarded = {"path": "/admin/*", "allow": [{"ou": "ops"}]}

    def passages(*tables: Mapping[str, object]) -> list[str]:
        return list(Routes([RouteSettings.model_validate(table) for table in tables]).prefix_warnings())

    assert passages(guarded, stripped) == [
        "routes[1] /a/* strips its prefix: what routes[0] /admin/* asks is not asked of the same path below it"
    ]
    assert passages({**guarded, "upstream": "other"}, stripped) == []
    assert passages({"path": "/admin/*"}, stripped) == []
    assert passages(guarded, {"path": "/a/*"}) == []
