"""What nginx refuses by its configuration, so that the translation refuses it too."""

import re
from collections.abc import Iterable, Iterator

from gatekeeper.config.nginx_judging import asks
from gatekeeper.config.nginx_values import Directive, named

# Nobody has this address (RFC 1122, 3.2.1.3)
NOBODY = ["0.0.0.0/32"]
# Conditions that reject visitors without a valid certificate, which gatekeeper does anyway.
_CHECK = re.compile(
    r"\$ssl_client_verify (?:(?:!=|!~\*?) \"?\^?(?:SUCCESS|OK)\$?\"?|= \"?(?:NONE|FAILED)\"?|~\*? \"?\^?FAILED\"?)"
)
# Conditions that a static: upstream answers with 404 by itself.
_NO_FILE = {"!-e $request_filename", "!-f $request_filename"}
# Conditions that only choose the scheme or the name to ask for, by which a redirect keeps nobody from anything.
_OTHER_ADDRESS = re.compile(
    r"\$(?:scheme|https|server_port|host|http_host|server_name|http_x_forwarded_proto) (?:=|!=|!?~\*?) .*|\$https"
)
# An answer to a request that changes nothing and asks for nothing (RFC 9110, 9.2.1 and 9.3.7).
_PREFLIGHT = "$request_method = OPTIONS"
# Directives that send a request elsewhere than the location does.
_LEADS = {"alias", "grpc_pass", "fastcgi_pass", "memcached_pass", "proxy_pass", "root", "scgi_pass", "uwsgi_pass"}
# Regular expressions that a route's path can say: literal segments, with alternatives, from the start.
_SEGMENT = r"(?:[A-Za-z0-9_~-]|\\[.\-])+"
_ALTERNATIVES = rf"\((?:\?:)?({_SEGMENT}(?:/{_SEGMENT})*(?:\|{_SEGMENT}(?:/{_SEGMENT})*)*)\)"
_SIMPLE = re.compile(
    rf"\^((?:/{_SEGMENT})*)/(?:{_ALTERNATIVES}|({_SEGMENT}))"
    r"(?P<end>/?\$|/\?\$|/(?:\.\*\$?|\(\.\*\)\$?)?|\(/\.\*\)\?\$|\((?:\?:)?(?:/\|\$|\$\|/)\)|)"
)
# Names that begin with a dot, which static: never serves.
_HIDDEN = re.compile(r"(?:\^?/|\(\^\|/\)|\(\?:\^\|/\))\\\.[^|]*")


def is_check(one: Directive) -> bool:
    """Whether an ``if`` rejects only visitors without a valid certificate."""
    return _CHECK.fullmatch(" ".join(one.args)) is not None


def refusal(block: Iterable[Directive], *, static: bool = False) -> Directive | None:
    """The directive that keeps requests from what the block leads to, and has no counterpart in a route.

    Not ``allow``, ``deny`` and ``limit_except``, which have one.
    """
    for one in block:
        if one.name in ("internal", "return"):
            return one
        if one.name == "if" and not (static and " ".join(one.args) in _NO_FILE) and _closes(one):
            return one
    return None


def refuses(block: Iterable[Directive], *, passed_on: bool = False) -> bool:
    """Whether any directive in the block, or in a block of it, refuses a request. ``passed_on``: whether the request
    was sent there by a ``rewrite``, which ``internal`` lets in.
    """
    block = list(block)
    return any(
        one.name in ("deny", "limit_except")
        or (one.name == "internal" and not passed_on)
        or (one.name == "return" and is_error(one))
        or (one.name == "if" and _closes(one))
        or (one.name == "location" and refuses(one.block, passed_on=passed_on))
        for one in block
    ) or (asks(block) is not None)


def methods(block: Iterable[Directive]) -> list[str]:
    """The methods that ``limit_except`` leaves open to all; [] for every method."""
    found = named(block, "limit_except")
    return [name.upper() for name in found[0].args] if found else []


def paths(pattern: str) -> tuple[list[str], bool]:
    """Paths of routes that a regular expression matches, of a location or a rewrite; and whether it matches no others.

    ``~*`` differs in nothing: a path that only in another case belongs to a route is ambiguous, and gets 400.
    """
    match = _SIMPLE.fullmatch(pattern)
    if match is None:
        return [], False
    end = "" if match["end"] in ("$", "/$", "/?$") else "/*"
    names = (match[2] or match[3]).split("|")
    return [f"{match[1]}/{name}{end}".replace("\\", "") for name in names], match["end"] != ""


def is_hidden(pattern: str) -> bool:
    """Whether a regular expression matches only names that begin with a dot."""
    return _HIDDEN.fullmatch(pattern) is not None


def every_location(block: Iterable[Directive]) -> Iterator[Directive]:
    """The locations of a server, also those inside each other."""
    for one in named(block, "location"):
        yield one
        yield from every_location(one.block)


def _closes(condition: Directive) -> bool:
    """Whether a condition keeps requests from where the others go: by an error, an answer or another target."""
    if is_check(condition):
        return False
    return asks(condition.block) is not None or any(
        one.name in _LEADS
        or (one.name == "return" and is_error(one))
        or (one.name in ("return", "rewrite") and not _is_harmless(condition, one))
        for one in condition.block
    )


def _is_harmless(condition: Directive, answer: Directive) -> bool:
    """Whether an answer is one to a preflight, or a redirect to another scheme or name."""
    words = " ".join(condition.args)
    if answer.name == "return" and answer.args[0].startswith("2"):
        return words == _PREFLIGHT
    target = answer.args[-1] if answer.name == "return" else "".join(answer.args[1:2])
    return target.startswith(("http://", "https://", "$scheme://")) and _OTHER_ADDRESS.fullmatch(words) is not None


def is_error(returned: Directive) -> bool:
    """Whether a ``return`` refuses: ``return URL`` and ``return 301 URL`` send a visitor elsewhere."""
    return returned.args[:1] >= ("400",) and re.fullmatch("[0-9]+", returned.args[0]) is not None
