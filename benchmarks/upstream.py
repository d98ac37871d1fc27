"""What stands behind every contender: nginx for the bodies, a small Python app for uploads, WebSockets and headers."""

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.browser import RESOURCES, write_page
from benchmarks.processes import Command, accepts, free_port, running, wait_until

REPOSITORY = Path(__file__).resolve().parent.parent
BODIES = {"100b": 100, "10k": 10 << 10, "1m": 1 << 20, "100m": 100 << 20}

NGINX = """\
daemon off; {user}
worker_processes 1;
pid nginx.pid;
error_log error.log;
events {{ worker_connections 20000; }}
http {{
  access_log off;
  types {{ text/html html; text/css css; text/javascript js; image/svg+xml svg; }}
  sendfile on; tcp_nopush on;
  keepalive_timeout 1h; keepalive_requests 100000000;
  client_body_temp_path temp; proxy_temp_path temp; fastcgi_temp_path temp; uwsgi_temp_path temp; scgi_temp_path temp;
  open_file_cache max=100 inactive=1h;
  client_max_body_size 0;
  map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
  upstream app {{ server 127.0.0.1:{app_port}; keepalive 1000; }}
  server {{
    listen 127.0.0.1:{port} backlog=20000;
    root {root};
    location /app/ {{
      proxy_pass http://app; proxy_http_version 1.1; proxy_request_buffering off; proxy_set_header Host $http_host;
      proxy_set_header Connection $connection_upgrade; proxy_set_header Upgrade $http_upgrade;
    }}
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class Upstream:
    """Ports on loopback. The first passes `/app/` on to the second, for a contender that cannot tell them apart."""

    files_port: int
    app_port: int
    grpc_port: int
    """Of a server that speaks HTTP/2 without TLS; 0 where none is installed."""
    folder: Path
    """Of the bodies, named as in `BODIES`."""


def user_line() -> str:
    """Keeps nginx from changing to another user, who could not read the folder of the run, when started as root."""
    return "user root;" if os.geteuid() == 0 else ""


@contextlib.contextmanager
def upstream(folder: Path) -> Iterator[Upstream]:
    """Start both for the length of the `with` block."""
    root = folder / "files"
    root.mkdir(parents=True)
    for name, size in BODIES.items():
        (root / name).write_bytes(b"x" * size)
    write_page(root, RESOURCES)
    port, app_port = free_port(), free_port()
    (folder / "nginx.conf").write_text(NGINX.format(port=port, app_port=app_port, root=root, user=user_line()))
    files = Command(("nginx", "-p", str(folder), "-c", "nginx.conf", "-e", "error.log"), folder / "nginx.out", {})
    app = Command(
        (sys.executable, "-m", "benchmarks.app", str(app_port)), folder / "app.out", {"PYTHONPATH": str(REPOSITORY)}
    )
    with running(files) as files_pid, running(app) as app_pid, contextlib.ExitStack() as stack:
        wait_until(lambda: accepts(port), files_pid, files.output)
        wait_until(lambda: accepts(app_port), app_pid, app.output)
        grpc_port = stack.enter_context(grpc_upstream(folder)) if shutil.which("nghttpd") else 0
        yield Upstream(port, app_port, grpc_port, root)


@contextlib.contextmanager
def grpc_upstream(folder: Path) -> Iterator[int]:
    """The port of nghttpd, which answers a call as a gRPC app would, as far as a proxy can tell, and faster."""
    root, port = folder / "grpc", free_port()
    (root / "test.Echo").mkdir(parents=True)
    (root / "test.Echo" / "Once").write_bytes(b"\0\0\0\0\x64" + b"x" * 100)
    argv = ("nghttpd", "--no-tls", "--address=127.0.0.1", f"--htdocs={root}", "--trailer=grpc-status: 0", str(port))
    command = Command(argv, folder / "grpc.out", {})
    with running(command) as pid:
        wait_until(lambda: accepts(port), pid, command.output)
        yield port
