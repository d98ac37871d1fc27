"""The locations of a server of nginx, as routes."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from gatekeeper.config.nginx_judging import asks, inherited, judges, replaces
from gatekeeper.config.nginx_refusals import (
    every_location,
    is_check,
    is_hidden,
    methods,
    paths,
    refusal,
    refuses,
)
from gatekeeper.config.nginx_rewrites import closing_rewrite, refused, rewrites, stripped
from gatekeeper.config.nginx_servers import Location, Note, Server
from gatekeeper.config.nginx_targets import PROGRAMS, location_of, named_app, of_the_root, with_its_app
from gatekeeper.config.nginx_values import Directive, first, named, values, walk
from gatekeeper.settings.http_types import ROUTE_PATH

_PASSES = ("proxy_pass", "grpc_pass")


def locations(server: Server, note: Note) -> list[Location]:
    """The locations of a server as routes; ``note`` is called for what is no route.

    What nginx refuses becomes a closed route, or one that keeps the file from being loaded.
    """
    inside = server.block.block
    _conditions(inside, note)
    found = [route for one in named(inside, "location") for route in _routes(one, server, note)]
    root = first(server.get("root"))
    if root is not None and not any(one.path == "/*" for one in found):
        found.append(of_the_root(root, server, note))
    if any(_runs_programs(one) for one in (server.block, *every_location(inside))):
        found = [_without_files(one, note) for one in found]
    if (closing := refusal(inside) or closing_rewrite(inside, "", exact=False, server=inside)) is not None:
        note(closing, "refuses or redirects in nginx, so all routes of the server are closed")
        found = [replace(one, closed=True) for one in found] or [Location("/*", "", None, server, closed=True)]
    found = [_without_slash(one, found, note) for one in (*found, *_rewritten(rewrites(inside), server, note))]
    found = [_below_another(one, found, note) for one in (*found, *_asked_everywhere(server, found))]
    return [one for one in (*found, *_undecided(found)) if not one.undecided or _matters(one, found, note)]


def _routes(one: Directive, server: Server, note: Note) -> Iterator[Location]:
    """The routes of a location and of those inside it."""
    one = with_its_app(one, server, note)
    _conditions(one.block, note)
    everyone = values(server.get("ssl_verify_client")) != ["on"] and not _checks(server.block) and not _checks(one)
    for nested in every_location(one.block):
        yield from _pattern(nested, server, note) if _is_pattern(nested) else _nested(nested, server, note)
    if _is_pattern(one):
        if everyone:
            note(one, "nginx lets in everyone here; if it is meant, write a route with public = true")
        yield from _pattern(one, server, note)
        return
    path = _path(one, note)
    if path is None:
        if refuses(one.block):
            yield _decide(one, server)
        return
    location = location_of(one, path, server, note)
    location = replace(location, closed=location.closed or _is_closed(location, note))
    if everyone and not location.closed:
        note(one, "nginx lets in everyone here; public = true in its route does the same")
    if not location.closed and path.endswith("/*") and not stripped(one.block):
        below = _rewritten(rewrites(one.block), server, note)
        yield from (two for two in below if two.undecided or _covers(path, two.path))
    only = tuple(methods(one.block))
    if only and not location.closed:
        yield replace(location, methods=only)
        location = replace(location, closed=True)
    yield location


def _nested(one: Directive, server: Server, note: Note) -> Iterator[Location]:
    note(one, "nested locations are not taken over, so its route is closed")
    path = _path(one, note)
    yield Location(path, "", one, server, closed=True) if path is not None else _decide(one, server)


def _pattern(one: Directive, server: Server, note: Note) -> Iterator[Location]:
    """The closed routes of a regular expression that refuses or leads elsewhere; none for one that does not."""
    if one.args[0].startswith("@"):
        asked = (two for two in named(server.block.block, "location") if named_app(two, server) is one)
        if first(asked) is None:
            note(one, "named locations are not taken over")
        return
    kept = refuses(one.block) or named(one.block, "return") or _leads_to_another_app(one, server)
    if not kept and not _inherits_a_refusal(one, server):
        note(one, "patterns cannot be paths of a route")
        return
    found, whole = paths(_expression(one))
    for path in found:
        if re.fullmatch(ROUTE_PATH, path, re.ASCII):
            note(one, f"refuses requests in nginx or leads them elsewhere, so {path} is closed")
            yield Location(path, "", one, server, closed=True)
        else:
            whole = False
    if not whole:
        yield _decide(one, server, "refuses more" if refuses(one.block) else "leads elsewhere")


def _leads_to_another_app(one: Directive, server: Server) -> bool:
    """Whether requests for a pattern would go to an app here to which nginx sends none of them."""
    passed = [two.args for two in named(one.block, *_PASSES)]
    others = (two for two in named(server.block.block, "location") if not _is_pattern(two))
    return bool(passed) and any(two.args not in passed for a in others for two in named(a.block, *_PASSES))


def _inherits_a_refusal(one: Directive, server: Server) -> bool:
    """Whether ``deny`` of its server holds for a location, and not for another one that may get its requests here."""
    others = (two for two in every_location(server.block.block) if two is not one)
    return (
        bool(server.get("deny"))
        and not named(one.block, "allow", "deny")
        and any(named(two.block, "allow", "deny") for two in others)
    )


def _rewritten(found: Iterable[Directive], server: Server, note: Note) -> Iterator[Location]:
    """The closed routes of rewrites: nobody reaches in nginx what they change or send elsewhere."""
    for one in found:
        changed, whole = paths(one.args[0])
        if refused(one, server.block.block) and not whole:
            yield _decide(one, server)
        for path in changed if whole or refused(one, server.block.block) else ():
            if re.fullmatch(ROUTE_PATH, path, re.ASCII):
                note(one, f"sends requests elsewhere in nginx, so {path} is closed")
                yield Location(path, "", one, server, closed=True)


def _asked_everywhere(server: Server, found: Iterable[Location]) -> Iterator[Location]:
    """Routes that keep the file from being loaded: for each directive by which nginx may refuse, and which an open
    route inherits from its server or from ``http``; or a pattern, whose requests go to an open route here.
    """
    inside = server.block.block
    opened = [one.block.block if one.block is not None else () for one in found if not one.closed]
    opened += [one.block for one in every_location(inside) if _is_pattern(one)] if opened else []
    for one in inherited(inside, server.http):
        if not _is_replaced_by_a_certificate(one, server) and not all(replaces(block, one) for block in opened):
            yield _decide(one, server, "may refuse more")


def _is_replaced_by_a_certificate(one: Directive, server: Server) -> bool:
    """Whether it is a password for everybody, where nobody has a certificate yet that nginx would ask for."""
    authorities = (two for two in walk(server.http) if two.name == "ssl_client_certificate")
    asked = values(server.get("ssl_verify_client")) not in ([], ["off"])
    return one.name == "auth_basic" and not asked and first(authorities) is None


def _below_another(one: Location, found: Iterable[Location], note: Note) -> Location:
    """Left to the route of the shorter path that its rewrite takes off, if that leads to the same app; else closed."""
    prefix = stripped(one.block.block) if one.block is not None else ""
    if one.closed or one.strips or not prefix or one.block is None:
        return one
    above = next((two for two in found if two.path == f"{prefix}/*" and two.strips and not two.closed), None)
    if above is not None and above.place == one.place and above.networks(note) == one.networks(note):
        note(one.block, f"goes to the app in the same way as {above.path}, whose route takes its requests")
        return replace(one, implied=True)
    note(one.block, "has another part of its path taken off than strip_prefix would, so its route is closed")
    return replace(one, closed=True)


def _decide(one: Directive, server: Server, why: str = "refuses more") -> Location:
    """A route that keeps the file from being loaded."""
    args = () if "_by_lua_block" in one.name else one.args
    words = f"{Path(one.file).name}, line {one.line}: {' '.join((one.name, *args))} {why}: decide"
    return Location("/", "", one, server, closed=True, undecided=words)


def _matters(one: Location, found: list[Location], note: Note) -> bool:
    """Whether a request that nginx refuses could reach anything here; ``note`` is called anyway."""
    opened = [other for other in found if not other.closed]
    files = all(other.target.startswith("static:") for other in opened)
    if one.block is None or (_is_pattern(one.block) and files and is_hidden(_expression(one.block))):
        note(one.block or one.server.block, "no file whose name begins with a dot is served")
        return False
    if opened and judges(one.block.name):
        note(one.block, "may refuse besides the certificate; the file is not loaded until you have decided")
    elif opened:
        note(one.block, "takes requests that no path of a route names; the file is not loaded until you have decided")
    else:
        note(one.block, "refuses requests that no path of a route names; close them before you open a route")
    return bool(opened)


def _undecided(found: list[Location]) -> Iterator[Location]:
    """For paths that nginx refuses as beginnings of names: /admin is /administrator too, a route's /admin/* is not."""
    for one in found:
        if one.block is None or one.undecided or _is_pattern(one.block) or not one.path.endswith("/*"):
            continue
        beginning = one.block.args[-1]
        if beginning.endswith("/") or not refuses(one.block.block):
            continue
        for other in found:
            wider = other.path.endswith("/*") and not other.closed and beginning.startswith(other.path[:-1])
            hidden = beginning.rpartition("/")[2].startswith(".") and other.target.startswith("static:")
            if wider and not hidden and other.block is not one.block:
                yield _decide(one.block, one.server)
                break


def _without_slash(one: Location, found: list[Location], note: Note) -> Location:
    """Closed, if nginx refuses the same path with or without a slash at its end, which are one path to a route."""
    other = one.path.rstrip("/") if one.path.endswith("/") else f"{one.path}/"
    if one.closed or one.block is None or other.endswith("*/"):
        return one
    if not any(two.closed and two.path in (other, f"{other}*") for two in found if not two.undecided):
        return one
    note(one.block, f"is one path with {other} here, which is closed, so both are")
    return replace(one, closed=True)


def _order(one: Location) -> tuple[int, int]:
    """nginx takes an exact location, then a pattern, then the longest; gatekeeper takes the first route that fits."""
    if one.undecided:
        return -2, 0
    if one.block is not None and one.block.name == "rewrite":
        return -1, -len(one.path)
    if one.block is not None and _is_pattern(one.block):
        return 1, -len(one.path)
    return 2 if one.path.endswith("*") else 0, -len(one.path)


def in_order(found: Iterable[Location]) -> Iterator[Location]:
    """The one that nginx prefers first, without those that can never be reached, which a configuration may not have."""
    found = sorted(found, key=_order)
    for number, one in enumerate(found):
        covers = (other for other in found[:number] if not other.methods and not other.undecided)
        if one.implied:
            continue
        if one.undecided or not any(_covers(other.path, one.path) for other in covers):
            yield one


def _covers(wide: str, path: str) -> bool:
    return path.rstrip("/") == wide.rstrip("/") or (wide.endswith("/*") and f"{path}/".startswith(wide[:-1]))


def _runs_programs(one: Directive) -> bool:
    """Whether requests go to a program, or those for a kind of file, such as ``\\.php$``, to a server of their own."""
    kind = one.name == "location" and one.args[0].startswith("~") and not _expression(one).startswith("^/")
    return bool(named(one.block, *PROGRAMS) or (kind and named(one.block, "proxy_pass", "grpc_pass")))


def _without_files(one: Location, note: Note) -> Location:
    """Closed, if it would send files of a folder that holds programs."""
    if not one.target.startswith("static:"):
        return one
    note(one.block or one.server.block, "nginx has programs run here, whose source static: would send; it is closed")
    return replace(one, target="", fallback="", closed=True)


def _is_closed(one: Location, note: Note) -> bool:
    """Whether nginx refuses in a way that a route cannot say."""
    tried = first(one.get("try_files"))
    if tried is not None and one.target.startswith("static:") and "$uri" not in tried.args[:-1]:
        note(tried, "sends other files than static: would, so the route is closed")
        return True
    block = one.block.block if one.block is not None else ()
    closing = refusal(block, static=one.target.startswith("static:"))
    if closing is None:
        closing = next((two for two in [asks(block)] if two is not None and not _is_for_all(two, one.server)), None)
    if closing is None and one.block is not None:
        own = one.block.args[-1]
        closing = closing_rewrite(block, own, exact=one.block.args[0] == "=", server=one.server.block.block)
    if closing is not None:
        note(closing, "cannot be said in a route, so it is closed")
    return closing is not None


def _is_for_all(one: Directive, server: Server) -> bool:
    """Whether it is of the only location, as if it were of the server, and a certificate replaces it."""
    return len(named(server.block.block, "location")) == 1 and _is_replaced_by_a_certificate(one, server)


def _is_pattern(one: Directive) -> bool:
    return one.name == "location" and one.args[0].startswith(("@", "~"))


def _expression(one: Directive) -> str:
    return one.args[-1]


def _path(one: Directive, note: Note) -> str | None:
    kind, path = one.args if len(one.args) == 2 else ("", one.args[0])
    if kind != "=":
        if not path.endswith("/"):
            note(one, f"here {path}/* takes {path} and what is below it, but not {path}something")
        path = path.rstrip("/") + "/*"
    if re.fullmatch(ROUTE_PATH, path, re.ASCII) is None:
        note(one, "holds characters that no path of a route may have")
        return None
    return path


def _checks(block: Directive) -> bool:
    return any(map(is_check, named(block.block, "if")))


def _conditions(directives: Iterable[Directive], note: Note) -> None:
    for one in named(directives, "if"):
        if not is_check(one):
            note(one, "conditions are not taken over; rules over certificates are allow and deny of a route")
