"""A request's header block: everything between the request line and the body.

Field lines are read one by one (`headers`); here stands what they mean together: Host, the body's framing, the options
of Connection. llhttp has to be able to read each block as well.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import httptools

from gatekeeper.wire.foreign import NameSet
from gatekeeper.wire.framing import CHUNKED, LENGTH, NONE, Framing
from gatekeeper.wire.headers import USUAL_OPTIONS, Field, collect, read_length, tokens
from gatekeeper.wire.rules import MessageRule

# RFC 3986, 3.2.2 and 3.2.3, without what no DNS name holds: userinfo ("a@b" is how one server is made to see a and
# the next b), percent-encoding (which only some undo), and commas (which make a list).
_HOST: Final = re.compile(rb"(?:[0-9A-Za-z._~-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?")
# RFC 9110, 7.6.1: a connection option must not name a field that is meant for every recipient. Honouring it would let
# the visitor take the message apart.
_NEVER_PER_CONNECTION: Final = frozenset(
    {
        b"authorization",
        b"cache-control",
        b"content-length",
        b"content-type",
        b"cookie",
        b"expect",
        b"host",
        b"transfer-encoding",
    }
)
_ABOUT_THE_CONNECTION: Final = frozenset({b"close", b"keep-alive"})
# Options that name no field which passes.
_PLAIN_OPTIONS: Final = frozenset({b"close", b"http2-settings", b"keep-alive", b"te", b"upgrade"})


@dataclass(slots=True, eq=False)
class Block:
    """What a header block says; it is shared between requests and never changed, but for ``logged``.

    ``forward`` are the lines for the upstream: Host, what passes, the framing written anew. ``forwarded_host`` is the
    line that repeats Host for apps behind several proxies. ``lines`` is how many came. ``options`` are the tokens of
    Connection. ``fields`` holds the fields that mean something to the gate itself, by their lower-case names,
    ``stripped`` what no trailer may be called either. ``logged`` is what the access log says of it, "" before the first
    line.
    """

    forward: bytes
    forwarded_host: bytes
    lines: int
    host: bytes
    framing: Framing
    length: int
    options: frozenset[bytes]
    fields: Mapping[bytes, bytes]
    stripped: NameSet
    logged: str = field(default="", init=False)

    @property
    def plain(self) -> bool:
        """Whether there is no body, and nothing in Connection but keep-alive or close; Expect announces a body."""
        return self.framing is Framing.NONE and self.options <= _ABOUT_THE_CONNECTION and b"expect" not in self.fields

    def get(self, name: bytes) -> bytes:
        """The value of Accept, User-Agent, X-Forwarded-For or another field that interests the gate, b"" if none came.

        Nothing is believed yet: only a trusted proxy may speak of whom it forwards for.
        """
        return self.fields.get(name, b"")

    @property
    def expects_continue(self) -> bool:
        """Whether the client waits for 100 Continue before it sends the body (RFC 9110, 10.1.1)."""
        return b"expect" in self.fields


def read_block(fields: Mapping[bytes, Field], stripped: NameSet, limit: int, block: bytes) -> Block:
    """Read everything after the request line, the blank line included; MessageError if it is refused.

    ``fields`` gives the `Field` of a line; ``stripped`` are the names that no trailer may have either; ``limit`` is
    how many lines there may be.
    """
    lines = block[:-4].split(b"\r\n") if len(block) > 2 else []
    # RFC 6585, 5: 431 where the fields are too many in all.
    if len(lines) > limit:
        raise MessageRule.FIELD_COUNT.error()
    known = list(map(fields.__getitem__, lines))
    special = collect(known)
    host = special.get(b"host")
    # RFC 9112, 3.2: more than one Host, or one with an invalid value, must get 400.
    if host is not None and _HOST.fullmatch(host) is None:
        raise MessageRule.HOST_MALFORMED.error()
    framing, length, framing_line = _framing(special)
    # RFC 9110, 10.1.1: an expectation other than 100-continue may get 417.
    if b"expect" in special and special[b"expect"].lower() != b"100-continue":
        raise MessageRule.EXPECTATION.error()
    options = _options(special[b"connection"]) if b"connection" in special else _NO_OPTIONS
    if not options <= _PLAIN_OPTIONS:
        known = [field for field in known if field.name not in options]
    _ask_llhttp(block)
    forward = b"".join([field.line for field in known])
    if host is None:
        return Block(forward + framing_line, b"", len(lines), b"", framing, length, options, special, stripped)
    forward = b"Host: %b\r\n%b%b" % (host, forward, framing_line)
    forwarded_host = b"X-Forwarded-Host: %b\r\n" % host
    return Block(forward, forwarded_host, len(lines), host, framing, length, options, special, stripped)


def read_cookie(line: bytes) -> bytes:
    """The line of a cookie for the upstream; it begins with ``Cookie: ``. MessageError if it is refused.

    llhttp is not asked, which takes the same bytes in a value (0.9 µs). Nor is it cached: this takes no longer than
    asking for a line that may be new in each request.
    """
    value = line[len(_COOKIE) :]
    # RFC 9110, 5.5: as `split_field`, no control character but the tab; a regular expression takes ten times as long.
    if len(value.translate(None, _CONTROLS)) != len(value):
        raise MessageRule.FIELD_LINE.error()
    return b"%b%b\r\n" % (_COOKIE, value.strip(b" \t"))


_EXPECT: Final = re.compile(rb"^expect:[^\r\n]*\r\n", re.IGNORECASE | re.MULTILINE)


def with_length(block: Block, length: int) -> Block:
    """The block of a request whose body is there and has this length: without chunks, and without an expectation."""
    forward = _EXPECT.sub(b"", block.forward)
    if block.framing is CHUNKED:
        forward = forward.removesuffix(_CHUNKED_BODY[2]) + b"Content-Length: %d\r\n" % length
    fields = {name: value for name, value in block.fields.items() if name != b"expect"}
    return replace(block, forward=forward, framing=LENGTH, length=length, fields=fields)


_COOKIE: Final = b"Cookie: "
_CONTROLS: Final = bytes({*range(0x20), 0x7F} - {0x09})
_NO_OPTIONS: Final = frozenset[bytes]()
_NO_BODY: Final = (NONE, 0, b"")
_CHUNKED_BODY: Final = (CHUNKED, 0, b"Transfer-Encoding: chunked\r\n")


def _framing(special: Mapping[bytes, bytes]) -> tuple[Framing, int, bytes]:
    """RFC 9112, 6.1 to 6.3, without its leniences: whatever two readers could read differently is refused.

    Framing, length, and the line that says so to the upstream.
    """
    coding, length = special.get(b"transfer-encoding"), special.get(b"content-length")
    if coding is None:
        if length is None:
            return _NO_BODY
        number = read_length(length, MessageRule.LENGTH_MALFORMED)
        return LENGTH, number, b"Content-Length: %d\r\n" % number
    # RFC 9112, 6.3 (3): Content-Length beside Transfer-Encoding ought to be handled as an error (request smuggling).
    if length is not None:
        raise MessageRule.LENGTH_AND_CODING.error()
    if coding.lower() == b"chunked":
        return _CHUNKED_BODY
    *others, last = tokens(coding, MessageRule.CODING_MALFORMED) or [b""]
    # RFC 9112, 6.1: a transfer coding that the server does not understand should get 501.
    if last == b"chunked" and others and b"chunked" not in others:
        raise MessageRule.CODING_UNKNOWN.error()
    # RFC 9112, 6.3 (4): where chunked is not the final coding, the length cannot be determined: 400. 6.1: only once.
    raise MessageRule.CODING_MALFORMED.error()


def _options(value: bytes) -> frozenset[bytes]:
    """What Connection asks for (RFC 9110, 7.6.1)."""
    options = USUAL_OPTIONS.get(value)
    if options is None:
        options = frozenset(tokens(value, MessageRule.CONNECTION_LIST))
        # RFC 9110, 7.6.1: a connection option must not name a field that is intended for all recipients.
        if not options.isdisjoint(_NEVER_PER_CONNECTION):
            raise MessageRule.CONNECTION_NAMES.error()
    return options


class _Judge:
    """llhttp's second opinion needs no callbacks."""


_JUDGE: Final = _Judge()


def _ask_llhttp(block: bytes) -> None:
    """The second judge: llhttp, in its strict mode, must be able to read the block too. 0.9 µs."""
    try:
        httptools.HttpRequestParser(_JUDGE).feed_data(b"POST / HTTP/1.1\r\n" + block)
    except httptools.HttpParserUpgrade:
        return
    except httptools.HttpParserError as error:
        raise MessageRule.FIELD_LINE.error() from error
