"""Routes of hosts that never ask visitors for a certificate (``server.certificates`` with ``ask = false``)."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gatekeeper.settings.access import RouteSettings


def closed_routes(
    routes: "Sequence[RouteSettings]", asks: Callable[[str], bool], unasked: Iterable[str]
) -> Iterator[tuple[str, str]]:
    """Routes of such hosts that are not public, so that nobody could ever use them: the key of each, and a sentence.

    ``asks`` tells whether a host asks its visitors, ``unasked`` are the names in the certificates with ``ask = false``.
    For a wildcard, only the hosts that routes name are checked.
    """
    names = list(unasked)
    if not names:
        return
    hosts = {host for route in routes for host in route.hosts if not asks(host)}
    hosts |= {name for name in names if not name.startswith("*.")}
    if not routes:
        yield (
            "server.certificates",
            f"never asks visitors of {names[0]}, but without [[routes]] everybody must be asked",
        )
    reported: set[int] = set()
    for host in sorted(hosts):
        for index in _reached(routes, host):
            if not routes[index].public and index not in reported:
                reported.add(index)
                why = f"takes requests for {host}, whose visitors are never asked for a certificate, and is not public"
                yield f"routes[{index}]", why


def _reached(routes: "Sequence[RouteSettings]", host: str) -> Iterator[int]:
    """The routes that can take a request for the host."""
    for index, route in enumerate(routes):
        if route.hosts and host not in route.hosts:
            continue
        yield index
        if route.path == "/*" and not route.methods:
            return
