"""The types of settings' values: how TOML writes each, how invalid values are rejected, how it is shown again.

A kind raises ValueError with a sentence that goes on from the key: "should be …; got …". Code may also give values
ready-made (``5.0`` for a duration, an ``Address``); a configuration file may not, hence the `Loading` that only
``config.load`` passes.
"""

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_interface, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core.core_schema import CoreSchema, no_info_before_validator_function

from gatekeeper.settings import units
from gatekeeper.settings.addresses import ListenAddress, UpstreamURL, parse_host, parse_listen, parse_upstream, quoted
from gatekeeper.x509.names import normal_rfc4514


@dataclass(frozen=True, slots=True)
class Loading:
    """The pydantic context while a file is loaded: ``folder`` is where relative paths start."""

    folder: Path


def shown(value: object) -> str:
    """A value as TOML would write it, for "got …"; never more than a short line, never a control character."""
    match value:
        case bool():
            text = str(value).lower()
        case str():
            text = quoted(value)
        case int() if abs(value) > 1 << 64:
            text = "a huge number"  # str() refuses more than 4,300 digits
        case dict():
            text = "a table"
        case list():
            text = "a list"
        case _:
            text = str(value)
    return text


def _reads(parse: Callable[[str], Any], expected: str) -> PlainValidator:
    """Read a string by ``parse``, whose ValueError brings its own sentence or, empty, leaves it to "should be …"."""

    def read(value: Any, info: ValidationInfo) -> Any:
        sentence = f"should be {expected}; got {shown(value)}"
        if not isinstance(value, str):
            if info.context is None:
                return value
            raise ValueError(sentence)
        try:
            return _placed(parse(value), info)
        except ValueError as error:
            raise ValueError(str(error) or sentence) from None

    return PlainValidator(read)


def _placed(value: Any, info: ValidationInfo) -> Any:
    """Relative paths start at the folder of the configuration file."""
    if not isinstance(info.context, Loading):
        return value
    if isinstance(value, Path):
        return info.context.folder / value
    return value.within(info.context.folder) if hasattr(value, "within") else value


def _or(word: str, parse: Callable[[str], Any]) -> Callable[[str], Any]:
    return lambda text: None if text == word else parse(text)


def _writes(write: Callable[[Any], str] = str, *, none: str | None = None) -> PlainSerializer:
    return PlainSerializer(lambda value: none if value is None else write(value))


def _schema(pattern: str = "", *words: str) -> WithJsonSchema:
    text: dict[str, Any] = {"type": "string"}
    if pattern:
        text["pattern"] = f"^{pattern}$"
    return WithJsonSchema({"anyOf": [*({"const": word} for word in words), text]} if words else text)


# Ten years: what is meant as "for ever" fits, and no clock or timer overflows.
_LONGEST = 3650 * 86400


def _bounded(text: str) -> float:
    seconds = units.parse_duration(text)
    if seconds > _LONGEST:
        raise ValueError(f'must not be longer than "{units.write_duration(_LONGEST)}"; got {quoted(text)}')
    return seconds


def _positive(text: str) -> float:
    seconds = _bounded(text)
    if seconds == 0:
        raise ValueError("must be longer than nothing")
    return seconds


_DURATION = 'a duration such as "30s", "500ms" or "2h"'
_DURATION_PATTERN = "([0-9]{1,12}(ms|s|m|h|d))+"
_SIZE = 'a size such as "64KiB", "1MiB" or "512B"'
_SIZE_PATTERN = "[0-9]{1,12}(B|KiB|MiB|GiB|TiB)"

Duration = Annotated[
    float,
    _reads(_positive, _DURATION),
    _writes(units.write_duration),
    _schema(_DURATION_PATTERN),
]
"""Seconds, more than 0."""

Wait = Annotated[float, _reads(_bounded, _DURATION), _writes(units.write_duration), _schema(_DURATION_PATTERN)]
"""Seconds; 0 is no wait at all."""

DurationOrOff = Annotated[
    float | None,
    _reads(_or("off", _positive), f'{_DURATION}, or "off"'),
    _writes(units.write_duration, none="off"),
    _schema(_DURATION_PATTERN, "off"),
]
"""Seconds, None for "off"."""

Size = Annotated[int, _reads(units.parse_size, _SIZE), _writes(units.write_size), _schema(_SIZE_PATTERN)]
"""Bytes."""

SizeOrUnlimited = Annotated[
    int | None,
    _reads(_or("unlimited", units.parse_size), f'{_SIZE}, or "unlimited"'),
    _writes(units.write_size, none="unlimited"),
    _schema(_SIZE_PATTERN, "unlimited"),
]
"""Bytes, None for "unlimited"."""

IPNetwork = IPv4Network | IPv6Network


def _network(text: str) -> IPNetwork:
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise ValueError from None
    if network.network_address != ip_interface(text).ip:
        raise ValueError(f'has bits set behind the prefix; is "{network}" meant, or "{ip_interface(text).ip}"?')
    return network


Network = Annotated[
    IPNetwork,
    _reads(_network, 'a network such as "10.0.0.0/8", "2001:db8::/32" or "192.0.2.7"'),
    _writes(),
    _schema(),
]
"""A network in CIDR form; a bit set behind the prefix is a mistake."""

Listen = Annotated[
    ListenAddress, _reads(parse_listen, 'an address and a port, such as "0.0.0.0:8443"'), _writes(), _schema()
]
"""Where to listen."""

ListenOrOff = Annotated[
    ListenAddress | None,
    _reads(_or("off", parse_listen), 'an address and a port, such as "127.0.0.1:9000", or "off"'),
    _writes(none="off"),
    _schema("", "off"),
]
"""Where to listen, None for "off"."""

URL = Annotated[UpstreamURL, _reads(parse_upstream, 'a URL such as "http://127.0.0.1:8000"'), _writes(), _schema()]
"""Where an upstream is found."""


def _path(text: str) -> Path:
    if not text.strip() or "\0" in text:
        raise ValueError
    return Path(text)


File = Annotated[Path, _reads(_path, "the path of a file"), _writes(), _schema()]
"""A path; relative ones start at the folder of the configuration file. Whether it exists is seen when it is opened."""

Folder = Annotated[Path, _reads(_path, "the path of a folder"), _writes(), _schema()]
"""The path of a folder, taken like that of a `File`."""


def _log_target(text: str) -> str | Path:
    return text if text in ("stdout", "stderr", "off") else _path(text)


LogTarget = Annotated[
    Literal["stdout", "stderr", "off"] | Path,
    _reads(_log_target, '"stdout", "stderr", "off" or the path of a file'),
    _writes(),
    _schema("", "stdout", "stderr", "off"),
]
"""Where lines go: one of three words, or a file."""


def _workers(value: Any) -> Any:
    if value != "auto" and (isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 1024):
        raise ValueError(f'should be a number from 1 to 1024, or "auto" for one a core; got {shown(value)}')
    return value


Workers = Annotated[
    int | Literal["auto"],
    PlainValidator(_workers),
    WithJsonSchema({"anyOf": [{"const": "auto"}, {"type": "integer", "minimum": 1, "maximum": 1024}]}),
]
"""How many worker processes."""


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


def _text(value: str) -> str:
    if not value.strip() or not value.isprintable():
        raise ValueError
    return value


Text = Annotated[str, _reads(_text, "text on one line, not empty"), _schema()]
"""One line of text that is not blank."""

HostName = Annotated[
    str, _reads(lambda text: parse_host(text).lower(), 'a host name such as "app.example.com"'), _schema()
]
"""A host name or IP address, without a port, in lower case."""


def _hex(text: str) -> str:
    digits = text.replace(":", "").lower()
    if not re.fullmatch(r"[0-9a-f]+", digits, re.ASCII):
        raise ValueError
    return digits


def _serial(text: str) -> str:
    digits = _hex(text.removeprefix("-")).lstrip("0").upper() or "0"
    return "-" * text.startswith("-") + "0" * (len(digits) % 2) + digits


def _sha256(text: str) -> str:
    digits = _hex(text)
    if len(digits) != 64:
        raise ValueError
    return digits


def _spki(text: str) -> str:
    pin = text.removeprefix("sha256//").removeprefix("sha256/")
    if not re.fullmatch(r"[A-Za-z0-9+/]{43}=", pin, re.ASCII):
        return _sha256(text)
    return base64.b64decode(pin).hex()


Serial = Annotated[str, _reads(_serial, 'a serial number in hex, such as "0a1b" or "0A:1B"'), _schema()]
"""A serial number in the form that ``Certificate.serial`` has, however it was written."""

Fingerprint = Annotated[str, _reads(_sha256, "a SHA-256 fingerprint: 64 hex digits, with or without colons"), _schema()]
"""A SHA-256 fingerprint in the form that ``Certificate.sha256`` has."""

Pin = Annotated[
    str, _reads(_spki, 'the SHA-256 of a public key: 64 hex digits, or "sha256/" and its base64'), _schema()
]
"""A public key's pin in the form that ``Certificate.spki_sha256`` has."""


def _spelled(pattern: str, expected: str) -> PlainValidator:
    """Text that fits a pattern as a whole."""

    def read(text: str) -> str:
        if not re.fullmatch(pattern, text, re.ASCII):
            raise ValueError
        return text

    return _reads(read, expected)


_UPSTREAM_NAME = "[A-Za-z0-9_-]{1,64}"
UpstreamName = Annotated[
    str, _spelled(_UPSTREAM_NAME, "a name of letters, digits, hyphens and underscores"), _schema(_UPSTREAM_NAME)
]
"""What routes, logs and metrics call an upstream."""

# RFC 9110, 9.1: methods are case-sensitive, and all registered ones are upper-case.
_METHOD = "[A-Z][A-Z-]{0,31}"
Method = Annotated[str, _spelled(_METHOD, 'a method in capitals, such as "GET"'), _schema(_METHOD)]
"""A request method."""

# The characters of RFC 3986's pchar that mean the same to every server: no escapes, no ";", no empty or dot segments.
ROUTE_PATH = r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~!$&'()+,=:@-]+)*(/|/\*)?"
RoutePath = Annotated[
    str,
    _spelled(f"(?=/){ROUTE_PATH}", 'a path such as "/admin", or "/admin/*" for all below it, without escapes'),
    _schema(f"(?=/){ROUTE_PATH}"),
]
"""An exact path, or a prefix that ends in ``/*``."""

_REQUEST_PATH = r"/(?!/)[!-\[\]-~]*"
RequestPath = Annotated[str, _spelled(_REQUEST_PATH, 'a path such as "/healthz"'), _schema(_REQUEST_PATH)]
"""What is asked of an upstream: a path, with a query or without."""

_WEB = r"https?://[A-Za-z0-9.:\[\]-]+(/[!-\[\]-~]*)?"
WebURL = Annotated[str, _spelled(_WEB, 'a URL such as "http://ocsp.example.com/"'), _schema(_WEB)]
"""An http or https URL, with a path or without, without a user name."""
Name = Annotated[
    str, _reads(normal_rfc4514, 'a distinguished name by RFC 4514, such as "CN=alice,O=Example Ltd"'), _schema()
]
"""A whole distinguished name in the form that ``Certificate.dn`` has."""


# OpenSSL's names (objects.txt) of what people have in certificates; all others are written as their OID.
PURPOSES = {
    "serverAuth": "1.3.6.1.5.5.7.3.1",
    "clientAuth": "1.3.6.1.5.5.7.3.2",
    "codeSigning": "1.3.6.1.5.5.7.3.3",
    "emailProtection": "1.3.6.1.5.5.7.3.4",
    "timeStamping": "1.3.6.1.5.5.7.3.8",
    "OCSPSigning": "1.3.6.1.5.5.7.3.9",
    "msSmartcardLogin": "1.3.6.1.4.1.311.20.2.2",
    "anyExtendedKeyUsage": "2.5.29.37.0",
}


def _oid(text: str) -> str:
    if not re.fullmatch(r"[0-2](\.(0|[1-9][0-9]*))+", text, re.ASCII):
        raise ValueError
    return text


OID = Annotated[str, _reads(_oid, 'an object identifier such as "1.3.6.1.4.1.55555.1"'), _schema()]
"""A dotted object identifier."""

Purpose = Annotated[
    str,
    _reads(lambda text: PURPOSES.get(text) or _oid(text), f"an object identifier, or one of {', '.join(PURPOSES)}"),
    _schema(),
]
"""An extended key usage as its dotted object identifier."""


# What frames, routes or signs off a message is the proxy's own.
_OWN = {"connection", "content-length", "expect", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}


def _header_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^`|~-]{1,128}", text, re.ASCII):  # RFC 9110, 5.6.2, less the underscore
        raise ValueError
    if text.lower() in _OWN:
        raise ValueError("is set by gatekeeper itself")
    return text


HeaderName = Annotated[str, _reads(_header_name, "the name of a header, without underscores"), _schema()]
"""The name of a header to set. Underscores are refused: many servers cannot tell them from hyphens."""

# At least three characters before the star: "X-*" would take most of what apps and their clients say to each other.
_HEADER_PATTERN = r"[A-Za-z0-9!#$%&'+.^`|~-]{1,128}|[A-Za-z0-9!#$%&'+.^`|~-]{3,127}\*"
HeaderPattern = Annotated[
    str,
    _spelled(_HEADER_PATTERN, 'the name of a header, or the beginning of names and a star, such as "X-Corp-*"'),
    _schema(f"({_HEADER_PATTERN})"),
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
    return _text(text)


Template = Annotated[str, _reads(_template, "text on one line, not empty"), _schema()]
"""The value of a header, with placeholders."""


_LABEL = "[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?"
EmailPattern = Annotated[
    str,
    _spelled(r"(\*|[^\s@*]+)@[^\s@*]+", 'an address such as "alice@example.com", or "*@example.com" for all there'),
    _schema(),
]
"""An e-mail address, or every one of a domain."""

DNSPattern = Annotated[
    str,
    _spelled(rf"(\*\.)?{_LABEL}(\.{_LABEL})*", 'a host name such as "laptop.example.com", or "*.example.com"'),
    _schema(),
]
"""A host name in a certificate, or every one with one label more than what follows the star."""

URIPattern = Annotated[
    str,
    _spelled(
        r"[A-Za-z][A-Za-z0-9+.-]*:[^\s*]*(?<=/)\*|[A-Za-z][A-Za-z0-9+.-]*:[^\s*]+", 'a URI, or one that ends in "/*"'
    ),
    _schema(),
]
"""A URI in a certificate, or every one that goes on behind the slash."""


class OneOrMany:
    """In ``Annotated[tuple[…], …, OneOrMany]``: a single string may stand for a list of one."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return no_info_before_validator_function(
            lambda value: [value] if isinstance(value, str) else value, handler(source)
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        many = handler(core)
        return {"anyOf": [many["items"], many]}
