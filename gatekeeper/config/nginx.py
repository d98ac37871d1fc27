"""A configuration of nginx, as one for gatekeeper: `gatekeeper init --from-nginx FILE`.

crossplane, of the makers of nginx, reads the file and its includes. What has no counterpart becomes a comment, never a
guess. Where nginx lets a visitor in without a certificate, the translation does not: it says so, and a person decides.
What the values mean to nginx is taken from its documentation (nginx.org/en/docs, ngx_http_core_module and others).
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import crossplane

from gatekeeper.config.nginx_directives import ALWAYS, REASONS, TRANSLATED, UNKNOWN
from gatekeeper.config.nginx_servers import App, Location, Server, apps, locations
from gatekeeper.config.nginx_tls import tls_keys
from gatekeeper.config.nginx_values import Directive, duration, first, longest, named, size, values
from gatekeeper.errors import UsageError

_CERTIFICATE_KEYS = (
    ("certificate", "ssl_certificate"),
    ("key", "ssl_certificate_key"),
    ("key_passphrase_file", "ssl_password_file"),
)


@dataclass(frozen=True, slots=True)
class Translation:
    """The text of a ``gatekeeper.toml``, and what could not be taken over, which stands in it as comments too."""

    text: str
    notes: tuple[str, ...]


def translate(path: Path) -> Translation:
    """Translate the file; UsageError if it cannot be read, or holds no server with a certificate."""
    main = _parse(path)
    http = [one for block in named(main, "http") for one in block.block] or main
    notes = _Notes(path)
    servers, redirects = [], []
    for block in named(http, "server"):
        server = Server(block, http)
        if server.get("ssl_certificate"):
            servers.append(server)
        elif _redirects(server):
            redirects.append(server)
        else:
            notes.add(block, "a server without TLS is not taken over; the gate speaks HTTPS only")
    if not servers:
        raise UsageError(f"{path} has no server with ssl_certificate")
    for one in _walk(main):
        if one.name not in ALWAYS and one.name not in TRANSLATED:
            notes.add(one, REASONS.get(one.name, UNKNOWN))
    return _Writer(main, http, servers, redirects, notes).write()


def _redirects(server: Server) -> bool:
    """Whether a server without TLS only sends visitors to https."""
    returns = [one for one in _walk(server.block.block) if one.name in ("return", "rewrite", "proxy_pass", "root")]
    return bool(returns) and all(one.name == "return" and one.args[-1].startswith("https://") for one in returns)


def _parse(path: Path) -> list[Directive]:
    payload = crossplane.parse(str(path), catch_errors=False, check_ctx=False, check_args=False, comments=False)
    for error in payload["errors"]:
        raise UsageError(f"{error['file']}: {error['error']}")
    return Directive.read_all(payload["config"], 0)


def _walk(directives: Iterable[Directive]) -> Iterator[Directive]:
    """All directives, but for the lists of a ``types`` or ``map`` block and what stands in an ``upstream``."""
    for one in directives:
        yield one
        if one.name not in ("types", "map", "geo", "upstream", "split_clients", "if", "limit_except", "stream"):
            yield from _walk(one.block)


_IDLE = ("proxy_read_timeout", "proxy_send_timeout", "grpc_read_timeout", "grpc_send_timeout", "client_body_timeout")


@dataclass(slots=True)
class _Notes:
    """Directives that could not be translated, each with its position."""

    path: Path
    lines: list[str] = field(default_factory=list)

    def add(self, one: Directive, why: str) -> None:
        """A directive, and what to do about it."""
        words = " ".join((one.name, *one.args))[:60]
        place = f"line {one.line}" if Path(one.file) == self.path else f"{one.file}, line {one.line}"
        self.lines.append(f"{place}: {words}: {why}")


class _Writer:
    """Writes the tables. The first server gives what only one can: certificate, authorities, timeouts."""

    def __init__(
        self,
        main: list[Directive],
        http: list[Directive],
        servers: list[Server],
        redirects: list[Server],
        notes: _Notes,
    ) -> None:
        self._redirects = redirects
        self._main = main
        self._http = http
        self._servers = servers
        self._notes = notes
        self._locations = [(server, list(locations(server, notes.add))) for server in servers]
        self._apps = apps([one for _, found in self._locations for one in found], http, notes.add)

    def write(self) -> Translation:
        """Everything, as text that loads."""
        tables = [
            self._server(),
            *self._certificates(),
            self._client_auth(),
            *self._upstreams(),
            *self._routes(),
            *self._rest(),
        ]
        unique = tuple(dict.fromkeys(self._notes.lines))
        head = f"# Translated from {self._notes.path.name}. Read it before use: gatekeeper check -c gatekeeper.toml"
        parts = [head, *filter(None, tables)]
        if unique:
            parts.append("# Not taken over:\n" + "\n".join(f"#   {_printable(line)}" for line in unique))
        return Translation("\n\n".join(parts) + "\n", unique)

    def _server(self) -> str:
        server = self._servers[0]
        lines = [_line("listen", sorted({*self._listens(self._servers)}) or ["0.0.0.0:443"])]
        if self._redirects:
            lines.append(_line("redirect", sorted({*self._listens(self._redirects)}) or ["0.0.0.0:80"]))
        for key, name in _CERTIFICATE_KEYS:
            lines += [_line(key, found.args[0])] if (found := first(server.get(name))) else []
        lines += [_line(key, value) for key, value in tls_keys(server, self._notes.add)]
        if values(server.get("http2")) == ["off"]:
            lines.append("http2 = false")
        if workers := first(named(self._main, "worker_processes")):
            lines += [f"workers = {workers.args[0] if workers.args[0].isdigit() else _text('auto')}"]
        lines += self._proxies(server)
        if user := first(named(self._main, "user")):
            lines += [_line(key, value) for key, value in zip(("user", "group"), user.args, strict=False)]
        return "\n".join(["[server]", *lines])

    def _certificates(self) -> Iterator[str]:
        """Those of further servers. nginx goes by server_name, gatekeeper by the names in the certificates."""
        known = {tuple(values(self._servers[0].get("ssl_certificate")))}
        for server in self._servers[1:]:
            certificate = tuple(values(server.get("ssl_certificate")))
            if certificate not in known:
                known.add(certificate)
                lines = [
                    _line(key, found.args[0]) for key, name in _CERTIFICATE_KEYS if (found := first(server.get(name)))
                ]
                yield "\n".join(["[[server.certificates]]", *lines])

    def _listens(self, servers: list[Server]) -> Iterator[str]:
        for server in servers:
            for one in server.get("listen"):
                address, *options = one.args
                if servers is self._servers and "ssl" not in options and len(server.get("listen")) > 1:
                    self._notes.add(one, "a listener without TLS is not taken over")
                    continue
                yield address if ":" in address or not address.isdigit() else f"0.0.0.0:{address}"
                if "quic" in options:
                    self._notes.add(one, "gatekeeper has no HTTP/3")

    def _proxies(self, server: Server) -> list[str]:
        networks = [one.args[0] for one in server.get("set_real_ip_from") if one.args[0] != "unix:"]
        speaks = any("proxy_protocol" in one.args for one in server.get("listen"))
        return [_line("proxy_protocol_from" if speaks else "trusted_proxies", networks)] if networks else []

    def _client_auth(self) -> str:
        lines = ["[client_auth]"]
        found = next((one for one in self._servers if one.get("ssl_client_certificate")), None)
        if found is None:
            lines.append("# nginx names no authority for client certificates; `gatekeeper ca` makes one.")
            lines.append(_line("ca", "client-ca.crt"))
        for server in self._servers:
            verify = values(server.get("ssl_verify_client"))
            if verify in ([], ["off"]):
                self._notes.add(server.block, "asks for no certificate in nginx; here every visitor needs one")
            elif found is not None and values(server.get("ssl_client_certificate")) != values(
                found.get("ssl_client_certificate")
            ):
                self._notes.add(server.block, "trusts other authorities: see [[client_auth.hosts]]")
        if found is None:
            return "\n".join(lines)
        lines.append(_line("ca", values(found.get("ssl_client_certificate"))[0]))
        for one in found.get("ssl_trusted_certificate"):
            self._notes.add(one, "trusted without being named to clients: add it to client_auth.ca if it is meant")
        lines += [_line("crl", one.args[0]) for one in found.get("ssl_crl")]
        if values(found.get("ssl_ocsp")) in (["on"], ["leaf"]):
            lines.append(_line("ocsp", "leaf"))
        return "\n".join(lines)

    def _upstreams(self) -> Iterator[str]:
        for app in self._apps:
            lines = ["[upstream]" if app.name == "default" else f"[upstreams.{app.name}]"]
            lines += [_line("url", app.urls[0]) if len(app.urls) == 1 else _line("urls", app.urls)]
            lines += [_line(key, value) for key, value in app.tls.items()]
            lines += ["request_buffering = true"] if app.buffers else []
            yield "\n".join(lines)
        if not self._apps:
            yield "[upstream]\n# nginx passes nothing on that gatekeeper could.\n" + _line(
                "url", "http://127.0.0.1:8000"
            )

    def _routes(self) -> Iterator[str]:
        found = [one for _, inside in self._locations for one in inside if self._app(one) is not None]
        networks = {id(one): one.networks(self._notes.add) for one in found}
        if len(self._servers) == 1 and [one.path for one in found] == ["/*"] and not any(networks.values()):
            return
        for server, inside in self._locations:
            hosts = server.hosts(self._notes.add if len(self._servers) > 1 else None)
            if len(self._servers) > 1 and not hosts:
                self._notes.add(server.block, "no host name can be taken over, so its locations are not either")
                continue
            # nginx takes the longest that fits, exact ones first; here the first route that fits decides.
            for one in sorted(inside, key=lambda one: (one.path.endswith("*"), -len(one.path))):
                app = self._app(one)
                if app is not None:
                    lines = [_line("hosts", hosts)] if len(self._servers) > 1 else []
                    lines += [_line("allow_from", networks[id(one)])] if networks[id(one)] else []
                    yield "\n".join(["[[routes]]", _line("path", one.path), *lines, _line("upstream", app.name)])

    def _app(self, location: Location) -> App | None:
        return next((app for app in self._apps if location.target == app.target), None)

    def _rest(self) -> Iterator[str]:
        scopes = [self._http, *(one.block.block for one in self._servers)]
        scopes += [one.block.block for _, inside in self._locations for one in inside if one.block is not None]
        every = [directive for scope in scopes for directive in scope]
        timeouts = {
            "request_header": longest(named(every, "client_header_timeout"), duration),
            "idle": longest(named(every, "keepalive_timeout"), duration),
            "connect": longest(named(every, "proxy_connect_timeout", "grpc_connect_timeout"), duration),
            "response_header": longest(named(every, "proxy_read_timeout", "grpc_read_timeout"), duration),
            "stream_idle": longest(named(every, *_IDLE), duration),
            "tunnel_idle": longest(named(every, "proxy_read_timeout"), duration),
        }
        lines = [_line(key, value) for key, value in timeouts.items() if value]
        yield "\n".join(["[timeouts]", *lines]) if lines else ""
        yield self._limits(every)
        log = first(named(every, "access_log"))
        yield "[log]\n" + _line("access", log.args[0]) if log and re.fullmatch(r"off|/[^$]*", log.args[0]) else ""

    def _limits(self, every: list[Directive]) -> str:
        lines = []
        sizes = longest(named(every, "client_max_body_size"), size)
        lines.append(_line("request_body", sizes or "1MiB"))  # what nginx takes where nothing is written
        events = [one for block in named(self._main, "events") for one in block.block]
        if connections := first(named(events, "worker_connections")):
            lines.append(f"connections = {int(connections.args[0])}" if connections.args[0].isdigit() else "")
        if streams := first(named(every, "http2_max_concurrent_streams")):
            lines.append(f"http2_streams = {int(streams.args[0])}" if streams.args[0].isdigit() else "")
        return "\n".join(["[limits]", *filter(None, lines)])


def _line(key: str, value: str | list[str] | tuple[str, ...]) -> str:
    return f"{key} = {_text(value) if isinstance(value, str) else '[' + ', '.join(map(_text, value)) + ']'}"


def _text(value: str) -> str:
    return json.dumps(value.replace("${", "$${"), ensure_ascii=False).replace("\x7f", "\\u007f")


def _printable(line: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in line)
