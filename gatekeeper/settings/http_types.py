"""The types of settings that name something in an HTTP message: methods, paths, origins, header fields."""

import re
from typing import Annotated, Any

from pydantic import PlainValidator, WithJsonSchema

from gatekeeper.settings.types import one_line
from gatekeeper.settings.validation import matching, reads, schema, shown


def _origins(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    if not isinstance(value, list | tuple) or not value or not all(isinstance(one, str) for one in value):
        raise ValueError(
            f'should be true, false or a list of origins such as "https://app.example.com"; got {shown(value)}'
        )
    for origin in value:
        if not re.fullmatch(r"https?://[^/?#@\s\\]+", origin, re.ASCII):
            raise ValueError(f'should list origins such as "https://app.example.com"; got {shown(origin)}')
    return tuple(value)


Origins = Annotated[
    bool | tuple[str, ...],
    PlainValidator(_origins),
    WithJsonSchema({"anyOf": [{"type": "boolean"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}),
]
"""True for every origin, False for none, or those that are listed."""

# RFC 9110, 9.1: methods are case-sensitive, and all registered ones are upper-case.
_METHOD = "[A-Z][A-Z-]{0,31}"
Method = Annotated[str, matching(_METHOD, 'a method in capitals, such as "GET"'), schema(_METHOD)]
"""A request method."""

# The characters of RFC 3986's pchar that mean the same to every server: no escapes, no ";", no empty or dot segments.
ROUTE_PATH = r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~!$&'()+,=:@-]+)*(/|/\*)?"
RoutePath = Annotated[
    str,
    matching(f"(?=/){ROUTE_PATH}", 'a path such as "/admin", or "/admin/*" for all below it, without escapes'),
    schema(f"(?=/){ROUTE_PATH}"),
]
"""An exact path, or a prefix that ends in ``/*``."""

_REQUEST_PATH = r"/(?!/)[!-\[\]-~]*"
RequestPath = Annotated[str, matching(_REQUEST_PATH, 'a path such as "/healthz"'), schema(_REQUEST_PATH)]
"""A path that is requested from an upstream, with or without a query."""

SITE_FILE = r"([A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*)?"
SiteFile = Annotated[str, matching(SITE_FILE, 'a file in the folder, such as "index.html"'), schema(SITE_FILE)]
"""A file below a folder, or an empty text."""

# RFC 9110, 7.8: a protocol is a token, with a version or without.
_WORD = r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}"
# Protocols that would carry further requests to the app, past the gate's checks (RFC 7540, 3.2; RFC 2817).
_CARRIES_REQUESTS = re.compile(r"h2|h2c|h3|(?:http|tls)(?:/.*)?", re.IGNORECASE)


def _upgrade_protocol(text: str) -> str:
    if not re.fullmatch(f"{_WORD}(/{_WORD})?", text):
        raise ValueError
    if _CARRIES_REQUESTS.fullmatch(text):
        raise ValueError("would carry further requests to the app, which gatekeeper could not judge")
    return text


UpgradeProtocol = Annotated[
    str,
    reads(_upgrade_protocol, 'a protocol such as "websocket" or "SPDY/3.1", other than HTTP'),
    schema(f"{_WORD}(/{_WORD})?"),
]
"""The name of a protocol in an Upgrade header."""

_WEB = r"https?://[A-Za-z0-9.:\[\]-]+(/[!-\[\]-~]*)?"
WebURL = Annotated[str, matching(_WEB, 'a URL such as "http://ocsp.example.com/"'), schema(_WEB)]
"""An http or https URL, with a path or without, without a user name."""


# Headers that frame or route a message belong to the proxy.
_OWN = {"connection", "content-length", "expect", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}


def _header_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^`|~-]{1,128}", text, re.ASCII):  # RFC 9110, 5.6.2, less the underscore
        raise ValueError
    if text.lower() in _OWN:
        raise ValueError("is set by gatekeeper itself")
    return text


HeaderName = Annotated[str, reads(_header_name, "the name of a header, without underscores"), schema()]
"""The name of a header to set. Underscores are refused: many servers cannot tell them from hyphens."""


def _response_header_name(text: str) -> str:
    name = _header_name(text.removeprefix("+"))
    if name.startswith("+") or name.lower() in ("date", "gatekeeper-reason"):
        raise ValueError("is set by gatekeeper itself" if not name.startswith("+") else "")
    return text


ResponseHeaderName = Annotated[
    str, reads(_response_header_name, 'the name of a header, or one behind a "+" to add a line'), schema()
]
"""The name of a header to set or remove in responses; behind a plus sign, one to add."""


def _header_value(text: str) -> str:
    if text != text.strip() or not ((text.isascii() and text.isprintable()) or text == ""):
        raise ValueError
    return text


HeaderValue = Annotated[str, reads(_header_value, 'printable ASCII on one line; "" removes the header'), schema()]
"""The value of a header (RFC 9110, 5.5), or an empty text."""

# At least three characters before the star: "X-*" would remove most headers that apps and their clients use.
_HEADER_PATTERN = r"[A-Za-z0-9!#$%&'+.^`|~-]{1,128}|[A-Za-z0-9!#$%&'+.^`|~-]{3,127}\*"


def _header_pattern(text: str) -> str:
    if not re.fullmatch(_HEADER_PATTERN, text, re.ASCII):
        raise ValueError
    if text.lower() in _OWN:
        raise ValueError("is set by gatekeeper itself")
    return text


HeaderPattern = Annotated[
    str,
    reads(_header_pattern, 'the name of a header, or the beginning of names and a star, such as "X-Corp-*"'),
    schema(f"({_HEADER_PATTERN})"),
]
"""The name of a header, or every name with this beginning."""

PLACEHOLDERS = (
    "cn",
    "o",
    "ou",
    "email",
    "dns",
    "uri",
    "upn",
    "subject_serial",
    "uid",
    "dn",
    "policy",
    "eku",
    "serial",
    "sha256",
    "issuer",
    "issuer_sha256",
    "not_after",
)


def _template(text: str) -> str:
    bare = text
    for name in PLACEHOLDERS:
        bare = bare.replace(f"{{{name}}}", "")
    if "{" in bare or "}" in bare:
        raise ValueError(f"may hold these in braces, and no others: {', '.join(PLACEHOLDERS)}")
    if text != text.strip():
        raise ValueError("must not begin or end with a blank: no header value does (RFC 9110, 5.5)")
    return one_line(text)


Template = Annotated[str, reads(_template, "text on one line, not empty"), schema()]
"""The value of a header, with placeholders."""
