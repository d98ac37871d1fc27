"""What stands behind every contender: nginx for the bodies, a small Python app for uploads, WebSockets and headers."""

import contextlib
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks import nginx
from benchmarks.browser import RESOURCES, write_page
from benchmarks.processes import Command, accepts, free_port, running, wait_until

REPOSITORY = Path(__file__).resolve().parent.parent
BODIES = {"100b": 100, "10k": 10 << 10, "1m": 1 << 20, "100m": 100 << 20}

HTTP = """\
  access_log off;
  types {{ text/html html; text/css css; text/javascript js; image/svg+xml svg; }}
  sendfile on; tcp_nopush on;
  keepalive_timeout 1h;
  open_file_cache max=100 inactive=1h;
{app}
  server {{
    listen 127.0.0.1:{port} backlog=20000;
    root {root};
    location /app/ {{
      proxy_pass http://app; proxy_http_version 1.1; proxy_request_buffering off; proxy_set_header Host $http_host;
      proxy_set_header Connection $connection_upgrade; proxy_set_header Upgrade $http_upgrade;
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


@contextlib.contextmanager
def upstream(folder: Path) -> Iterator[Upstream]:
    """Start both for the length of the `with` block."""
    root = folder / "files"
    root.mkdir(parents=True)
    for name, size in BODIES.items():
        (root / name).write_bytes(b"x" * size)
    write_page(root, RESOURCES)
    port, app_port = free_port(), free_port()
    body = HTTP.format(port=port, app=nginx.kept_upstream("app", app_port, 1000), root=root)
    (folder / "nginx.conf").write_text(nginx.configuration(body, workers=1, connections=20000))
    files = Command(nginx.command_line(folder), folder / "nginx.out", {})
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
