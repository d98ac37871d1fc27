"""Where there are invitations, nothing below /.gatekeeper/ reaches the app, however it is spelt; elsewhere all does."""

import ssl
import time
import tomllib
from pathlib import Path

import pytest

from tests.app import App
from tests.gate_process import ROOT, Gate
from tests.invitations.invited import invite
from tests.visitors import Visitors

ATTACKS = tomllib.loads((ROOT / "tests/gate/path_attacks.toml").read_text(encoding="utf-8"))["local"]
THERE = [target for row in ATTACKS if row["alice"] != "forward" for target in row["targets"]]
PUBLIC = '[[routes]]\npath = "/*"\npublic = true\n'
REQUESTS = (
    "GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    "POST {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc",
    "GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n",
    "OPTIONS {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nOrigin: https://app.example.com\r\n"
    "Access-Control-Request-Method: GET\r\n\r\n",
    "GET https://localhost{target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
)


def say(gate: Gate, holder: ssl.SSLContext, request: str) -> bytes:
    """The beginning of the answer."""
    with gate.connect(holder) as connection:
        connection.sendall(request.encode())
        return connection.recv(65536)


@pytest.mark.parametrize(("routes", "requests"), [("", REQUESTS[:1]), (PUBLIC, REQUESTS)], ids=["no-routes", "public"])
def test_nothing_below_it_reaches_the_app(
    visitors: Visitors, folder: Path, app: App, routes: str, requests: tuple[str, ...]
) -> None:
    """Not of who is let in, not by a public route, a WebSocket or a preflight, and not by a header that renames it."""
    invite(folder / "invitations", time.time())
    tables = f'[invitations]\nfolder = "{folder / "invitations"}"\n{routes}'
    alice = visitors.context("alice")
    with Gate(folder, app.url, tables=tables) as gate:
        for target in THERE:
            for request in requests:
                assert say(gate, alice, request.format(target=target)), (target, request)
        assert app.asked == []
        for name in ("X-Original-URL", "X-Rewrite-URL"):
            assert gate.request(alice, headers={name: "/.gatekeeper/invite/x"})[0] == 200
        assert [one.header("X-Original-URL") or one.header("X-Rewrite-URL") for one in app.asked] == [None, None]


def test_without_invitations_it_is_the_apps(visitors: Visitors, folder: Path, app: App) -> None:
    """As it came, and for who is let in only."""
    with Gate(folder, app.url) as gate:
        for target in ("/.gatekeeper/", "/.gatekeeper/invite/x", "//.gatekeeper/me", "/%2egatekeeper/me"):
            assert gate.request(visitors.context("alice"), target=target)[0] == 200
            assert app.asked[-1].target == target
            assert gate.request(visitors.context("nobody"), target=target)[0] == 403
        assert len(app.asked) == 4
