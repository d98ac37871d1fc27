"""What every nginx here has in common: the one under measurement and the one behind all contenders."""

import os
from pathlib import Path

HEAD = """\
daemon off; {user}
worker_processes {workers};
pid nginx.pid;
error_log error.log;
events {{ worker_connections {connections}; }}
http {{
  client_body_temp_path temp; proxy_temp_path temp; fastcgi_temp_path temp; uwsgi_temp_path temp; scgi_temp_path temp;
  client_max_body_size 0;
  keepalive_requests 100000000;
  map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
{body}
}}
"""


def configuration(body: str, *, workers: int, connections: int) -> str:
    """A whole nginx.conf; ``body`` stands in its ``http`` block."""
    # As root, nginx would become another user, who could not read the folder of the run.
    user = "user root;" if os.geteuid() == 0 else ""
    return HEAD.format(user=user, workers=workers, connections=connections, body=body)


def kept_upstream(name: str, port: int, connections: int) -> str:
    """An upstream on loopback with so many kept connections."""
    return f"  upstream {name} {{ server 127.0.0.1:{port}; keepalive {connections}; keepalive_requests 100000000; }}\n"


def command_line(folder: Path) -> tuple[str, ...]:
    """Runs ``nginx.conf`` of that folder in the foreground."""
    return ("nginx", "-p", str(folder), "-c", "nginx.conf", "-e", "error.log")
