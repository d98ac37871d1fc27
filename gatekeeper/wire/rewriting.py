"""Requests and responses between a visitor who sees an app below a path or under a name, and an app that sees another
(``upstream.host`` and ``routes.strip_prefix``)."""

import re
from dataclasses import replace
from functools import partial

from gatekeeper.wire.request import RequestHead
from gatekeeper.wire.response import ResponseHead
from gatekeeper.wire.webdav import WITHOUT, is_below, rewrite, without_prefix

# Where a browser names the site that it is at (RFC 6454, 7; RFC 9110, 10.1.3). The gate's own site is always https.
_SITE = re.compile(rb"^((?:origin|referer):[ \t]*https://)([^/?#\r\n]*)", re.IGNORECASE | re.MULTILINE)
# What a server of files acts on, and the framing of the body: RFC 9110, 7.2, 8.6, 12.5, 13.1 and 14.2; RFC 9112, 6.1.
_FOR_FILES = re.compile(
    rb"^(?:host|accept|accept-encoding|accept-language|range|if-(?:match|none-match|modified-since|unmodified-since|range)"
    rb"|content-length|transfer-encoding):[^\r\n]*\r\n",
    re.IGNORECASE | re.MULTILINE,
)
_LOCATION = re.compile(rb"\r\n(location|content-location):[ \t]*([^\r]*)", re.IGNORECASE)


class Rewriting:
    """``prefix`` is the path that the app does not see, without a slash at its end; ``host`` is the Host that the app
    gets, b"" for the visitor's own; ``authority`` is the app's address, as it may name it in a Location. ``files`` is
    whether the app is a folder of files, whose server gets only what it acts on.
    """

    __slots__ = ("_addresses", "_files", "_host", "_prefix")

    def __init__(self, prefix: bytes, host: bytes, authority: bytes, *, files: bool = False) -> None:
        self._prefix = prefix
        self._files = files
        self._host = host
        # Only its own addresses: a Location that leads elsewhere is the visitor's business.
        names = {name for name in (host, authority) if name}
        self._addresses = tuple(scheme + name for scheme in (b"http://", b"https://") for name in names)

    def request(self, head: RequestHead) -> RequestHead:
        """The head as the app gets it; its fast form too, where it has one."""
        if self._files:
            head = _for_files(head)
        target, block, prefix_line = head.target, head.block, b""
        if self._prefix and is_below(self._prefix, target):
            target = without_prefix(self._prefix, target)
            prefix_line = b"X-Forwarded-Prefix: %b\r\n" % self._prefix
        forward, host = block.forward, block.host
        if head.method not in WITHOUT:
            forward = rewrite(forward, host, self._prefix, self._host)
        if self._host and host:
            # An app compares its Host with these against cross-site requests (CSRF); another site's stays another's.
            fields = _SITE.sub(partial(self._own_site, host.lower()), forward[len(b"Host: \r\n") + len(host) :])
            forward, host = b"Host: %b\r\n%b" % (self._host, fields), self._host
        block = replace(block, forward=forward + prefix_line, host=host)
        wire_head = head.wire_head
        if wire_head:
            wire_head = b"%b %b HTTP/1.1\r\n%b%b%b" % (
                head.method,
                target,
                block.forward,
                block.forwarded_host,
                head.cookie,
            )
        return replace(head, target=target, block=block, wire_head=wire_head)

    def _own_site(self, host: bytes, match: re.Match[bytes]) -> bytes:
        field, site = match.groups()
        return field + self._host if site.lower() == host else match[0]

    def response(self, head: ResponseHead) -> ResponseHead:
        """The head as the visitor gets it: a Location at the app's own address, or below the path that it does not
        see, is one at the visitor's."""
        fields = _LOCATION.sub(self._location, head.fields)
        if fields == head.fields:
            return head
        return replace(head, fields=fields, wire_head=fields + head.wire_head[len(head.fields) :], hpack=b"")

    def _location(self, match: re.Match[bytes]) -> bytes:
        name, value = match.groups()
        for address in self._addresses:
            rest = value[len(address) :]
            if value[: len(address)].lower() == address.lower() and rest[:1] in (b"", b"/", b"?", b"#"):
                value = rest if rest[:1] == b"/" else b"/" + rest
                break
        if value[:1] == b"/" and value[:2] != b"//" and not is_below(self._prefix, value):
            value = self._prefix + value
        return b"\r\n%b: %b" % (name, value)


def _for_files(head: RequestHead) -> RequestHead:
    """The head for aiohttp's server, which answers some methods, targets and fields with an error of its own and a
    traceback in the log: every method but GET and HEAD becomes one that it knows, and that gets 405 all the same.
    """
    block = head.block
    fields = b"".join(_FOR_FILES.findall(block.forward))
    return replace(
        head,
        method=head.method if head.method in (b"GET", b"HEAD") else b"POST",
        target=b"/" if head.target == b"*" else head.target,  # RFC 9110, 9.3.7
        block=replace(block, forward=fields, options=block.options - {b"upgrade"}),
        cookie=b"",
    )
