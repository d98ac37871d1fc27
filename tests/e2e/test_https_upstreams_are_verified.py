"""An https upstream, played by nginx: the gate shows its certificate, and believes only the right one."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gate_process import PATIENCE, Gate, until
from tests.ports import accepts, free_port
from tests.tools import needs
from tests.visitors import Visitors

NGINX = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr;
events {{ }}
http {{
  access_log off; client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{
    listen 127.0.0.1:{port} ssl; ssl_certificate {folder}/server.crt; ssl_certificate_key {folder}/server.key;
    ssl_client_certificate {folder}/ca.crt; ssl_verify_client on;
    location / {{ return 200 "hello $ssl_client_s_dn"; }}
  }}
}}
"""


@pytest.fixture
def nginx(folder: Path) -> Iterator[int]:
    """Its port."""
    needs("nginx")
    port = free_port()
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=port))
    process = subprocess.Popen(["nginx", "-p", folder, "-c", folder / "nginx.conf"], stderr=subprocess.DEVNULL)
    try:
        until(lambda: accepts(("127.0.0.1", port)))
        yield port
    finally:
        process.terminate()
        process.wait(PATIENCE)


def test_both_sides_know_each_other(folder: Path, visitors: Visitors, nginx: int) -> None:
    """ca, certificate and key; checked by health_path too, which would shut the place otherwise."""
    mine = f'certificate = "{visitors.certificate("alice")}"\nkey = "{visitors.key("alice")}"'
    checks = 'health_path = "/"\nhealth_interval = "5s"'
    app = f'ca = "ca.crt"\n{mine}\n{checks}'
    with Gate(folder, f"https://localhost:{nginx}", app=app) as gate:
        for _ in range(3):
            status, _, body = gate.request(visitors.context("alice"))
            assert (status, body) == (200, b"hello CN=alice")
        assert gate.admin("/readyz?verbose")[1]["checks"]["upstream"]["ok"]


@pytest.mark.parametrize(
    ("app", "words"),
    [
        ('ca = "ca.crt"\nserver_name = "other.internal"', "Hostname mismatch"),
        ("", "certificate verify failed"),
    ],
)
def test_a_wrong_certificate_is_answered_for_with_502(
    folder: Path, visitors: Visitors, nginx: int, app: str, words: str
) -> None:
    """By its name, or by its authority. The visitor is not told which; the log is."""
    with Gate(folder, f"https://localhost:{nginx}", app=app) as gate:
        status, _, body = gate.request(visitors.context("alice"))
        assert status == 502
        assert b"certificate" not in body
        (record,) = gate.logged(1)
        assert words in record["detail"]
        gate.wait_for(lambda line: "ejected for 1 s" in line and words in line)
