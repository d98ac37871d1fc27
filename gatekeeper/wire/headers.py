"""Header fields: what one line says, and which names never pass.

Every rule here is a function of the bytes alone, so results may be remembered (see `gatekeeper.wire.request`).
"""

import re
from dataclasses import dataclass
from enum import Enum, auto

from gatekeeper.errors import MessageError

# RFC 9110, 5.6.2 (token) and 5.5 (field-content with obs-text). No space before the colon, no line folding (RFC
# 9112, 5.1 and 5.2), no control character but the tab.
TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_FIELD = re.compile(rb"(" + TOKEN + rb"):([^\x00-\x08\x0a-\x1f\x7f]*)")
_TOKEN_LIST = re.compile(rb"[ \t]*(?:" + TOKEN + rb")?[ \t]*(?:,[ \t]*(?:" + TOKEN + rb")?[ \t]*)*")

# RFC 9110, 7.6.1, and the older ones that RFC 2616, 13.5.1 named. ``Proxy`` is no field at all, but CGI turns it into
# HTTP_PROXY (CVE-2016-5385).
HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"http2-settings",
        b"keep-alive",
        b"proxy",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"transfer-encoding",
        b"upgrade",
    }
)

# What an app behind the gate believes about its visitor must come from the gate. Compared after every character that is
# neither letter nor digit became "-", because CGI and WSGI fold such characters together (HTTP_X_SSL_CLIENT_VERIFY).
IDENTITY_NAMES = frozenset(
    {b"client-cert", b"client-cert-chain", b"forwarded", b"remote-user", b"x-real-ip", b"x-request-id"}
)
IDENTITY_PREFIXES = (b"x-ssl-client-", b"x-forwarded-", b"gatekeeper-")
_NOT_ALPHANUMERIC = re.compile(rb"[^0-9a-z]")

# RFC 9110, 6.5.1: a trailer must not carry framing, routing, authentication or content negotiation.
FORBIDDEN_TRAILERS = HOP_BY_HOP | {
    b"authorization",
    b"cache-control",
    b"content-encoding",
    b"content-length",
    b"content-range",
    b"content-type",
    b"cookie",
    b"expect",
    b"host",
    b"max-forwards",
    b"range",
    b"set-cookie",
    b"trailer",
    b"www-authenticate",
}


class Meaning(Enum):
    """What a proxy has to do with a field beyond passing it on."""

    PASS = auto()
    DROP = auto()
    CONNECTION = auto()
    CONTENT_LENGTH = auto()
    TRANSFER_ENCODING = auto()
    HOST = auto()
    EXPECT = auto()
    UPGRADE = auto()
    CLAIM = auto()  # X-Forwarded-For and its like: believed only from a trusted proxy
    NOTE = auto()  # passed on, and of interest to the gate itself: Accept, User-Agent …


@dataclass(frozen=True, slots=True)
class Field:
    """One field line: its lower-case name, its value without white space around it, the bytes to pass on."""

    name: bytes
    value: bytes
    line: bytes
    meaning: Meaning
    passes: bool


_MEANINGS = {
    b"connection": Meaning.CONNECTION,
    b"content-length": Meaning.CONTENT_LENGTH,
    b"transfer-encoding": Meaning.TRANSFER_ENCODING,
    b"host": Meaning.HOST,
    b"expect": Meaning.EXPECT,
    b"upgrade": Meaning.UPGRADE,
    b"forwarded": Meaning.CLAIM,
    b"x-forwarded-for": Meaning.CLAIM,
    b"x-forwarded-host": Meaning.CLAIM,
    b"x-forwarded-proto": Meaning.CLAIM,
    b"x-request-id": Meaning.CLAIM,
    b"accept": Meaning.NOTE,
    b"accept-language": Meaning.NOTE,
    b"access-control-request-method": Meaning.NOTE,
    b"origin": Meaning.NOTE,
    b"referer": Meaning.NOTE,
    b"user-agent": Meaning.NOTE,
}


def split_field(line: bytes) -> tuple[bytes, bytes]:
    """Name as it came and value without surrounding white space; MessageError 400 if the line is no field."""
    match = _FIELD.fullmatch(line)
    if match is None:
        raise MessageError(400, "A header line is malformed.")
    return match[1], match[2].strip(b" \t")


def read_request_field(line: bytes, stripped: frozenset[bytes] = frozenset()) -> Field:
    """Judge one line of a request; ``stripped`` names further fields that only the gate may set (normalised names)."""
    name, value = split_field(line)
    lower = name.lower()
    meaning = _MEANINGS.get(lower)
    if meaning is None:
        meaning = Meaning.DROP if lower in HOP_BY_HOP or is_reserved(lower, stripped) else Meaning.PASS
    passes = meaning in (Meaning.PASS, Meaning.NOTE, Meaning.EXPECT)
    return Field(lower, value, name + b": " + value + b"\r\n", meaning, passes)


def read_response_field(line: bytes) -> Field:
    """Judge one line of a response."""
    name, value = split_field(line)
    lower = name.lower()
    special = lower in HOP_BY_HOP or lower == b"content-length"
    meaning = _MEANINGS.get(lower, Meaning.DROP) if special else Meaning.PASS
    return Field(lower, value, name + b": " + value + b"\r\n", meaning, not special)


def normalise(name: bytes) -> bytes:
    """The name as CGI-like servers see it, so that no spelling slips past a comparison."""
    return _NOT_ALPHANUMERIC.sub(b"-", name.lower())


def is_reserved(name: bytes, stripped: frozenset[bytes] = frozenset()) -> bool:
    """Whether only the gate may say this to an upstream: an identity header in any spelling, or an underscore."""
    plain = normalise(name)
    return b"_" in name or plain in IDENTITY_NAMES or plain in stripped or plain.startswith(IDENTITY_PREFIXES)


def tokens(value: bytes) -> list[bytes]:
    """The lower-case members of a comma-separated list of tokens (RFC 9110, 5.6.1); MessageError 400 if it is none."""
    if _TOKEN_LIST.fullmatch(value) is None:
        raise MessageError(400, "A header field that should be a list of tokens is not.")
    return [token for item in value.lower().split(b",") if (token := item.strip(b" \t"))]


def read_length(value: bytes) -> int:
    """Content-Length as RFC 9110, 8.6 has it: digits, nothing else. 18 of them stay below 2**63."""
    if not (value.isdigit() and len(value) <= 18):
        raise MessageError(400, "Content-Length is not a number.")
    return int(value)
