"""Directives of nginx, and the times and sizes in them."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from gatekeeper.settings.units import write_duration, write_size

# nginx.org/en/docs/syntax.html. A number alone is in seconds, or in bytes.
_TIMES = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400, "M": 30 * 86400, "y": 365 * 86400, "": 1}
_SIZES = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_LONGEST = 3650 * 86400
# ``location =/a`` is ``location = /a`` (ngx_http_core_location()).
_MODIFIER = re.compile(r"(=|\^~|~\*|~)(.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Directive:
    """One directive: its name and arguments, its file and line, and the directives in its block."""

    name: str
    args: tuple[str, ...]
    file: str
    line: int
    block: tuple["Directive", ...] = ()

    @classmethod
    def read_all(cls, configs: Any, index: int) -> list["Directive"]:
        """The directives of one of crossplane's ``config`` entries, those of included files in their places.

        crossplane's own ``combine`` attributes directives after an ``include`` to the included file.
        """
        return cls._read(configs, configs[index]["file"], configs[index]["parsed"])

    @classmethod
    def _read(cls, configs: Any, file: str, parsed: Any) -> list["Directive"]:
        found = []
        for one in parsed:
            for included in one.get("includes", ()):
                found += cls.read_all(configs, included)
            block = tuple(cls._read(configs, file, one.get("block", ())))
            args = tuple(one["args"])
            if one["directive"] == "location" and len(args) == 1 and (match := _MODIFIER.fullmatch(args[0])):
                args = (match[1], match[2])
            found.append(cls(one["directive"], args, file, one["line"], block))
        return found


def walk(directives: Iterable[Directive]) -> Iterator[Directive]:
    """All directives, except the contents of blocks such as ``types``, ``map`` and ``upstream``."""
    for one in directives:
        yield one
        if one.name not in ("types", "map", "geo", "upstream", "split_clients", "if", "limit_except", "stream"):
            yield from walk(one.block)


def named(directives: Iterable[Directive], *names: str) -> list[Directive]:
    """The directives of these names, without those that lack a required argument."""
    return [one for one in directives if one.name in names and (one.args or one.block or one.name == "events")]


def first(directives: Iterable[Directive]) -> Directive | None:
    """The first directive, None if there is none."""
    return next(iter(directives), None)


def values(directives: Iterable[Directive]) -> list[str]:
    """The arguments of all directives together."""
    return [value for one in directives for value in one.args]


def duration(text: str) -> float | None:
    """A time in seconds, at most the longest that gatekeeper accepts; None if it is malformed."""
    parts = re.findall(r"([0-9]{1,12})(ms|[smhdwMy]?)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return min(sum(int(number) * _TIMES[unit] for number, unit in parts), _LONGEST)


def size(text: str) -> float | None:
    """A size in bytes, None if it is malformed; 0 means unlimited."""
    match = re.fullmatch(r"([0-9]{1,12})([kmg]?)", text.lower())
    if match is None:
        return None
    return int(match[1]) * _SIZES[match[2]] or float("inf")


def longest(directives: Iterable[Directive], read: Callable[[str], float | None]) -> str:
    """The largest value, in gatekeeper's syntax; "" if there is none."""
    found = [value for one in directives if (value := read(one.args[0])) is not None and value > 0]
    if not found:
        return ""
    if read is size:
        return "unlimited" if max(found) == float("inf") else write_size(int(max(found)))
    return write_duration(max(found))
