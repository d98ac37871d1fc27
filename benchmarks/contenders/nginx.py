"""nginx."""

from benchmarks import nginx
from benchmarks.contenders.contender import Contender, Place, first_line, open_files
from benchmarks.processes import Command

CONNECTIONS = 20000
"""Kept to each upstream: more than any scenario brings."""

HTTP = """\
  log_format access escape=json '{{"time":"$time_iso8601","client":"$remote_addr","method":"$request_method",'
    '"target":"$request_uri","status":$status,"bytes":$body_bytes_sent,"duration":$request_time,'
    '"upstream_time":"$upstream_response_time","subject":"$ssl_client_s_dn","serial":"$ssl_client_serial"}}';
  access_log {folder}/access.log access;
{upstreams}
  server {{
    listen 127.0.0.1:{port} ssl{http2} backlog=20000;
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
{headers}
{locations}
    location /app/ {{ proxy_pass http://app; }}
    location / {{ proxy_pass http://files; }}
  }}
"""

VISITOR = {
    "X-Forwarded-For": "$remote_addr",
    "X-Forwarded-Proto": "$scheme",
    "X-Real-IP": "$remote_addr",
    "X-SSL-Client-Verify": "$ssl_client_verify",
    "X-SSL-Client-S-DN": "$ssl_client_s_dn",
    "X-SSL-Client-I-DN": "$ssl_client_i_dn",
    "X-SSL-Client-Serial": "$ssl_client_serial",
}
MORE_IDENTITY = {
    "X-Forwarded-Host": "$host",
    "X-Request-Id": "$request_id",
    "X-SSL-Client-Fingerprint": "$ssl_client_fingerprint",
    "X-SSL-Client-V-Start": "$ssl_client_v_start",
    "X-SSL-Client-V-End": "$ssl_client_v_end",
    "X-SSL-Client-Escaped-Cert": "$ssl_client_escaped_cert",
}
TICKETS = {
    None: "",
    True: "ssl_session_tickets on;",
    False: "ssl_session_tickets off; ssl_conf_command NumTickets 0;",
}


class Nginx(Contender):
    """nginx as Debian builds it."""

    name = "nginx"

    def version(self) -> str | None:  # noqa: D102
        return first_line("nginx", "-v")

    def configure(self, place: Place) -> Command:  # noqa: D102
        c, setup, behind = place.certificates, place.setup, place.upstream
        ports = {"files": behind.files_port, "app": behind.app_port}
        if setup.http2:
            ports["grpc"] = behind.grpc_port
        locations = [f"    location /route{n}/ {{ proxy_pass http://files; }}" for n in range(setup.routes)]
        if setup.http2:
            # grpc_pass has names of its own for the same headers.
            grpc = set_headers("grpc_set_header", VISITOR)
            locations.append(f"    location /test.Echo/ {{\n      grpc_pass grpc://grpc;\n{grpc}\n    }}")
        body = HTTP.format(
            folder=place.folder,
            port=place.port,
            server=c.server,
            server_key=c.server_key,
            ca=c.ca,
            tickets=TICKETS[setup.tickets],
            http2=" http2" if setup.http2 else "",
            headers=set_headers("proxy_set_header", VISITOR | (MORE_IDENTITY if setup.all_identity else {})),
            upstreams="".join(nginx.kept_upstream(name, port, CONNECTIONS) for name, port in ports.items()),
            locations="\n".join(locations),
            crl=f"ssl_crl {place.crl};" if place.crl else "",
        )
        text = nginx.configuration(body, workers=setup.workers, connections=open_files())
        (place.folder / "nginx.conf").write_text(text)
        return Command(nginx.command_line(place.folder), place.folder / "output", {})


def set_headers(directive: str, headers: dict[str, str]) -> str:
    """A line for each header."""
    return "\n".join(f"    {directive} {name} {value};" for name, value in headers.items())
