"""``rewrite`` of nginx (ngx_http_rewrite_module): what it takes off a path, and what nobody reaches because of it."""

import re
from collections.abc import Iterable, Sequence

from gatekeeper.config.nginx_redirects import matches_all
from gatekeeper.config.nginx_refusals import every_location, refuses
from gatekeeper.config.nginx_values import Directive, named

# What takes a prefix off the path: each expression after the prefix, and its replacement.
_STRIPPING = {r"(/.*)": "$1", r"/(.*)": "/$1", r"/?(.*)": "/$1", r"(/|$)(.*)": "/$2"}
_ABSOLUTE = ("http://", "https://", "$scheme")


def rewrites(block: Iterable[Directive]) -> list[Directive]:
    """The rewrites of a block itself, without those of its conditions."""
    return [one for one in named(block, "rewrite") if len(one.args) > 1]


def is_redirect(one: Directive) -> bool:
    """Whether a rewrite sends the visitor elsewhere, rather than the request."""
    return one.args[1].startswith(_ABSOLUTE) or one.args[2:] in (("redirect",), ("permanent",))


def stripped(block: Iterable[Directive]) -> str:
    """The prefix that the block takes off the path, by ``rewrite ^/prefix/(.*) /$1 break`` alone; "" if it does not."""
    found = rewrites(block)
    if len(found) != 1 or found[0].args[2:] != ("break",):
        return ""
    expression, replacement = found[0].args[0].removesuffix("$"), found[0].args[1]
    for ending, becomes in _STRIPPING.items():
        prefix = expression.removesuffix(ending).removeprefix("^")
        if expression == f"^{prefix}{ending}" and replacement == becomes and re.fullmatch(r"(/[\w~-]+)+", prefix, re.A):
            return prefix
    return ""


def closing_rewrite(
    block: Iterable[Directive], path: str, *, exact: bool, server: Sequence[Directive]
) -> Directive | None:
    """The rewrite because of which what the block leads to cannot be reached by its own path, or not by everyone: it
    changes every path, or leads to a location that refuses. ``path`` is that of the location, "" for a server.
    """
    block = list(block)
    for one in rewrites(block) if not stripped(block) else ():
        if _takes_all(one.args[0], path, exact=exact):
            return one
    every = every_rewrite(block) if path else (inside for two in named(block, "if") for inside in rewrites(two.block))
    return next((one for one in every if refused(one, server)), None)


def _takes_all(expression: str, path: str, *, exact: bool) -> bool:
    """Whether an expression matches the ``path``, or everything that begins with it unless it is ``exact``."""
    if exact:
        return _matches(expression, path, ignore_case=False)
    plain = expression.replace("\\", "")
    beginning, ending = f"^{path.rstrip('/')}", plain.removesuffix("$")
    open_ended = [f"{beginning}{one}" for one in ("(.*)", ".*", "/.*", *_STRIPPING)]
    return matches_all(expression) or ending in open_ended or plain in (beginning, f"{beginning}/", f"{beginning}/?")


def refused(one: Directive, server: Sequence[Directive]) -> bool:
    """Whether a rewrite may send a request to a location that refuses it. After a redirect, the visitor asks anew."""
    return not is_redirect(one) and _leads_to_a_refusal(one, server)


def every_rewrite(block: Iterable[Directive]) -> list[Directive]:
    """The rewrites of a block and of its conditions."""
    block = list(block)
    return [*rewrites(block), *(one for condition in named(block, "if") for one in rewrites(condition.block))]


def _leads_to_a_refusal(one: Directive, server: Sequence[Directive], before: tuple[Directive, ...] = ()) -> bool:
    """By way of other locations, too, whose rewrites send the request on; ``before`` are the rewrites so far."""
    target, exact = re.split(r"[?$]", one.args[1], maxsplit=1)[0], "$" not in one.args[1].partition("?")[0]
    before = (*before, one)
    for location in every_location(server):
        if not _may_take(location, target, exact=exact):
            continue
        if refuses(location.block, passed_on=True):
            return True
        for onwards in every_rewrite(location.block):
            ends = is_redirect(onwards) or onwards.args[2:] == ("break",) or onwards in before
            if ends or (exact and not _matches(onwards.args[0], target, ignore_case=False)):
                continue
            if _leads_to_a_refusal(onwards, server, before):
                return True
    return False


def _may_take(location: Directive, target: str, *, exact: bool) -> bool:
    """Whether a request for ``target``, or for what begins with it unless it is ``exact``, may be the location's."""
    kind, path = location.args if len(location.args) == 2 else ("", location.args[0])
    if kind.startswith("~"):
        return not exact or _matches(path, target, ignore_case=kind == "~*")
    if exact:
        return target == path if kind == "=" else target.startswith(path)
    return path.startswith(target) or (kind != "=" and target.startswith(path))


def _matches(expression: str, path: str, *, ignore_case: bool) -> bool:
    """Whether a location's expression matches; one that Python cannot read may."""
    try:
        return re.search(expression, path, re.IGNORECASE if ignore_case else 0) is not None
    except re.error:
        return True
