"""`server.redirect`: a port for plain HTTP, from which a client that follows finds the app over https."""

import re
import signal
import subprocess
from pathlib import Path

from tests.app import App
from tests.gate_process import Gate, configure, until
from tests.ports import accepts, free_port
from tests.tools import needs
from tests.visitors import Visitors

REDIRECTING = re.compile(r"gatekeeper: (?:INFO: )?redirecting from http://127\.0\.0\.1:(\d+)")


def test_a_client_that_follows_finds_the_app(folder: Path, visitors: Visitors) -> None:
    """curl, from the plain port to the app, with its certificate; a POST stays one (308)."""
    needs("curl")
    with App() as behind, Gate(folder, behind.url, server='redirect = "127.0.0.1:0"') as gate:
        port = gate.wait_for(REDIRECTING.fullmatch)[1]
        for method in ("GET", "POST"):
            told = ("-o", "/dev/null", "-w", "%{http_code} %{num_redirects} %{url_effective}")
            alice = ("--cacert", "ca.crt", "--cert", "alice.crt", "--key", "alice.key")
            answer = subprocess.run(
                ["curl", "-sSL", "-X", method, *alice, *told, f"http://localhost:{port}/a?b=c"],
                cwd=visitors.folder,
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            assert answer == f"200 1 https://localhost:{gate.port}/a?b=c"
        assert [line["status"] for line in gate.logged(4)] == [301, 200, 308, 200]


def test_it_comes_and_goes_with_a_reload(folder: Path) -> None:
    """As every listener."""
    port = free_port()
    with App() as behind, Gate(folder, behind.url) as gate:
        configure(folder, behind.url, server=f'redirect = "127.0.0.1:{port}"')
        gate.signal(signal.SIGHUP)
        gate.wait_for(REDIRECTING.fullmatch)
        assert accepts(("127.0.0.1", port))
        configure(folder, behind.url)
        gate.signal(signal.SIGHUP)
        until(lambda: not accepts(("127.0.0.1", port)))
