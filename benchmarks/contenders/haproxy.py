"""HAProxy."""

from benchmarks.contenders.contender import Contender, Place, Setup, first_line, most_connections
from benchmarks.processes import Command

HAPROXY = """\
global
  nbthread {workers}
  maxconn {connections}
  no strict-limits
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
  timeout http-keep-alive 75s
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
        return first_line("haproxy", "-v")

    def falls_short(self, setup: Setup) -> str | None:  # noqa: D102
        return "is set up for HTTP/1.1 here" if setup.http2 else None

    def configure(self, place: Place) -> Command:  # noqa: D102
        c, setup = place.certificates, place.setup
        text = HAPROXY.format(
            workers=setup.workers,
            port=place.port,
            connections=most_connections(),
            files_port=place.upstream.files_port,
            app_port=place.upstream.app_port,
            server_bundle=c.server_bundle,
            ca=c.ca,
            identity=HAPROXY_MORE_IDENTITY if setup.all_identity else "",
            tickets="no-tls-tickets" if setup.tickets is False else "",
            crl=f"crl-file {place.crl}" if place.crl else "",
            routes="\n".join(f"  use_backend files if {{ path_beg /route{n}/ }}" for n in range(setup.routes)),
        )
        (place.folder / "haproxy.cfg").write_text(text)
        argv = ("haproxy", "-db", "-f", str(place.folder / "haproxy.cfg"))
        return Command(argv, place.folder / "access.log", {})
