"""Revocation lists by HTTP: fetched once by several workers, in force in all of them, and there at the next start."""

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app import App
from tests.certificates import make_authority, make_client, make_server
from tests.e2e.originals import Cast, status
from tests.gate.lists import der, make_crl
from tests.gate_process import Gate, until

HOME = make_authority("Home CA")
ALICE, BOB = make_client("alice", HOME), make_client("bob", HOME)
WORKERS = "workers = 2"


class Lists(http.server.ThreadingHTTPServer):
    """An authority's web server; None is a server that is out of order."""

    content: bytes | None = None
    asked = 0


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Lists

    def do_GET(self) -> None:
        self.server.asked += 1
        content = self.server.content
        self.send_response(503 if content is None else 200)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def lists() -> Iterator[Lists]:
    with Lists(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def reason(cast: Cast, gate: Gate, visitor: str) -> str | None:
    """Why the visitor is refused."""
    return gate.request(cast.context(visitor))[1].get("gatekeeper-reason")


def test_a_list_is_fetched_once_and_in_force_in_every_worker(tmp_path: Path, lists: Lists) -> None:
    """Who is on it is refused as revoked, the others are let in; without it nobody is. It survives its server."""
    (tmp_path / "ca.crt").write_bytes(HOME.certificate_pem)
    (tmp_path / "crl").mkdir()
    make_server("localhost", HOME).write(tmp_path, "server")
    ALICE.write(tmp_path, "visitor alice")
    BOB.write(tmp_path, "visitor bob")
    cast = Cast.__new__(Cast)
    cast.folder = tmp_path
    url = f"http://127.0.0.1:{lists.server_address[1]}/ca.crl"
    auth = f'crl = ["{url}"]\ncrl_folder = "crl"'
    with App() as app:
        with Gate(tmp_path, app.url, server=WORKERS, client_auth=auth) as gate:
            assert status(cast, gate.port, "alice") == 403
            gate.wait_for(lambda line: "cannot be fetched" in line or None)
            until(lambda: 'gatekeeper_crl_fetches_total{result="failed"} 1' in gate.admin_text("/metrics"))
            (fetch,) = gate.admin("/status")[1]["crl_fetches"]
            assert (fetch["url"], fetch["ok"], fetch["failures"]) == (url, False, 1)
            assert any("cannot be fetched" in warning for warning in gate.admin("/status")[1]["warnings"])
        lists.content = der(make_crl(BOB, issuer=HOME))
        for state in (tmp_path / "crl/state").glob("*.json"):
            state.unlink()  # as if an hour had gone by
        before = lists.asked
        with Gate(tmp_path, app.url, server=WORKERS, client_auth=auth) as gate:
            until(lambda: all(status(cast, gate.port, "alice") == 200 for _ in range(8)))
            until(lambda: {reason(cast, gate, "bob") for _ in range(8)} == {"revoked"})
            assert lists.asked == before + 1
        lists.content = None
        with Gate(tmp_path, app.url, server=WORKERS, client_auth=auth) as gate:
            assert status(cast, gate.port, "alice") == 200
            assert status(cast, gate.port, "bob") == 403
            assert lists.asked == before + 1
