"""One file for a house: port 80, a certificate from pebble, one more for a public host, and partners with an authority
of their own; curl is the visitor.
"""

import subprocess
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from tests.app import App
from tests.certificates import make_authority, make_client, make_server
from tests.e2e.pebble import pebble
from tests.gate_process import Gate
from tests.tools import needs
from tests.visitors import Visitors

SERVER = """
redirect = "127.0.0.1:{http}"
certificates = [{{ certificate = "www.crt", key = "www.key", ask = false }}]
"""
CLIENT_AUTH = 'hosts = [{ hosts = "partners.example.org", ca = "partners-ca.crt" }]'
TABLES = """
[acme]
domains = ["home.example.org", "partners.example.org"]
directory = "{directory}"
accept_terms = true
folder = "acme"
ca = "{ca}"

[[routes]]
hosts = ["www.example.org"]
public = true

[[routes]]
hosts = ["home.example.org", "partners.example.org"]
"""


def test_every_name_has_its_certificate_and_its_visitors(folder: Path, visitors: Visitors) -> None:
    """From http:// to the app, or to the reason: each by what its host asks for."""
    needs("curl")
    own = make_authority("www's own")
    make_server("www.example.org", own).write(folder, "www")
    partners = make_authority("Partner CA")
    (folder / "partners-ca.crt").write_bytes(partners.certificate_pem)
    make_client("paula", partners).write(folder, "paula")
    for name in ("alice.crt", "alice.key"):
        (folder / name).write_bytes((visitors.folder / name).read_bytes())
    with pebble(folder) as server, App() as behind:
        parts = {
            "listen": f'"127.0.0.1:{server.tls_port}"',
            "certificate": "",
            "server": SERVER.format(http=server.http_port),
            "client_auth": CLIENT_AUTH,
            "tables": TABLES.format(directory=server.directory, ca=server.ca),
        }
        with Gate(folder, behind.url, environ={}, **parts) as gate:
            gate.wait_for(lambda line: "acme: a new certificate for home.example.org, partners.example.org" in line)
            gate.wait_for(lambda line: "INFO: reloaded" in line)
            trusted = server.root().public_bytes(Encoding.PEM) + own.certificate_pem
            (folder / "trusted.pem").write_bytes(trusted)
            ports = (server.http_port, server.tls_port)
            found = {
                (host, who): visit(folder, host, who, ports)
                for host in ("www.example.org", "home.example.org", "partners.example.org")
                for who in ("nobody", "alice", "paula")
            }
    assert found == {
        ("www.example.org", "nobody"): "200",
        ("www.example.org", "alice"): "200",
        ("www.example.org", "paula"): "200",
        ("home.example.org", "nobody"): "403 no_certificate",
        ("home.example.org", "alice"): "200",
        ("home.example.org", "paula"): "403 untrusted_issuer",
        ("partners.example.org", "nobody"): "403 no_certificate",
        ("partners.example.org", "alice"): "403 untrusted_issuer",
        ("partners.example.org", "paula"): "200",
    }
    named = {one.header("Host"): [one.header("X-SSL-Client-S-DN")] for one in behind.asked}
    assert named[f"home.example.org:{server.tls_port}"] == ["CN=alice"]


def visit(folder: Path, host: str, who: str, ports: tuple[int, int]) -> str:
    """Go to http://host as a browser would, and follow; the status, and the reason if there is one."""
    resolve = [word for port in ports for word in ("--resolve", f"{host}:{port}:127.0.0.1")]
    shown = [] if who == "nobody" else ["--cert", f"{who}.crt", "--key", f"{who}.key"]
    told = ["-o", "/dev/null", "-w", "%{http_code} %header{gatekeeper-reason}"]
    command = ["curl", "-sSL", "--cacert", "trusted.pem", *resolve, *shown, *told, f"http://{host}:{ports[0]}/"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (host, who, done.stderr)
    return done.stdout.strip()
