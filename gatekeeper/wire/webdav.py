"""The visitor's addresses in a WebDAV request, for an app that knows itself by another path or name: ``Destination``,
and the resources in ``If`` (RFC 4918, 10.3 and 10.4).

A Destination that means another place to the app must not reach it: it would move a file to where the visitor did not
say.
"""

import re
from typing import Final

from gatekeeper.wire.request import RequestHead

WITHOUT: Final = frozenset({b"GET", b"HEAD", b"POST"})
"""Methods whose requests are not searched for such addresses: they name none but their own."""

ELSEWHERE: Final = "The Destination is not below the path that this app is at."

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


def leads_elsewhere(head: RequestHead, prefix: bytes) -> bool:
    """Whether the request has a Destination at another site, or not below ``prefix``: 502 is for one in another
    namespace (RFC 4918, 9.8.5 and 9.9.4).
    """
    if head.method in WITHOUT:
        return False
    found = _DESTINATION.findall(head.block.forward)
    return any(_as_app_sees(url.strip(b" \t"), head.block.host, prefix, b"") is None for url in found)


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
    match = _URL.fullmatch(url)
    if match is None:
        return None
    scheme, site, path = match[1] or b"", match[2] or b"", match[3] or b""
    if (scheme and _site(site) != _site(host)) or not is_below(prefix, path):
        return None
    return scheme + (app_host or site if scheme else b"") + without_prefix(prefix, path)


def _site(host: bytes) -> bytes:
    # RFC 9110, 4.2.3: the default port may be left out.
    return host.lower().removesuffix(b":443")
