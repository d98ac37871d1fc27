"""The text of a ``gatekeeper.toml`` from the servers of nginx."""

import json
import re
from collections.abc import Iterator, Mapping, Set
from dataclasses import replace

from gatekeeper.config.nginx_headers import response_headers
from gatekeeper.config.nginx_judging import judges
from gatekeeper.config.nginx_limits import request_body, request_rate, timeouts
from gatekeeper.config.nginx_locations import in_order, locations
from gatekeeper.config.nginx_notes import Notes
from gatekeeper.config.nginx_refusals import NOBODY
from gatekeeper.config.nginx_request_headers import request_headers, stripped_headers
from gatekeeper.config.nginx_servers import App, Location, Server, apps
from gatekeeper.config.nginx_tls import tls_keys
from gatekeeper.config.nginx_values import Directive, duration, first, longest, named, values, walk

_UNDECIDED = """\
# nginx refuses requests here that no path names, or leads them elsewhere; /admin in nginx is /administrator too. Close
# what is meant by routes before the open ones, or see that the app has nothing there. Then remove this route: with it,
# nothing loads."""
_ASKS_FOR_MORE = """\
# By this, nginx may refuse requests or change them besides asking for a certificate; the gate does not. Let the app do
# it, or see that the certificate is enough. Then remove this route: with it, nothing loads."""
_CERTIFICATE_KEYS = (
    ("certificate", "ssl_certificate"),
    ("key", "ssl_certificate_key"),
    ("key_passphrase_file", "ssl_password_file"),
)


class Writer:
    """Writes the tables. Settings that exist only once, such as certificate and authorities, are those of the first
    server.
    """

    def __init__(
        self,
        main: list[Directive],
        http: list[Directive],
        servers: list[Server],
        redirects: list[Server],
        notes: Notes,
    ) -> None:
        self._redirects = redirects
        self._main = main
        self._http = http
        self._servers = servers
        self._notes = notes
        everywhere = {place for server in servers for place in server.listens()}
        self._locations = [(server, self._inside(server, everywhere)) for server in servers]
        every = [one for _, found in self._locations for one in found]
        self._apps = apps(every, http, notes.add)
        of_apps = [[one for one in every if one.place == app.place] for app in self._apps]
        self._timeouts = [timeouts(some, notes.add) for some in of_apps]
        self._headers = {id(one): response_headers(one, notes.add) for one in every if self._app(one) is not None}
        each = list(self._headers.values())
        self._shared_headers = each[0] if each and all(one == each[0] for one in each) else {}
        # One [response] table, if all apps have the same headers in nginx.
        apart = [
            times for app, times in zip(self._apps, self._timeouts, strict=True) if "static:" not in app.place.target
        ]
        self._shared_timeouts = apart[0] if apart and all(times == apart[0] for times in apart) else {}
        self._sizes = [request_body(some, notes.add) for some in of_apps]
        self._rate = request_rate(every, http, notes.add)
        settings = [*(one for one in http if one.name != "server"), *walk(one.block for one in servers)]
        self._custom = request_headers(settings, notes.add)
        self._stripped = stripped_headers(settings, self._custom)

    def _inside(self, server: Server, everywhere: Set[str]) -> list[Location]:
        """Its locations; closed, if nginx has the server at fewer addresses, which only some visitors may reach."""
        found = locations(server, self._notes.add)
        if not everywhere - server.listens():
            return found
        self._notes.add(server.block, "listens at fewer addresses than others; here it would at all, so it is closed")
        return [replace(one, closed=True) for one in found if not one.undecided]

    def text(self) -> str:
        """The whole file, whose comments at the end are the notes."""
        tables = [
            self._server(),
            *self._certificates(),
            self._client_auth(),
            *self._upstreams(),
            *self._routes(),
            _table_line("response", "headers", self._shared_headers),
            self._identity(),
            *self._rest(),
        ]
        unique = self._notes.in_order()
        head = f"# Translated from {self._notes.path.name}. Read it before use: gatekeeper check -c gatekeeper.toml"
        parts = [head, *filter(None, tables)]
        if unique:
            parts.append("# Not taken over:\n" + "\n".join(f"#   {_printable(line)}" for line in unique))
        return "\n\n".join(parts) + "\n"

    def _server(self) -> str:
        server = self._servers[0]
        lines = [_line("listen", sorted({*self._listens(self._servers)}) or ["0.0.0.0:443"])]
        if self._redirects:
            lines.append(_line("redirect", sorted({*self._listens(self._redirects)}) or ["0.0.0.0:80"]))
        for key, name in _CERTIFICATE_KEYS:
            lines += [_line(key, self._file(found.args[0]))] if (found := first(server.get(name))) else []
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
        """The certificates of further servers. nginx chooses by server_name, gatekeeper by the names in the
        certificates.
        """
        known = {tuple(values(self._servers[0].get("ssl_certificate")))}
        for server in self._servers[1:]:
            certificate = tuple(values(server.get("ssl_certificate")))
            if certificate not in known:
                known.add(certificate)
                lines = [
                    _line(key, self._file(found.args[0]))
                    for key, name in _CERTIFICATE_KEYS
                    if (found := first(server.get(name)))
                ]
                yield "\n".join(["[[server.certificates]]", *lines])

    def _listens(self, servers: list[Server]) -> Iterator[str]:
        for server in servers:
            for one in server.get("listen"):
                address, *options = one.args
                if servers is self._servers and "ssl" not in options and len(server.get("listen")) > 1:
                    self._notes.add(one, "a listener without TLS is not taken over")
                    continue
                every = address.isdigit() or address.startswith("*:")
                if not every:
                    yield address
                if every or ("ipv6only=off" in options and address.startswith("[::]:")):
                    yield f"0.0.0.0:{address.rpartition(':')[2]}"
                if "quic" in options:
                    self._notes.add(one, "gatekeeper has no HTTP/3")
                if "default_server" in options and server is not servers[0]:
                    self._notes.add(one, "a client that names no host gets the certificate of the first server")
                if "proxy_protocol" in options and not server.get("set_real_ip_from"):
                    self._notes.add(one, "PROXY headers are read from server.proxy_protocol_from: name it")

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
            elif verify == ["optional_no_ca"]:
                self._notes.add(server.block, "takes certificates of any authority in nginx; here only those of ca")
        if found is None:
            return "\n".join(lines)
        lines.append(_line("ca", self._file(values(found.get("ssl_client_certificate"))[0])))
        for one in found.get("ssl_trusted_certificate"):
            self._notes.add(one, "trusted without being named to clients: add it to client_auth.ca if it is meant")
        if lists := self._revocation_lists():
            lines.append(_line("crl", lists))
        if depths := [depth for one in self._servers for depth in values(one.get("ssl_verify_depth"))]:
            lines.append(f"depth = {min((int(depth) for depth in depths if depth.isdigit()), default=1)}")
        if values(found.get("ssl_session_tickets")) == ["on"]:
            lines.append("session_resumption = true")
        if any(values(one.get("ssl_ocsp")) in (["on"], ["leaf"]) for one in self._servers):
            lines.append(_line("ocsp", "leaf"))
        return "\n".join([*lines, *self._authorities_of_hosts(values(found.get("ssl_client_certificate")))])

    def _revocation_lists(self) -> list[str]:
        """Those of all servers: a list counts for the authority that signed it, on whatever host, so nobody is let in
        who is revoked in nginx.
        """
        having = [one for one in self._servers if one.get("ssl_crl")]
        listed = [values(one.get("ssl_client_certificate")) for one in having]
        for server in self._servers if having else ():
            own = values(server.get("ssl_client_certificate"))
            if own and own not in listed:
                why = "has no ssl_crl, unlike others; here its visitors are refused until client_auth.crl has its list"
                self._notes.add(server.block, why)
        return list(dict.fromkeys(self._file(name) for one in having for name in values(one.get("ssl_crl"))))

    def _authorities_of_hosts(self, shared: list[str]) -> Iterator[str]:
        """The authorities of further servers; those without a name have no route."""
        taken: set[str] = set()
        for server in self._servers:
            hosts = [name for name in server.hosts(None) if name not in taken]
            taken.update(hosts)
            own = values(server.get("ssl_client_certificate"))
            if own not in ([], shared) and hosts:
                yield "\n".join(["\n[[client_auth.hosts]]", _line("hosts", hosts), _line("ca", self._file(own[0]))])

    def _upstreams(self) -> Iterator[str]:
        for app, times, body in zip(self._apps, self._timeouts, self._sizes, strict=True):
            urls = [f"static:{self._file(url[7:])}" if url.startswith("static:") else url for url in app.urls]
            lines = ["[upstream]" if app.name == "default" else f"[upstreams.{app.name}]"]
            lines += [_line("url", urls[0]) if len(urls) == 1 else _line("urls", urls)]
            place = app.place
            lines += [_line("fallback", place.fallback)] if place.fallback else []
            lines += [_line(key, value if key == "server_name" else self._file(value)) for key, value in place.tls]
            lines += ["request_buffering = true"] if place.buffers else []
            lines += [_line("host", place.host)] if place.host else []
            if times and not self._shared_timeouts:
                lines.append(f"timeouts = {{ {', '.join(_line(key, value) for key, value in times.items())} }}")
            lines += [_line("request_body", body)] if body != self._sizes[0] else []
            yield "\n".join(lines)
        if not self._apps:
            yield "[upstream]\n# nginx passes nothing on that gatekeeper could.\n" + _line(
                "url", "http://127.0.0.1:8000"
            )

    def _routes(self) -> Iterator[str]:
        every = [one for _, inside in self._locations for one in inside]
        if len(every) == len(self._servers) == 1 and every[0].path == "/*" and not self._narrows(every[0]):
            return
        written = False
        taken: set[str] = set()
        for server, inside in self._locations:
            hosts = server.hosts(self._notes.add if len(self._servers) > 1 else None)
            if len(self._servers) > 1 and not hosts:
                self._notes.add(server.block, "no host name can be taken over, so its locations are not either")
                continue
            hosts = [name for name in hosts if name not in taken]
            if len(self._servers) > 1 and not hosts:
                self._notes.add(server.block, "an earlier server has its names, so its locations are not taken over")
                continue
            taken.update(hosts)
            for one in in_order(inside):
                yield self._route(one, hosts if len(self._servers) > 1 else [])
                written = True
        if not written:
            # Without any route, every visitor would reach [upstream].
            yield "\n".join(["[[routes]]", _line("allow_from", NOBODY)])

    def _route(self, one: Location, hosts: list[str]) -> str:
        app = self._app(one)
        lines = [_line("hosts", hosts)] if hosts else []
        lines += [_line("methods", one.methods)] if one.methods else []
        if networks := one.networks(self._notes.add):
            lines.append(_line("allow_from", networks) + (" # closed to everyone" if networks is NOBODY else ""))
        lines += ["strip_prefix = true"] if one.strips else []
        headers = self._headers.get(id(one))
        if headers and not self._shared_headers:
            lines.append(f"response = {{ {_headers_line('headers', headers)} }}")
        lines.append(_line("upstream", app.name if app is not None else "default"))
        asks = one.block is not None and judges(one.block.name)
        head = [_ASKS_FOR_MORE if asks else _UNDECIDED] if one.undecided else []
        return "\n".join([*head, "[[routes]]", _line("path", one.undecided or one.path), *lines])

    def _identity(self) -> str:
        lines = [_headers_line("custom", self._custom)] if self._custom else []
        lines += [_line("strip", self._stripped)] if self._stripped else []
        return "\n".join(["[identity]", *lines]) if lines else ""

    def _narrows(self, one: Location) -> bool:
        """Whether it lets in fewer than every visitor."""
        return one.closed or bool(one.methods) or bool(one.networks(self._notes.add)) or self._app(one) is None

    def _app(self, location: Location) -> App | None:
        return next((app for app in self._apps if location.place == app.place), None)

    def _file(self, name: str) -> str:
        """Relative names start at the folder of nginx.conf (ngx_conf_full_name() and its conf_prefix)."""
        return str(self._notes.path.absolute().parent / name)

    def _rest(self) -> Iterator[str]:
        every = [*self._http, *(directive for one in self._servers for directive in one.block.block)]
        times = {
            "request_header": longest(named(every, "client_header_timeout"), duration),
            "idle": longest(named(every, "keepalive_timeout"), duration),
        }
        times |= self._shared_timeouts
        lines = [_line(key, value) for key, value in times.items() if value]
        yield "\n".join(["[timeouts]", *lines]) if lines else ""
        yield self._limits(every)
        yield self._log(every)

    def _log(self, every: list[Directive]) -> str:
        log = first(named(every, "access_log"))
        if log is None:
            return ""
        for other in named(every, "access_log"):
            if other.args[0] != log.args[0]:
                self._notes.add(other, "there is one access log for the whole gate")
        target = {"/dev/stdout": "stdout", "/dev/stderr": "stderr"}.get(log.args[0], log.args[0])
        if re.fullmatch(r"off|std(out|err)|/[^$]*", target):
            return "[log]\n" + _line("access", target)
        self._notes.add(log, "log.access takes an absolute path, stdout, stderr or off")
        return ""

    def _limits(self, every: list[Directive]) -> str:
        lines = [_line("request_body", self._sizes[0] if self._sizes else "1MiB")]
        events = [one for block in named(self._main, "events") for one in block.block]
        if connections := first(named(events, "worker_connections")):
            lines.append(f"connections = {int(connections.args[0])}" if connections.args[0].isdigit() else "")
        if streams := first(named(every, "http2_max_concurrent_streams")):
            lines.append(f"http2_streams = {int(streams.args[0])}" if streams.args[0].isdigit() else "")
        lines += [f"{key} = {_text(value) if isinstance(value, str) else value}" for key, value in self._rate.items()]
        return "\n".join(["[limits]", *filter(None, lines)])


def _table_line(table: str, key: str, headers: Mapping[str, str]) -> str:
    return f"[{table}]\n{_headers_line(key, headers)}" if headers else ""


def _headers_line(key: str, headers: Mapping[str, str]) -> str:
    return f"{key} = {{ {', '.join(f'{_text(name)} = {_text(value)}' for name, value in headers.items())} }}"


def _line(key: str, value: str | list[str] | tuple[str, ...]) -> str:
    return f"{key} = {_text(value) if isinstance(value, str) else '[' + ', '.join(map(_text, value)) + ']'}"


def _text(value: str) -> str:
    return json.dumps(value.replace("${", "$${"), ensure_ascii=False).replace("\x7f", "\\u007f")


def _printable(line: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in line)
