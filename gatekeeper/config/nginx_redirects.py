"""Servers of nginx without TLS that only send visitors to https, as `server.redirect` does."""

import re
from collections.abc import Iterable, Iterator

from gatekeeper.config.nginx_refusals import every_location, is_error
from gatekeeper.config.nginx_servers import Note, Server
from gatekeeper.config.nginx_values import Directive, named

_CHALLENGES = "/.well-known/acme-challenge"
# Directives that answer a request, but for `return` and `rewrite`; with `root`, files do.
_ANSWERS = ("proxy_pass", "grpc_pass", "fastcgi_pass", "uwsgi_pass", "scgi_pass", "alias", "try_files")
# Expressions of ``rewrite`` that match every path, or every one but "/".
_EVERY_PATH = re.compile(r"\^?/?|\^?(?:/\??)?\(?\.[*+]\)?\$?|\^?\(/\.[*+]\)\$?")
_OWN_NAMES = ("$host", "$http_host", "$server_name")


def only_redirects(server: Server, note: Note) -> bool:
    """Whether the server sends every visitor to https, or refuses. ``note`` is called for what it does besides.

    As certbot writes it, too: an ``if`` for each name, and 404 for every other.
    """
    block = server.block.block
    challenges = [one for one in every_location(block) if one.args[-1].rstrip("/") == _CHALLENGES]
    others = [one for one in every_location(block) if one not in challenges]
    everywhere = _sends_all(block) or any(one.args == ("/",) for one in others)
    if not everywhere or named(block, *_ANSWERS) or not all(_sends_all(one.block) for one in others):
        return False
    targets = [target for one in (server.block, *others) for target in _targets(one.block)]
    if not targets:
        return False
    for one in challenges:
        note(one, "the gate answers challenges of ACME for certificates of its own only: see [acme]")
    names = (*_OWN_NAMES, *server.hosts(None))
    for one, target in targets:
        if re.split("[/:$]", target.removeprefix("https://"), maxsplit=1)[0] not in names and not target.startswith(
            tuple(f"https://{name}" for name in _OWN_NAMES)
        ):
            note(one, "server.redirect keeps the name that the visitor asked for")
    return True


def matches_all(expression: str) -> bool:
    """Whether an expression of ``rewrite`` matches every path, "/" aside."""
    return _EVERY_PATH.fullmatch(expression) is not None


def _sends_all(block: Iterable[Directive]) -> bool:
    """Whether the block answers every request by itself, with a redirect to https or an error."""
    return any(
        (_https(one) is not None and (one.name == "return" or matches_all(one.args[0])))
        or (one.name == "return" and is_error(one))
        for one in named(block, "return", "rewrite")
    ) and not named(block, *_ANSWERS)


def _targets(block: Iterable[Directive]) -> Iterator[tuple[Directive, str]]:
    block = list(block)
    conditional = [inside for one in named(block, "if") for inside in one.block]
    for one in named((*block, *conditional), "return", "rewrite"):
        if (target := _https(one)) is not None:
            yield one, target


def _https(one: Directive) -> str | None:
    """The address of https to which ``return`` or ``rewrite`` sends; None for anything else."""
    target = one.args[1] if one.name == "rewrite" and len(one.args) > 1 else one.args[-1]
    return target if target.startswith("https://") else None
