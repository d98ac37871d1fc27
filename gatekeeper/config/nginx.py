"""A configuration of nginx, as one for gatekeeper: `gatekeeper init --from-nginx FILE`.

crossplane, of the makers of nginx, reads the file and its includes. What has no counterpart becomes a comment, never a
guess. Where nginx lets a visitor in without a certificate, the translation does not: it says so, and a person decides.
What the values mean to nginx is taken from its documentation (nginx.org/en/docs, ngx_http_core_module and others).
"""

from dataclasses import dataclass
from pathlib import Path

from gatekeeper.config.nginx_directives import ALWAYS, TRANSLATED, reason, unusual
from gatekeeper.config.nginx_notes import Notes
from gatekeeper.config.nginx_reading import parse
from gatekeeper.config.nginx_redirects import only_redirects
from gatekeeper.config.nginx_rewrites import rewrites, stripped
from gatekeeper.config.nginx_servers import Server
from gatekeeper.config.nginx_tls import tell_differences
from gatekeeper.config.nginx_values import Directive, named, walk
from gatekeeper.config.nginx_writer import Writer
from gatekeeper.errors import UsageError

# Directives of which there are many, and all need the same.
_PARAMETERS = ("fastcgi_param", "scgi_param", "uwsgi_param")


@dataclass(frozen=True, slots=True)
class Translation:
    """The text of a ``gatekeeper.toml``, and notes about what could not be translated, which are comments in it."""

    text: str
    notes: tuple[str, ...]


def translate(path: Path) -> Translation:
    """Translate the file; UsageError if it cannot be read, or holds no server with a certificate."""
    main = parse(path)
    http = [one for block in named(main, "http") for one in block.block] or main
    notes = Notes(path)
    servers, redirects, skipped = [], [], []
    for block in named(http, "server"):
        server = Server(block, http)
        if server.speaks_tls():
            servers.append(server)
        elif only_redirects(server, notes.add):
            redirects.append(server)
        else:
            skipped.append(server)
            notes.add(block, "a server without TLS is not taken over; the gate speaks HTTPS only")
    if not servers:
        raise UsageError(f"{path} has no server with ssl_certificate")
    parameters: dict[str, list[Directive]] = {name: [] for name in _PARAMETERS}
    known = {id(one) for server in (*redirects, *skipped) for one in walk(server.block.block)}
    known |= {id(one) for block in walk(main) if stripped(block.block) for one in rewrites(block.block)}
    for one in walk(main):
        if one.name == "map" and one.args[:1] == ("$http_upgrade",):  # for WebSockets, which pass anyway
            continue
        if one.name in _PARAMETERS:
            parameters[one.name].append(one)
        elif one.name not in ALWAYS and one.name not in TRANSLATED and id(one) not in known:
            notes.add(one, reason(one.name))
        elif why := unusual(one.name, one.args):
            notes.add(one, why)
    for first_one, *others in filter(None, parameters.values()):
        more = f"; {len(others)} more lines of this name" if others else ""
        notes.add(first_one, f"{reason(first_one.name)}{more}")
    tell_differences(servers, notes.add)
    text = Writer(main, http, servers, redirects, notes).text()
    return Translation(text, notes.in_order())
