"""The kinds of value that settings hold: how TOML writes each, how others are refused, how it is shown again.

A kind raises ValueError with a sentence that goes on from the key: "should be …; got …". Code may also give values
ready-made (``5.0`` for a duration, an ``Address``); a configuration file may not, hence the `Loading` that only
``config.load`` passes.
"""

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, PlainSerializer, PlainValidator, ValidationInfo, WithJsonSchema

from gatekeeper import units
from gatekeeper.addresses import ListenAddress, UpstreamURL, parse_host, parse_listen, parse_upstream


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
            text = '"' + "".join(char if char.isprintable() else "?" for char in value) + '"'
        case dict():
            text = "a table"
        case list():
            text = "a list"
        case _:
            text = str(value)
    return text if len(text) <= 80 else f"{text[:76]}…{text[-1]}"


def _reads(parse: Callable[[str], Any], expected: str = "", *, otherwise: str = "") -> PlainValidator:
    """Read a string by ``parse``. ``expected`` words every refusal; ``otherwise`` only those that bring no sentence."""

    def read(value: Any, info: ValidationInfo) -> Any:
        sentence = f"should be {expected or otherwise}; got {shown(value)}"
        if not isinstance(value, str):
            if info.context is None:
                return value
            raise ValueError(sentence)
        try:
            return _placed(parse(value), info)
        except ValueError as error:
            raise ValueError(sentence if expected else str(error)) from None

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


def _positive(text: str) -> float:
    seconds = units.parse_duration(text)
    if seconds <= 0:
        raise ValueError
    return seconds


_DURATION = 'a duration such as "30s", "500ms" or "2h"'
_DURATION_PATTERN = "([0-9]{1,9}(ms|s|m|h|d))+"
_SIZE = 'a size such as "64KiB", "1MiB" or "512B"'
_SIZE_PATTERN = "[0-9]{1,12}(B|KiB|MiB|GiB|TiB)"

Duration = Annotated[
    float,
    _reads(_positive, f"{_DURATION}, longer than nothing"),
    _writes(units.write_duration),
    _schema(_DURATION_PATTERN),
]
"""Seconds, more than 0."""

Wait = Annotated[
    float, _reads(units.parse_duration, _DURATION), _writes(units.write_duration), _schema(_DURATION_PATTERN)
]
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
Network = Annotated[
    IPNetwork,
    _reads(ip_network, 'a network such as "10.0.0.0/8", "2001:db8::/32" or "192.0.2.7"'),
    _writes(),
    _schema(),
]
"""A network in CIDR form; a bit set behind the prefix is a mistake."""

Listen = Annotated[
    ListenAddress, _reads(parse_listen, otherwise='an address and a port, such as "0.0.0.0:8443"'), _writes(), _schema()
]
"""Where to listen."""

ListenOrOff = Annotated[
    ListenAddress | None,
    _reads(_or("off", parse_listen), otherwise='an address and a port, such as "127.0.0.1:9000", or "off"'),
    _writes(none="off"),
    _schema("", "off"),
]
"""Where to listen, None for "off"."""

URL = Annotated[
    UpstreamURL, _reads(parse_upstream, otherwise='a URL such as "http://127.0.0.1:8000"'), _writes(), _schema()
]
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

HostName = Annotated[str, _reads(parse_host, otherwise='a host name such as "app.example.com"'), _schema()]
"""A host name or IP address."""


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
    if len(pin) != 44:
        return _sha256(text)
    return base64.b64decode(pin, validate=True).hex()


Serial = Annotated[str, _reads(_serial, 'a serial number in hex, such as "0a1b" or "0A:1B"'), _schema()]
"""A serial number in the form that ``Certificate.serial`` has, however it was written."""

Fingerprint = Annotated[str, _reads(_sha256, "a SHA-256 fingerprint: 64 hex digits, with or without colons"), _schema()]
"""A SHA-256 fingerprint in the form that ``Certificate.sha256`` has."""

Pin = Annotated[
    str, _reads(_spki, 'the SHA-256 of a public key: 64 hex digits, or "sha256/" and its base64'), _schema()
]
"""A public key's pin in the form that ``Certificate.spki_sha256`` has."""


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


OneOrMany = BeforeValidator(_listed)
"""Lets a single string stand for a list of one."""
