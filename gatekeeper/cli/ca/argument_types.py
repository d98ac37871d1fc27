"""Types of arguments of ``gatekeeper ca``: numbers of days, and durations. Each raises ArgumentTypeError."""

import argparse

from gatekeeper.settings.units import parse_duration

# Instead of a number of days: as long as the authority itself.
MAX = 0

_DAY = 86400
_MOST_DAYS = 36525


def days(text: str) -> int:
    """A number of days, up to a hundred years: dates of five digits overflow in X.509 and in people's scripts."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= _MOST_DAYS:
        raise argparse.ArgumentTypeError(f"a number of days, 1 to {_MOST_DAYS}, not {text!r}")
    return int(text)


def list_days(text: str) -> int:
    """How long a CRL is valid, in days, or `MAX` for "max"."""
    return MAX if text == "max" else days(text)


def validity(text: str) -> float:
    """The seconds of ``24h``, ``90m`` or ``7d``, from one minute to thirty days."""
    return _seconds(text, 60, 30 * _DAY, "a time from 1m to 30d, such as 24h")


def interval(text: str) -> float:
    """The seconds of ``10s``, ``90m`` or ``12h``, from one second to 366 days."""
    return _seconds(text, 1, 366 * _DAY, "a time from 1s to 366d, such as 10s or 12h")


def _seconds(text: str, least: float, most: float, expected: str) -> float:
    try:
        seconds = parse_duration(text)
    except ValueError:
        seconds = 0.0
    if not least <= seconds <= most:
        raise argparse.ArgumentTypeError(f"{expected}, not {text!r}")
    return seconds


def span(text: str) -> float:
    """The days of ``30d``, ``2w``, ``1y`` (365 days), ``12h``, or of a number of days; up to a hundred years."""
    number, unit = (text[:-1], text[-1]) if text[-1:].isalpha() else (text, "d")
    factor = {"h": 1 / 24, "d": 1, "w": 7, "y": 365}.get(unit)
    if factor is None or not number.isascii() or not number.isdigit() or len(number) > len(str(24 * _MOST_DAYS)):
        raise argparse.ArgumentTypeError(f"a time such as 30d, 2w, 1y or 12h, not {text!r}")
    if int(number) * factor > _MOST_DAYS:
        raise argparse.ArgumentTypeError(f"a time of at most {_MOST_DAYS} days, not {text!r}")
    return int(number) * factor
