"""The visitor's addresses in a WebDAV request, for an app that knows itself by another path or name: ``Destination``,
and the resources in ``If`` (RFC 4918, 10.3 and 10.4).

A Destination that means another place to the app must not reach it: it would move a file to where the visitor did not
say. A resource in If is only a condition that the visitor puts on its own request, so one of another place is left
alone: it brings about nothing that one below the path could not.
"""

import re
from collections.abc import Callable, Iterator
from typing import Final

from gatekeeper.gate.routes import AMBIGUOUS, NoRoute, RouteMatch
from gatekeeper.wire.request import RequestHead

WITHOUT: Final = frozenset({b"GET", b"HEAD", b"POST"})
"""Methods whose requests are not searched for such addresses: they name none but their own."""

ELSEWHERE: Final = NoRoute(502, "The Destination is not below the path that this app is at.")
SEVERAL: Final = NoRoute(400, "The request has more than one Destination.")
AMBIGUOUS_ADDRESS: Final = NoRoute(400, "The path in Destination or If is ambiguous.")

Match = Callable[[bytes, bytes, bytes], RouteMatch]
"""`gatekeeper.gate.routes.Routes.match`."""

_FIELD = re.compile(rb"^(destination|if):[ \t]*([^\r\n]*)", re.IGNORECASE | re.MULTILINE)
_DESTINATION = re.compile(rb"^destination:([^\r\n]*)", re.IGNORECASE | re.MULTILINE)
# The gate's own site is always https.
_URL = re.compile(rb"(?:(https://)([^/?#]*))?(/.*)?", re.IGNORECASE | re.DOTALL)
# RFC 4918, 10.4.2: in parentheses stand states, which a token of any scheme may be; outside, a resource. What is not
# ended goes to the end, so that nothing is read twice: a header of 32 KiB of "(" would take seconds.
_RESOURCE = re.compile(rb'\((?:"[^"]*"?|<[^>]*>?|[^"<)])*\)?|<([^>]*)>?')


def is_below(prefix: bytes, target: bytes) -> bool:
    """Whether a path is ``prefix``, which has no slash at its end, or below it."""
    return target.startswith(prefix) and target[len(prefix) :][:1] in (b"", b"/", b"?", b"#")


def without_prefix(prefix: bytes, target: bytes) -> bytes:
    """A path below ``prefix`` without it."""
    # "//host" would be another site's address to an app that builds links from it (RFC 3986, 4.2).
    return b"/" + target[len(prefix) :].lstrip(b"/") if prefix else target


def answer_to(head: RequestHead, prefix: bytes, match: Match) -> NoRoute | None:
    """What a request gets instead of the app below ``prefix``, because of its addresses; None if they are good.

    502 is for a Destination in another namespace (RFC 4918, 9.8.5 and 9.9.4). A path gets 400 if it would get that as
    the request's own (``match``): "/dav/../a" begins with the prefix, but means a place that is not below it. Not
    checked: whether the visitor may use the route of a Destination.
    """
    if head.method in WITHOUT:
        return None
    host, found = head.block.host, _DESTINATION.findall(head.block.forward)
    if len(found) > 1:
        return SEVERAL
    urls = [url.strip(b" \t") for url in found]
    if any(_as_app_sees(url, host, prefix, b"") is None for url in urls):
        return ELSEWHERE
    paths = (path for url in (*urls, *_resources(head)) if (path := _own_path(url, host)))
    return AMBIGUOUS_ADDRESS if any(match(head.method, host, path) is AMBIGUOUS for path in paths) else None


def _resources(head: RequestHead) -> Iterator[bytes]:
    for name, value in _FIELD.findall(head.block.forward):
        if name.lower() == b"if":
            yield from filter(None, _RESOURCE.findall(value))


def rewrite(fields: bytes, host: bytes, prefix: bytes, app_host: bytes) -> bytes:
    """The fields of a request as the app gets them. ``host`` is the visitor's Host, ``prefix`` what the app does not
    see of the path, ``app_host`` the Host that it gets, b"" for the visitor's. Addresses of other places stay.
    """

    def field(match: re.Match[bytes]) -> bytes:
        name, value = match.groups()
        if name.lower() == b"if":
            return b"%b: %b" % (name, _RESOURCE.sub(resource, value))
        url = _as_app_sees(value.rstrip(b" \t"), host, prefix, app_host)
        return match[0] if url is None else b"%b: %b" % (name, url)

    def resource(match: re.Match[bytes]) -> bytes:
        url = match[1] and _as_app_sees(match[1], host, prefix, app_host)
        return b"<%b>" % url if url and match[0].endswith(b">") else match[0]

    return _FIELD.sub(field, fields)


def _as_app_sees(url: bytes, host: bytes, prefix: bytes, app_host: bytes) -> bytes | None:
    """The address as the app sees it; None if it is not one below ``prefix`` at the visitor's Host."""
    path = _own_path(url, host)
    if path is None or not is_below(prefix, path):
        return None
    site = url[: len(url) - len(path)]
    return (site and (b"https://" + app_host if app_host else site)) + without_prefix(prefix, path)


def _own_path(url: bytes, host: bytes) -> bytes | None:
    """The path of an address at the visitor's Host, with its query; None for one of another site, or for none."""
    match = _URL.fullmatch(url)
    if match is None or (match[1] and _site(match[2]) != _site(host)):
        return None
    return match[3] or b""


def _site(host: bytes) -> bytes:
    # RFC 9110, 4.2.3: the default port may be left out.
    return host.lower().removesuffix(b":443")
