"""The types of settings: durations, sizes, addresses, files, one line of text.

Those that name part of a certificate are in ``certificate_types``, those of an HTTP message in ``http_types``.
"""

from ipaddress import IPv4Network, IPv6Network, ip_interface, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, PlainValidator, WithJsonSchema

from gatekeeper.settings import units
from gatekeeper.settings.addresses import ListenAddress, UpstreamURL, parse_host, parse_listen, parse_upstream, quoted
from gatekeeper.settings.validation import either, matching, reads, schema, shown, writes

# Ten years: long enough for "for ever", and short enough that no clock or timer overflows.
_LONGEST = 3650 * 86400


def _bounded(text: str) -> float:
    seconds = units.parse_duration(text)
    if seconds > _LONGEST:
        raise ValueError(f'must not be longer than "{units.write_duration(_LONGEST)}"; got {quoted(text)}')
    return seconds


def _positive(text: str) -> float:
    seconds = _bounded(text)
    if seconds == 0:
        raise ValueError("must be longer than 0")
    return seconds


_DURATION = 'a duration such as "30s", "500ms" or "2h"'
_DURATION_PATTERN = "([0-9]{1,12}(ms|s|m|h|d))+"
_SIZE = 'a size such as "64KiB", "1MiB" or "512B"'
_SIZE_PATTERN = "[0-9]{1,12}(B|KiB|MiB|GiB|TiB)"

Duration = Annotated[
    float,
    reads(_positive, _DURATION),
    writes(units.write_duration),
    schema(_DURATION_PATTERN),
]
"""Seconds, more than 0."""

Delay = Annotated[float, reads(_bounded, _DURATION), writes(units.write_duration), schema(_DURATION_PATTERN)]
"""Seconds; 0 for no delay."""

DurationOrOff = Annotated[
    float | None,
    reads(either("off", _positive), f'{_DURATION}, or "off"'),
    writes(units.write_duration, none="off"),
    schema(_DURATION_PATTERN, "off"),
]
"""Seconds, None for "off"."""

_RATE = 'a number of requests in a time, such as "50/s", "100/m" or "1000/h"'

RateOrOff = Annotated[
    float | None,
    reads(either("off", units.parse_rate), f'{_RATE}, or "off"'),
    writes(units.write_rate, none="off"),
    schema("[0-9]{1,6}/[smh]", "off"),
]
"""Requests a second, None for "off"."""

Size = Annotated[int, reads(units.parse_size, _SIZE), writes(units.write_size), schema(_SIZE_PATTERN)]
"""Bytes."""


def sized(least: int, most: int, what: str) -> AfterValidator:
    """In ``Annotated[Size, …]``: from ``least`` to ``most`` bytes; ``what`` would not fit into less."""

    def check(size: int) -> int:
        if size < least:
            raise ValueError(f'should be at least "{units.write_size(least)}": {what}; got "{units.write_size(size)}"')
        if size > most:
            raise ValueError(f'should be at most "{units.write_size(most)}"; got "{units.write_size(size)}"')
        return size

    return AfterValidator(check)


SizeOrUnlimited = Annotated[
    int | None,
    reads(either("unlimited", units.parse_size), f'{_SIZE}, or "unlimited"'),
    writes(units.write_size, none="unlimited"),
    schema(_SIZE_PATTERN, "unlimited"),
]
"""Bytes, None for "unlimited"."""

IPNetwork = IPv4Network | IPv6Network


def _network(text: str) -> IPNetwork:
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise ValueError from None
    if network.network_address != ip_interface(text).ip:
        raise ValueError(f'has bits set after the prefix; is "{network}" meant, or "{ip_interface(text).ip}"?')
    return network


Network = Annotated[
    IPNetwork,
    reads(_network, 'a network such as "10.0.0.0/8", "2001:db8::/32" or "192.0.2.7"'),
    writes(),
    schema(),
]
"""A network in CIDR form; host bits must be zero."""

Listen = Annotated[
    ListenAddress, reads(parse_listen, 'an address and a port, such as "0.0.0.0:8443"'), writes(), schema()
]
"""Where to listen."""

ListenOrOff = Annotated[
    ListenAddress | None,
    reads(either("off", parse_listen), 'an address and a port, such as "127.0.0.1:9000", or "off"'),
    writes(none="off"),
    schema("", "off"),
]
"""Where to listen, None for "off"."""

URL = Annotated[UpstreamURL, reads(parse_upstream, 'a URL such as "http://127.0.0.1:8000"'), writes(), schema()]
"""Where an upstream is found."""


def _path(text: str) -> Path:
    if not text.strip() or "\0" in text:
        raise ValueError
    return Path(text)


File = Annotated[Path, reads(_path, "the path of a file"), writes(), schema()]
"""A path; relative ones start at the folder of the configuration file. Not checked: whether it exists."""

Folder = Annotated[Path, reads(_path, "the path of a folder"), writes(), schema()]
"""The path of a folder, taken like that of a `File`."""


def _log_target(text: str) -> str | Path:
    return text if text in ("stdout", "stderr", "off") else _path(text)


LogTarget = Annotated[
    Literal["stdout", "stderr", "off"] | Path,
    reads(_log_target, '"stdout", "stderr", "off" or the path of a file'),
    writes(),
    schema("", "stdout", "stderr", "off"),
]
"""Where log lines are written: "stdout", "stderr", "off" or a file."""


def _workers(value: Any) -> Any:
    if value != "auto" and (isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 1024):
        raise ValueError(f'should be a number from 1 to 1024, or "auto" for one per core; got {shown(value)}')
    return value


Workers = Annotated[
    int | Literal["auto"],
    PlainValidator(_workers),
    WithJsonSchema({"anyOf": [{"const": "auto"}, {"type": "integer", "minimum": 1, "maximum": 1024}]}),
]
"""How many worker processes."""


def one_line(value: str) -> str:
    """Accept printable text that is not blank; raise an empty ValueError for any other."""
    if not value.strip() or not value.isprintable():
        raise ValueError
    return value


Text = Annotated[str, reads(one_line, "text on one line, not empty"), schema()]
"""One line of text that is not blank."""

HostName = Annotated[
    str, reads(lambda text: parse_host(text).lower(), 'a host name such as "app.example.com"'), schema()
]
"""A host name or IP address, without a port, in lower case."""


_UPSTREAM_NAME = "[A-Za-z0-9_-]{1,64}"
UpstreamName = Annotated[
    str, matching(_UPSTREAM_NAME, "a name of letters, digits, hyphens and underscores"), schema(_UPSTREAM_NAME)
]
"""What routes, logs and metrics call an upstream."""

_SUITE_NAMES = "[A-Za-z0-9_@=.+!?:,; -]+"
SuiteNames = Annotated[
    str,
    matching(_SUITE_NAMES, "names as OpenSSL has them, separated by colons"),
    schema(_SUITE_NAMES),
]
"""Cipher suites or groups. Not checked: whether OpenSSL knows them."""
