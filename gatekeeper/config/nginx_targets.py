"""Where a location of nginx leads: an app, a folder, or nowhere that gatekeeper knows."""

import re
from dataclasses import replace

from gatekeeper.config.nginx_judging import cancels, inherited
from gatekeeper.config.nginx_refusals import refusal, refuses
from gatekeeper.config.nginx_rewrites import every_rewrite, stripped
from gatekeeper.config.nginx_servers import Location, Note, Server
from gatekeeper.config.nginx_values import Directive, first, named, values
from gatekeeper.settings.http_types import SITE_FILE

# Directives that nginx has for each location, and gatekeeper once.
_OF_THE_GATE = ("access_log", "keepalive_timeout", "set_real_ip_from")
# Protocols of programs whose source is in the folder.
PROGRAMS = ("fastcgi_pass", "uwsgi_pass", "scgi_pass")
_ANSWERS_OTHERWISE = (
    *("return", "memcached_pass", "stub_status", "api", "status", "empty_gif", "perl", "js_content", "content_by_lua"),
    *("content_by_lua_block", "content_by_lua_file", *PROGRAMS),
)
# Files that a static: upstream tries anyway.
_TRIED = {"$uri", "$uri/", "$uri/index.html"}
# nginx's scheme, and gatekeeper's for an app that speaks HTTP/2.
_HTTP2 = {"http": "h2c", "https": "h2", "grpc": "h2c", "grpcs": "h2"}


def location_of(one: Directive, path: str, server: Server, note: Note) -> Location:
    """A location with its target, closed if it leads nowhere that gatekeeper knows; ``path`` is that of its route."""
    for own in named(one.block, *_OF_THE_GATE):
        note(own, "is the same for the whole gate; those of a location are not taken over")
    passed = first(named(one.block, "proxy_pass", "grpc_pass"))
    alias = first(named(one.block, "alias"))
    root = first(named(one.block, "root") or server.get("root"))
    location = Location(path, "", one, server)
    if passed is not None:
        for tried in named(one.block, "try_files"):
            note(tried, "an app answers every request; files are served by an app of their own, static:/folder")
        target = _target(passed, location, note)
        closed = not target or _moves(passed, location, note)
        return replace(location, target=target, strips=_strips(passed, location), closed=closed)
    if alias is not None and path.endswith("*") and alias.args[0].endswith("/") == one.args[-1].endswith("/"):
        location = replace(location, target=_folder(alias, note), strips=path != "/*")
        return replace(location, fallback=_fallback(location, one.args[-1].rstrip("/"), note))
    if alias is not None:
        note(alias, "is not a folder for everything below the location; write an app of its own, static:/folder")
    elif root is not None and not any(two.name in _ANSWERS_OTHERWISE for two in one.block):
        location = replace(location, target=_folder(root, note))
        return replace(location, fallback=_fallback(location, "", note))
    note(one, "leads nowhere that gatekeeper knows, so its route is closed")
    return replace(location, closed=True)


def with_its_app(one: Directive, server: Server, note: Note) -> Directive:
    """The location itself; or, if it looks for a file and else asks the app of a named location (``try_files $uri
    @app``), one that asks that app for everything. The app may not refuse anybody, as nginx asks both who may come in.
    """
    tried, app = first(named(one.block, "try_files")), named_app(one, server)
    if tried is None or app is None:
        return one
    note(tried, "an app answers every request; files are served by an app of their own, static:/folder")
    kept = tuple(two for two in one.block if two.name not in ("try_files", "root", "alias"))
    return replace(one, block=(*app.block, *kept))


def named_app(one: Directive, server: Server) -> Directive | None:
    """The named location that answers for a location where there is no file, if it leads to an app alone."""
    tried = first(named(one.block, "try_files"))
    if tried is None or not _TRIED.issuperset(tried.args[:-1]) or named(one.block, "proxy_pass", "grpc_pass"):
        return None
    found = (two for two in named(server.block.block, "location") if two.args == tried.args[-1:])
    app = first(two for two in found if two.args[0].startswith("@"))
    if app is None or not named(app.block, "proxy_pass", "grpc_pass"):
        return None
    if refuses(app.block) or refusal(app.block) or every_rewrite(app.block):
        return None
    if _opens(app) - _opens(one) or (_opens(app) != _opens(one) and _refuses_by_default(server)):
        return None
    return app


def _opens(one: Directive) -> set[str]:
    """What a location says of who may come in that may let in more people than its server does."""
    return cancels(one.block) | {f"allow {two.args[0]}" for two in named(one.block, "allow")}


def _refuses_by_default(server: Server) -> bool:
    """Whether a location inherits anything that may refuse requests, unless it has its own."""
    return bool(server.get("deny")) or any(inherited(server.block.block, server.http))


def of_the_root(root: Directive, server: Server, note: Note) -> Location:
    """What a server sends by its own ``root`` where no location is for all paths."""
    location = Location("/*", _folder(root, note), None, server)
    return replace(location, fallback=_fallback(location, "", note))


def _strips(passed: Directive, location: Location) -> bool:
    """Whether nginx removes the same part of the path as ``strip_prefix``: the location up to its last slash."""
    own = location.block.args[-1] if location.block is not None else ""
    moved = location.block is not None and stripped(location.block.block)
    return (
        passed.name == "proxy_pass"
        and (
            # With a rewrite, nginx ignores the path behind the address (ngx_http_proxy_module, proxy_pass).
            moved == own.rstrip("/")
            if moved
            else re.fullmatch(r"https?://(unix:[^:]+:|[^/]+)/", passed.args[0]) is not None
        )
        and location.path not in ("/*", "/")
        and location.path.endswith("/*")
        and own.endswith("/")
    )


def _fallback(location: Location, prefix: str, note: Note) -> str:
    """The file of ``try_files`` for paths without a file, relative to the folder; paths in the folder do not begin with
    ``prefix``.
    """
    found = first(location.get("try_files"))
    if found is None:
        return ""
    *tried, last = found.args
    if _TRIED.issuperset(tried) and last == "=404":
        return ""
    file = last.removeprefix(f"{prefix}/")
    if _TRIED.issuperset(tried) and last.startswith(f"{prefix}/") and re.fullmatch(SITE_FILE, file, re.ASCII):
        return file
    note(found, "files are looked for by their own path; fallback names one for browsers, and an app answers the rest")
    return ""


def _folder(root: Directive, note: Note) -> str:
    if not root.args[0].startswith("/"):
        note(root, "nginx looks below its prefix, which nginx -V tells; here it is the folder of its configuration")
    return f"static:{root.args[0]}"


def _target(passed: Directive, location: Location, note: Note) -> str:
    url, is_grpc = passed.args[0], passed.name == "grpc_pass"
    if "$" in url:
        note(passed, "variables cannot be in an address")
        return ""
    if is_grpc and "://" not in url:
        url = f"grpc://{url}"
    match = re.fullmatch(r"(grpcs?|https?)://(unix:[^:]+:?|[^/]+)(/.*)?", url)
    if match is None or match[1].startswith("grpc") is not is_grpc:
        note(passed, f"is no {'grpc or grpcs' if is_grpc else 'http or https'} address")
        return ""
    scheme, host, _ = match.groups()
    if is_grpc or values(location.get("proxy_http_version")) == ["2"]:
        scheme = _HTTP2[scheme]
        if host.startswith("unix:"):
            note(passed, "apps at a Unix socket are spoken to in HTTP/1.1; give it a port")
            return ""
    return f"{scheme}://{host.removesuffix(':')}"


def _moves(passed: Directive, location: Location, note: Note) -> bool:
    """Whether nginx shows another part of the app, which may be all that visitors are to see."""
    match = re.fullmatch(r"https?://(?:unix:[^:]+:|[^/]+)(/.*)", passed.args[0])
    if match is None or location.block is None or match[1] == location.block.args[-1] or _strips(passed, location):
        return False
    note(passed, "replaces the path in nginx; here the app would get it as it came, so the route is closed")
    return True
