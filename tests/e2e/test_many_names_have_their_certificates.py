"""Host names with a certificate each, one of which asks nobody, behind one port; a reload brings a new one."""

import ssl
from pathlib import Path

from tests.app import App
from tests.certificates import make_server
from tests.gate_process import Gate, until
from tests.visitors import Visitors

SERVER = """
certificates = [
  { certificate = "b.crt", key = "b.key" },
  { certificate = "public.crt", key = "public.key", ask = false },
]
"""
ROUTES = """
[[routes]]
hosts = ["public.example.org"]
public = true

[[routes]]
"""


def shown(gate: Gate, name: str) -> str:
    """The certificate of a host, PEM."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with gate.connect(context, name=name) as connection:
        der = connection.getpeercert(True)
    assert der is not None
    return ssl.DER_cert_to_PEM_cert(der)


def test_each_name_has_its_certificate_also_after_a_reload(folder: Path, visitors: Visitors) -> None:
    """The file of a further certificate is watched as that of the first; its visitors are let in as elsewhere."""
    first, second, public = (make_server(name) for name in ("b.example.org", "b.example.org", "public.example.org"))
    first.write(folder, "b")
    public.write(folder, "public")
    with App() as behind, Gate(folder, behind.url, server=SERVER, tables=ROUTES) as gate:
        assert shown(gate, "b.example.org").encode() == first.certificate_pem
        assert shown(gate, "public.example.org").encode() == public.certificate_pem
        assert (folder / "server.crt").read_text().startswith(shown(gate, "elsewhere.example.org"))
        assert gate.request(visitors.context("alice"))[0] == 200
        second.write(folder, "b")
        until(lambda: shown(gate, "b.example.org").encode() == second.certificate_pem)
        kinds = [one["kind"] for one in gate.admin("/status")[1]["certificates"]]
        assert kinds.count("server") == 3
