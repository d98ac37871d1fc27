"""The proxies under measurement, each configured for the same job.

The job: TLS 1.3 on loopback; the client certificate asked for and checked against the authority; 403 for who has none;
`/app/*` to one upstream and the rest to another, over kept connections; the identity of the client in request headers;
one line in an access log file for each exchange. Where a product cannot do a part, `falls_short` says so.
"""

import abc
import platform
import resource
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.certificates import Certificates
from benchmarks.processes import Command
from benchmarks.upstream import REPOSITORY, Upstream, user_line


@dataclass(frozen=True, slots=True)
class Setup:
    """How a contender is configured for a measurement."""

    workers: int = 1
    tickets: bool | None = None
    """TLS session tickets: on, off, or whatever the product does by itself."""
    all_identity: bool = False
    """All thirteen headers that gatekeeper always sets, the whole certificate among them, instead of the usual seven.

    The usual: X-Forwarded-For, X-Forwarded-Proto, X-Real-IP, and of the certificate verdict, subject, issuer, serial.
    nginx and HAProxy make each value anew for each request, which doubles what they cost, so by default they need not.
    """
    routes: int = 0
    """Further routes before the two that are used."""
    crl: Path | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Everything a contender needs to know to be started."""

    folder: Path
    port: int
    certificates: Certificates
    upstream: Upstream
    setup: Setup


class Contender(abc.ABC):
    """One product."""

    name: str
    identity_header: str = "x-ssl-client-serial"
    """Lower case; the upstream must get it, naming the client."""
    refuses: bool = True
    """Whether it can answer 403 to a client without a certificate."""

    @abc.abstractmethod
    def version(self) -> str | None:
        """The version, or None where the product is not installed."""

    @abc.abstractmethod
    def configure(self, place: Place) -> Command:
        """Write configuration into `place.folder` and say how to start it. The access log must be `access.log`."""

    def falls_short(self, setup: Setup) -> str | None:
        """Why the product cannot be set up like this, or None."""
        return None


def open_files() -> int:
    """How many files each process may open."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def _first_line(*argv: str) -> str | None:
    if shutil.which(argv[0]) is None:
        return None
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return (done.stdout or done.stderr).splitlines()[0].strip() if done.returncode == 0 else None


NGINX = """\
daemon off; {user}
worker_processes {workers};
pid nginx.pid;
error_log error.log;
events {{ worker_connections {open_files}; }}
http {{
  log_format access escape=json '{{"time":"$time_iso8601","client":"$remote_addr","method":"$request_method",'
    '"target":"$request_uri","status":$status,"bytes":$body_bytes_sent,"duration":$request_time,'
    '"upstream_time":"$upstream_response_time","subject":"$ssl_client_s_dn","serial":"$ssl_client_serial"}}';
  access_log {folder}/access.log access;
  client_body_temp_path temp; proxy_temp_path temp; fastcgi_temp_path temp; uwsgi_temp_path temp; scgi_temp_path temp;
  client_max_body_size 0;
  keepalive_requests 100000000;
  upstream files {{ server 127.0.0.1:{files_port}; keepalive 20000; keepalive_requests 100000000; }}
  upstream app {{ server 127.0.0.1:{app_port}; keepalive 20000; keepalive_requests 100000000; }}
  map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
  server {{
    listen 127.0.0.1:{port} ssl backlog=20000;
    ssl_protocols TLSv1.3;
    ssl_certificate {server};
    ssl_certificate_key {server_key};
    ssl_client_certificate {ca};
    ssl_verify_client optional;
    {tickets}
    {crl}
    if ($ssl_client_verify != SUCCESS) {{ return 403; }}
    proxy_http_version 1.1;
    proxy_request_buffering off;
    proxy_max_temp_file_size 0;
    proxy_set_header Host $host;
    proxy_set_header Connection $connection_upgrade;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Real-IP $remote_addr;
    proxy_set_header X-SSL-Client-Verify $ssl_client_verify;
    proxy_set_header X-SSL-Client-S-DN $ssl_client_s_dn;
    proxy_set_header X-SSL-Client-I-DN $ssl_client_i_dn;
    proxy_set_header X-SSL-Client-Serial $ssl_client_serial;
    {identity}
    {routes}
    location /app/ {{ proxy_pass http://app; }}
    location / {{ proxy_pass http://files; }}
  }}
}}
"""

NGINX_MORE_IDENTITY = """\
    proxy_set_header X-Forwarded-Host $host;
    proxy_set_header X-Request-Id $request_id;
    proxy_set_header X-SSL-Client-Fingerprint $ssl_client_fingerprint;
    proxy_set_header X-SSL-Client-V-Start $ssl_client_v_start;
    proxy_set_header X-SSL-Client-V-End $ssl_client_v_end;
    proxy_set_header X-SSL-Client-Escaped-Cert $ssl_client_escaped_cert;
"""


class Nginx(Contender):
    """nginx as Debian builds it."""

    name = "nginx"

    def version(self) -> str | None:  # noqa: D102
        return _first_line("nginx", "-v")

    def configure(self, place: Place) -> Command:  # noqa: D102
        c, setup = place.certificates, place.setup
        tickets = {
            None: "",
            True: "ssl_session_tickets on;",
            False: "ssl_session_tickets off; ssl_conf_command NumTickets 0;",
        }[setup.tickets]
        text = NGINX.format(
            user=user_line(),
            workers=setup.workers,
            folder=place.folder,
            port=place.port,
            open_files=open_files(),
            files_port=place.upstream.files_port,
            app_port=place.upstream.app_port,
            server=c.server,
            server_key=c.server_key,
            ca=c.ca,
            tickets=tickets,
            identity=NGINX_MORE_IDENTITY if setup.all_identity else "",
            crl=f"ssl_crl {setup.crl};" if setup.crl else "",
            routes="\n".join(f"    location /route{n}/ {{ proxy_pass http://files; }}" for n in range(setup.routes)),
        )
        (place.folder / "nginx.conf").write_text(text)
        argv = ("nginx", "-p", str(place.folder), "-c", "nginx.conf", "-e", "error.log")
        return Command(argv, place.folder / "output", {})


HAPROXY = """\
global
  nbthread {workers}
  maxconn {connections}
  log stdout len 4096 format raw daemon
  tune.ssl.cachesize 20000
  ssl-default-bind-options ssl-min-ver TLSv1.3 {tickets}
defaults
  mode http
  log global
  option http-keep-alive
  timeout connect 5s
  timeout client 75s
  timeout server 60s
  timeout tunnel 1h
  timeout http-request 10s
  http-reuse always
  log-format '{{"time":"%t","client":"%ci","method":"%HM","target":"%HU","status":%ST,"bytes":%B,"duration":%Ta,\
"upstream_time":%Tr,"subject":"%[ssl_c_s_dn]","serial":"%[ssl_c_serial,hex]"}}'
frontend gate
  bind 127.0.0.1:{port} backlog 20000 ssl crt {server_bundle} ca-file {ca} verify optional \
crt-ignore-err all ca-ignore-err all {crl}
  http-request deny status 403 if !{{ ssl_c_used }} || !{{ ssl_c_verify 0 }}
  http-request set-header X-Forwarded-For %[src]
  http-request set-header X-Forwarded-Proto https
  http-request set-header X-Real-IP %[src]
  http-request set-header X-SSL-Client-Verify SUCCESS
  http-request set-header X-SSL-Client-S-DN %[ssl_c_s_dn(,0,rfc2253)]
  http-request set-header X-SSL-Client-I-DN %[ssl_c_i_dn(,0,rfc2253)]
  http-request set-header X-SSL-Client-Serial %[ssl_c_serial,hex]
{identity}
{routes}
  use_backend app if {{ path_beg /app/ }}
  default_backend files
backend files
  server files 127.0.0.1:{files_port} pool-max-conn 20000
backend app
  server app 127.0.0.1:{app_port} pool-max-conn 20000
"""

HAPROXY_MORE_IDENTITY = """\
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  http-request set-header X-Request-Id %[uuid()]
  http-request set-header X-SSL-Client-Fingerprint %[ssl_c_sha1,hex]
  http-request set-header X-SSL-Client-V-Start %[ssl_c_notbefore]
  http-request set-header X-SSL-Client-V-End %[ssl_c_notafter]
  http-request set-header X-SSL-Client-Escaped-Cert %[ssl_c_der,base64]
"""


class HAProxy(Contender):
    """HAProxy as Debian builds it. It writes its log to standard output, which the harness sends to the file."""

    name = "haproxy"

    def version(self) -> str | None:  # noqa: D102
        return _first_line("haproxy", "-v")

    def configure(self, place: Place) -> Command:  # noqa: D102
        c, setup = place.certificates, place.setup
        text = HAPROXY.format(
            workers=setup.workers,
            port=place.port,
            connections=open_files() // 2 - 100,
            files_port=place.upstream.files_port,
            app_port=place.upstream.app_port,
            server_bundle=c.server_bundle,
            ca=c.ca,
            identity=HAPROXY_MORE_IDENTITY if setup.all_identity else "",
            tickets="no-tls-tickets" if setup.tickets is False else "",
            crl=f"crl-file {setup.crl}" if setup.crl else "",
            routes="\n".join(f"  use_backend files if {{ path_beg /route{n}/ }}" for n in range(setup.routes)),
        )
        (place.folder / "haproxy.cfg").write_text(text)
        argv = ("haproxy", "-db", "-f", str(place.folder / "haproxy.cfg"))
        return Command(argv, place.folder / "access.log", {})


GATEKEEPER = """\
[server]
listen = "127.0.0.1:{port}"
certificate = "{server}"
key = "{server_key}"
min_tls = "1.3"
workers = {workers}
[client_auth]
ca = "{ca}"
crl = [{crl}]
session_resumption = {resumption}
[upstream]
url = "http://127.0.0.1:{files_port}"
[upstreams.app]
url = "http://127.0.0.1:{app_port}"
{routes}
[[routes]]
path = "/app/*"
upstream = "app"
[[routes]]
path = "/*"
[identity]
headers = ["nginx"]
[admin]
listen = "127.0.0.1:0"
[log]
access = "{folder}/access.log"
[limits]
connections = {connections}
"""


class Gatekeeper(Contender):
    """This repository, or another checkout of it: `gatekeeper@/path` compares two states in one run."""

    def __init__(self, name: str = "gatekeeper") -> None:
        self.name = name
        _, _, path = name.partition("@")
        self.source = Path(path).resolve() if path else REPOSITORY

    def version(self) -> str | None:  # noqa: D102
        if not (self.source / "gatekeeper" / "__main__.py").exists():
            return None
        return f"{commit(self.source)} on Python {platform.python_version()}"

    def configure(self, place: Place) -> Command:  # noqa: D102
        c, setup = place.certificates, place.setup
        text = GATEKEEPER.format(
            connections=open_files() // 2 - 100,
            port=place.port,
            files_port=place.upstream.files_port,
            app_port=place.upstream.app_port,
            workers=setup.workers,
            folder=place.folder,
            server=c.server,
            server_key=c.server_key,
            ca=c.ca,
            crl=f'"{setup.crl}"' if setup.crl else "",
            resumption="true" if setup.tickets else "false",
            routes="\n".join(f'[[routes]]\npath = "/route{n}/*"' for n in range(setup.routes)),
        )
        (place.folder / "gatekeeper.toml").write_text(text)
        argv = (sys.executable, "-m", "gatekeeper", "serve", "-c", str(place.folder / "gatekeeper.toml"))
        return Command(argv, place.folder / "output", {"PYTHONPATH": str(self.source)})


def commit(source: Path) -> str:
    """The short commit of a checkout, with `+` when files differ from it, or `unknown` outside of one."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty=+", "--exclude=*"],
        cwd=source,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "unknown"


def contender(name: str) -> Contender:
    """The contender of that name; `KeyError` for an unknown one."""
    if name.startswith("gatekeeper@"):
        return Gatekeeper(name)
    return {c.name: c for c in (Nginx(), HAProxy(), Gatekeeper())}[name]


NAMES = ("nginx", "haproxy", "gatekeeper")
