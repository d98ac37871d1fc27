"""Routes that can never match, because an earlier one matches all their requests: their rules would guard nothing."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from gatekeeper.settings.access import RouteSettings


def shadowed_routes(routes: Sequence[RouteSettings]) -> Iterator[tuple[int, int]]:
    """Pairs of indexes: a route, and the first one before it that matches every request that it matches.

    Not found: routes that are shadowed by several others together.
    """
    above: dict[str, list[int]] = defaultdict(list)
    for index, route in enumerate(routes):
        earlier = sorted(one for path in _wider(route.path) for one in above[path])
        taker = next((one for one in earlier if _takes_all(routes[one], route)), None)
        if taker is not None:
            yield index, taker
        above[route.path].append(index)


def _wider(path: str) -> Iterator[str]:
    """The paths of routes that could match everything that this one matches."""
    bare = path.removesuffix("*").rstrip("/")
    if not path.endswith("*"):
        yield from {bare or "/", bare + "/"}
    while bare:
        yield f"{bare}/*"
        bare = bare.rpartition("/")[0]
    yield "/*"


def _takes_all(first: RouteSettings, second: RouteSettings) -> bool:
    methods = {*first.methods, *(["HEAD"] if "GET" in first.methods else [])}
    return (
        (not first.hosts or (bool(second.hosts) and set(second.hosts) <= set(first.hosts)))
        and (not methods or (bool(second.methods) and set(second.methods) <= methods))
        and _by_the_letter(first, second)
    )


def _by_the_letter(first: RouteSettings, second: RouteSettings) -> bool:
    """Whether a public route, which distinguishes a trailing slash, matches everything that the second one matches,
    which may not.
    """
    stem = first.path.removesuffix("*")
    if not first.public or stem == "/":
        return True
    if stem == first.path:
        return second.public and second.path == first.path
    return (second.path if second.public else second.path.removesuffix("*").rstrip("/")).startswith(stem)
