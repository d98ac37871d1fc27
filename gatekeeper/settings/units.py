"""Durations and sizes as people write them: ``"30s"``, ``"1h30m"``, ``"64KiB"``."""

import re

_MILLISECONDS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION = re.compile(r"(?:[0-9]{1,12}(?:ms|s|m|h|d))+", re.ASCII)
_PART = re.compile(r"([0-9]+)(ms|s|m|h|d)", re.ASCII)

_SECONDS = {"s": 1, "m": 60, "h": 3600}
_RATE = re.compile(r"([0-9]{1,6})/([smh])", re.ASCII)

_BYTES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
_SIZE = re.compile(r"([0-9]{1,12})(B|KiB|MiB|GiB|TiB)", re.ASCII)


def parse_duration(text: str) -> float:
    """Seconds of ``"500ms"``, ``"30s"``, ``"5m"``, ``"2h"``, ``"14d"`` or several in a row; else a bare ValueError."""
    if not _DURATION.fullmatch(text):
        raise ValueError
    return sum(int(number) * _MILLISECONDS[unit] for number, unit in _PART.findall(text)) / 1000


def write_duration(seconds: float) -> str:
    """One number and one unit that `parse_duration` reads back, to the millisecond: ``"75s"``, ``"2h"``."""
    left = round(seconds * 1000)
    for unit in ("d", "h", "m", "s"):
        number, rest = divmod(left, _MILLISECONDS[unit])
        if rest == 0 and (number > 1 or unit == "s" or (number and unit == "h")):
            return f"{number}{unit}"
    return f"{left}ms"


def parse_rate(text: str) -> float:
    """Requests a second of ``"50/s"``, ``"100/m"`` or ``"1000/h"``; else a bare ValueError."""
    match = _RATE.fullmatch(text)
    if match is None or not int(match[1]):
        raise ValueError
    return int(match[1]) / _SECONDS[match[2]]


def write_rate(rate: float) -> str:
    """The text that `parse_rate` reads back, with the shortest unit that makes it a whole number."""
    unit, number = next(
        ((unit, round(rate * seconds)) for unit, seconds in _SECONDS.items() if abs(rate * seconds % 1) < 1e-9),
        ("h", round(rate * 3600)),
    )
    return f"{number}/{unit}"


def parse_size(text: str) -> int:
    """Bytes of ``"512B"``, ``"64KiB"``, ``"1MiB"``, ``"2GiB"`` or ``"1TiB"``; a bare ValueError otherwise.

    Decimal units (``"64KB"``) are rejected, because they are ambiguous: 64,000 or 65,536.
    """
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError
    return int(match[1]) * _BYTES[match[2]]


def write_size(size: int) -> str:
    """The text that `parse_size` reads back as this many bytes, in the largest unit that divides them."""
    unit = next(unit for unit, factor in reversed(_BYTES.items()) if unit == "B" or (size and size % factor == 0))
    return f"{size // _BYTES[unit]}{unit}"
