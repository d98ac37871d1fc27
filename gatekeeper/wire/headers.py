"""Header fields: what one line says, and which names never pass.

Every rule here is a function of the bytes alone, so results may be cached (see `gatekeeper.wire.request`).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from gatekeeper.wire.foreign import BUILT_IN, NameSet, folded
from gatekeeper.wire.rules import MessageRule

# RFC 9110, 5.6.2 (token) and 5.5 (field-content with obs-text). No space before the colon, no line folding (RFC 9112,
# 5.1 and 5.2), no control character but the tab.
TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_FIELD: Final = re.compile(rb"(" + TOKEN + rb"):([^\x00-\x08\x0a-\x1f\x7f]*)")
_TOKEN: Final = re.compile(TOKEN)
BROKEN_LINE_END: Final = re.compile(rb"(?<!\r)\n|\r[^\n]|\x00")

# RFC 9110, 7.6.1; those that RFC 2616, 13.5.1 named; HTTP2-Settings (RFC 7540, 3.2.1).
HOP_BY_HOP: Final = frozenset(
    {
        b"connection",
        b"http2-settings",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"transfer-encoding",
        b"upgrade",
    }
)
# What the gate writes itself, and what it says to an app about the visitor: none of it is ever taken over from a
# client. ``Proxy`` is no field at all, but CGI turns it into HTTP_PROXY (CVE-2016-5385).
_NEVER_COPIED: Final = HOP_BY_HOP | {
    b"client-cert",
    b"client-cert-chain",
    b"content-length",
    b"forwarded",
    b"host",
    b"proxy",
    b"remote-user",
    b"x-real-ip",
    b"x-request-id",
}
_NEVER_COPIED_PREFIXES: Final[tuple[bytes, ...]] = (b"x-ssl-client-", b"x-forwarded-", b"gatekeeper-")
_NGINX_PREFIX: Final = b"x-ssl-client-"
_NGINX_NAMES: Final = frozenset(
    _NGINX_PREFIX + name
    for name in (b"verify", b"s-dn", b"i-dn", b"serial", b"fingerprint", b"v-start", b"v-end", b"escaped-cert")
)
_UNDERSCORE: Final = 0x5F  # as a number: looking for b"_" raises and drops a TypeError first, 0.14 µs

# RFC 9110, 6.5.1: what describes framing, routing, authentication, request modifiers, response controls or content
# format has to be known before the content, so it must not be in a trailer.
FORBIDDEN_TRAILERS: Final = frozenset(
    {
        b"authorization",
        b"cache-control",
        b"content-encoding",
        b"content-range",
        b"content-type",
        b"cookie",
        b"expect",
        b"max-forwards",
        b"range",
        b"set-cookie",
        b"trailer",
        b"www-authenticate",
    }
)

# Fields that describe the request, not its sender. A custom header replaces the visitor's own, so one of these would
# leave every app without cookies, or with bodies of an unknown type. ``Authorization`` and ``From`` (RFC 9110, 10.1.2)
# do name the sender.
_OF_THE_REQUEST: Final = (FORBIDDEN_TRAILERS - {b"authorization"}) | {
    b"accept",
    b"date",
    b"origin",
    b"pragma",
    b"prefer",
    b"referer",
    b"user-agent",
    b"via",
}
_OF_THE_REQUEST_PREFIXES: Final[tuple[bytes, ...]] = (b"accept-", b"access-control-", b"content-", b"if-", b"sec-")

# What the gate itself acts on, may believe from a trusted proxy, or writes into the log; and whether there is a cookie.
_NOTED_IN_REQUESTS: Final = frozenset(
    {
        b"accept",
        b"accept-language",
        b"access-control-request-method",
        b"connection",
        b"content-length",
        b"content-type",
        b"cookie",
        b"expect",
        b"forwarded",
        b"host",
        b"origin",
        b"purpose",
        b"referer",
        b"sec-ch-ua-platform",
        b"sec-fetch-site",
        b"sec-purpose",
        b"transfer-encoding",
        b"upgrade",
        b"user-agent",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-port",
        b"x-forwarded-prefix",
        b"x-forwarded-proto",
        b"x-moz",
        b"x-purpose",
        b"x-real-ip",
        b"x-request-id",
    }
)
_NOTED_IN_RESPONSES: Final = frozenset({b"connection", b"content-length", b"transfer-encoding", b"upgrade"})
_DROPPED_FROM_RESPONSES: Final = HOP_BY_HOP | {b"content-length"}
# Gatekeeper-Reason and what else the gate tells visitors of itself: an app's answer must not look like a refusal.
_OWN_PREFIX: Final = b"gatekeeper-"


@dataclass(slots=True, init=False)
class Field:
    """One field line, never changed: ``name`` in lower case, ``value`` without the white space around it.

    ``line`` is what passes on, b"" if it does not pass. ``noted`` fields mean something to the gate itself. Not
    frozen, because one comes with every new line, and a frozen one costs 1.6 µs to make instead of 0.15.
    """

    name: bytes
    value: bytes
    line: bytes
    noted: bool

    # Written out for mypyc, as in `gatekeeper.wire.request.RequestHead`.
    def __init__(self, name: bytes, value: bytes, line: bytes, noted: bool) -> None:
        self.name = name
        self.value = value
        self.line = line
        self.noted = noted


def split_field(line: bytes, rule: MessageRule = MessageRule.FIELD_LINE) -> tuple[bytes, bytes]:
    """Name as it came and value without the white space around it; MessageError by ``rule`` if the line is no
    field."""
    match = _FIELD.fullmatch(line)
    # RFC 9112, 5.1: no space before the colon. 5.2: no folded lines. RFC 9110, 5.5: no CR, LF or NUL in a value.
    if match is None:
        raise rule.error()
    name, value = match.groups()
    return name, value.strip(b" \t")


def read_request_field(stripped: NameSet, line: bytes) -> Field:
    """Judge one line of a request; ``stripped`` are further names that only the gate may set, as `folded` gives
    them."""
    name, value = split_field(line)
    lower = name.lower()
    passing = b"" if is_reserved(lower, stripped) else b"%b: %b\r\n" % (name, value)
    return Field(lower, value, passing, lower in _NOTED_IN_REQUESTS)


def read_response_field(line: bytes) -> Field:
    """Judge one line of an app's response."""
    field = read_own_field(line)
    if field.name.startswith(_OWN_PREFIX):
        field.line = b""
    return field


def read_own_field(line: bytes) -> Field:
    """Judge one line of a response of the gate itself."""
    name, value = split_field(line, MessageRule.RESPONSE_FIELD_LINE)
    lower = name.lower()
    passing = b"" if lower in _DROPPED_FROM_RESPONSES else b"%b: %b\r\n" % (name, value)
    return Field(lower, value, passing, lower in _NOTED_IN_RESPONSES)


def is_reserved(name: bytes, stripped: NameSet = BUILT_IN) -> bool:
    """Whether a client's field of this name never reaches an upstream, whatever it says: framing, hop-by-hop,
    identity in any spelling (the gate's own, and what is in ``stripped``), and every name with an underscore.
    """
    plain = folded(name)
    return (
        _UNDERSCORE in name or plain in _NEVER_COPIED or plain in stripped or plain.startswith(_NEVER_COPIED_PREFIXES)
    )


def is_left_to_custom(name: bytes) -> bool:
    """Whether the gate sets no field of this name, as `folded` gives it, so that ``identity.custom`` may.

    Apps behind nginx know further names with the prefix of its preset. No client can send one of them either.
    """
    return name not in _NGINX_NAMES if name.startswith(_NGINX_PREFIX) else not is_reserved(name, ())


def is_of_the_request(name: bytes) -> bool:
    """Whether a field of this name, as `folded` gives it, describes the request and not its sender."""
    return name in _OF_THE_REQUEST or name.startswith(_OF_THE_REQUEST_PREFIXES)


def passes_as_trailer(name: bytes, stripped: NameSet = BUILT_IN) -> bool:
    """Whether a trailer field may go on: an app that merges trailers into the header must not be fooled by one."""
    return folded(name) not in FORBIDDEN_TRAILERS and not is_reserved(name, stripped)


def collect(fields: Iterable[Field]) -> dict[bytes, bytes]:
    """The noted fields by name; several of one name become one list (RFC 9110, 5.3).

    Where one value is wanted, a repeated field is thereby a malformed one: no number, coding or host holds a comma.
    """
    said: dict[bytes, bytes] = {}
    for field in fields:
        if field.noted:
            name = field.name
            said[name] = said[name] + b", " + field.value if name in said else field.value
    return said


# How Connection is mostly spelled.
USUAL_OPTIONS: Final = {
    value: frozenset(value.lower().split(b", "))
    for value in (b"keep-alive", b"Keep-Alive", b"close", b"Close", b"Upgrade", b"upgrade", b"keep-alive, Upgrade")
}


def tokens(value: bytes, rule: MessageRule) -> list[bytes]:
    """The lower-case members of a comma-separated list of tokens (RFC 9110, 5.6.1); MessageError by ``rule`` if it is
    none.

    Empty members are left out, as RFC 9110, 5.6.1.2 has it.
    """
    members = [member for item in value.lower().split(b",") if (member := item.strip(b" \t"))]
    # RFC 9110, 5.6.1 and 5.6.2: a comma-separated list of tokens.
    if not all(map(_TOKEN.fullmatch, members)):
        raise rule.error()
    return members


_PROTOCOL = re.compile(TOKEN + rb"(?:/" + TOKEN + rb")?")


def upgrade_protocol(value: bytes) -> bytes:
    """The protocol that an Upgrade field names (RFC 9110, 7.8), as it is spelled; b"" unless it names exactly one."""
    if value.lower() == b"websocket":
        return b"websocket"  # as RFC 6455 spells it: apps compare in many ways
    return value if _PROTOCOL.fullmatch(value) else b""


def read_length(value: bytes, rule: MessageRule) -> int:
    """Content-Length as RFC 9110, 8.6 has it: digits, nothing else. 18 of them stay below 2**63."""
    if not (value.isdigit() and len(value) <= 18):
        raise rule.error()
    return int(value)
