"""Which of the two bodies, which language (RFC 9110, 12.5), and which kind of device to explain first.

The header fields come from anybody. They are read by expressions that cannot backtrack, and the answers for the few
values that browsers really send are cached.
"""

import re
from collections.abc import Collection
from functools import lru_cache

DEFAULT_LANGUAGE = "en"

# Browsers send about 140 characters. Nothing longer is read, so what is cached stays small.
LONGEST_FIELD = 1024

# No group is possessive: up to CPython 3.11.4 (Debian 12), possessive groups with alternatives match wrongly (cpython
# issue 106052). There is no catastrophic backtracking, because no part can match what another one gave up.
_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_QUOTED = r'"(?:[^"\\\x00-\x08\x0a-\x1f\x7f]|\\[\t -~\x80-\xff])*"'
_PARAMETER = re.compile(rf"[ \t]*+;[ \t]*+(?:({_WORD})=({_WORD}|{_QUOTED}))?")
_MEDIA_RANGE = re.compile(rf"[ \t]*+(?:({_WORD})/({_WORD})((?:{_PARAMETER.pattern})*))?[ \t]*+(?:,|\Z)")
_LANGUAGE_RANGE = re.compile(
    r"[ \t]*+([A-Za-z]{1,8}|\*)(?:-[A-Za-z0-9]{1,8}+)*(?:[ \t]*+;[ \t]*+[Qq]=([0-9.]++))?[ \t]*+"
)
_WEIGHT = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")


@lru_cache(maxsize=256)
def _prefers_page(accept: str) -> bool:
    weights = _media_weights(accept)
    page = _best(weights, "text/html", "text/*", "*/*")
    problem = max(
        _best(weights, "application/problem+json", "application/*", "*/*"),
        _best(weights, "application/json", "application/*", "*/*"),
    )
    return page > problem and page[0] > 0


def prefers_page(accept: str) -> bool:
    """Whether ``Accept`` prefers a page over JSON; an empty, broken or over-long field does not.

    Where both weigh the same, the more specific range decides (``text/html, */*`` is a browser, ``*/*`` alone is curl),
    and then JSON. Parameters of media types other than ``q`` are not compared.
    """
    return len(accept) <= LONGEST_FIELD and _prefers_page(accept)


def _media_weights(accept: str) -> dict[str, float]:
    """The weight of each media range (RFC 9110, 12.5.1), nothing at all if any of the field is broken."""
    weights: dict[str, float] = {}
    at = 0
    while at < len(accept):
        member = _MEDIA_RANGE.match(accept, at)
        if member is None:
            return {}
        at = member.end()
        if member[1] is not None:
            weight = _weight_of(member[3])
            if weight is None:
                return {}
            name = f"{member[1]}/{member[2]}".lower()
            weights[name] = max(weight, weights.get(name, 0))
    return weights


def _weight_of(parameters: str) -> float | None:
    """The value of ``q`` (RFC 9110, 12.4.2), 1 where there is none, None if it is broken."""
    for parameter in _PARAMETER.finditer(parameters):
        if (parameter[1] or "").lower() == "q":
            return float(parameter[2]) if _WEIGHT.fullmatch(parameter[2]) else None
    return 1.0


def _best(weights: dict[str, float], *names: str) -> tuple[float, int]:
    """Weight and specificity of the first of ``names`` (most specific first) that the field holds."""
    return next(((weights[name], -rank) for rank, name in enumerate(names) if name in weights), (0.0, -len(names)))


def choose_language(accept_language: str, available: Collection[str], default: str) -> str:
    """The first of the visitor's languages that is available (RFC 9110, 12.5.4; RFC 4647, 3.4, "Lookup").

    ``available`` holds primary subtags (``de``), so looking up ``de-AT`` comes down to its first part. Broken members
    are skipped; an over-long field counts as absent. ``*`` says nothing about what to choose and is skipped as well.
    """
    if len(accept_language) > LONGEST_FIELD:
        return default
    return next((language for language in _wanted_languages(accept_language) if language in available), default)


@lru_cache(maxsize=256)
def _wanted_languages(accept_language: str) -> tuple[str, ...]:
    weighted: list[tuple[float, str]] = []
    for member in accept_language.split(","):
        language = _LANGUAGE_RANGE.fullmatch(member)
        if language and (language[2] is None or _WEIGHT.fullmatch(language[2])):
            weighted.append((float(language[2] or 1), language[1].lower()))
    weighted.sort(key=lambda one: -one[0])
    return tuple(language for weight, language in weighted if weight > 0)


# The first word that occurs in a User-Agent decides. An iPad that requests desktop pages says Macintosh; phones also
# say Linux and Firefox, but import certificates into their system.
_PLATFORMS = (
    ("iPhone", "ios"),
    ("iPad", "ios"),
    ("Android", "android"),
    ("Firefox/", "firefox"),
    ("Windows", "windows"),
    ("Macintosh", "mac"),
    ("Linux", "linux"),
    ("CrOS", "linux"),
)


def recognize_platform(user_agent: str) -> str:
    """The kind of device that a browser says it runs on, "" if it is none that the page can explain.

    It only puts the visitor's own device first on the page.
    """
    return next((platform for mark, platform in _PLATFORMS if mark in user_agent[:LONGEST_FIELD]), "")
