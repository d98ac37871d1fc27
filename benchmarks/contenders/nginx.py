"""nginx."""

from benchmarks.contenders.contender import Contender, Place, first_line, open_files
from benchmarks.processes import Command
from benchmarks.upstream import user_line

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
  {grpc_upstream}
  map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
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
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Real-IP $remote_addr;
    proxy_set_header X-SSL-Client-Verify $ssl_client_verify;
    proxy_set_header X-SSL-Client-S-DN $ssl_client_s_dn;
    proxy_set_header X-SSL-Client-I-DN $ssl_client_i_dn;
    proxy_set_header X-SSL-Client-Serial $ssl_client_serial;
    {identity}
    {grpc}
    {routes}
    location /app/ {{ proxy_pass http://app; }}
    location / {{ proxy_pass http://files; }}
  }}
}}
"""

# The headers of the visitor as for everything else, by the names that grpc_pass knows them under.
NGINX_GRPC = """\
    location /test.Echo/ {{
      grpc_pass grpc://grpc;
      grpc_set_header X-Forwarded-For $remote_addr;
      grpc_set_header X-Forwarded-Proto $scheme;
      grpc_set_header X-Real-IP $remote_addr;
      grpc_set_header X-SSL-Client-Verify $ssl_client_verify;
      grpc_set_header X-SSL-Client-S-DN $ssl_client_s_dn;
      grpc_set_header X-SSL-Client-I-DN $ssl_client_i_dn;
      grpc_set_header X-SSL-Client-Serial $ssl_client_serial;
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
        return first_line("nginx", "-v")

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
            http2=" http2" if setup.http2 else "",
            grpc=NGINX_GRPC.format() if setup.http2 else "",
            grpc_upstream=grpc_upstream(place.upstream.grpc_port) if setup.http2 else "",
            identity=NGINX_MORE_IDENTITY if setup.all_identity else "",
            crl=f"ssl_crl {place.crl};" if place.crl else "",
            routes="\n".join(f"    location /route{n}/ {{ proxy_pass http://files; }}" for n in range(setup.routes)),
        )
        (place.folder / "nginx.conf").write_text(text)
        argv = ("nginx", "-p", str(place.folder), "-c", "nginx.conf", "-e", "error.log")
        return Command(argv, place.folder / "output", {})


def grpc_upstream(port: int) -> str:
    """The gRPC app, with kept connections as for the others."""
    return f"upstream grpc {{ server 127.0.0.1:{port}; keepalive 20000; keepalive_requests 100000000; }}"
