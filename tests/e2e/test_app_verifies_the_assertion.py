"""An app that trusts nobody but the signature: it fetches the key from the gate and checks the assertion."""

import json
from pathlib import Path

import jwt

from tests.app import App
from tests.certificates import Holder, make_client, new_key
from tests.gate_process import Gate
from tests.visitors import Visitors

PATH = "/.well-known/gatekeeper/jwks.json"
TABLES = '[identity]\nheaders = []\njwt = { key = "jwt.key", audience = "my-app" }\n'


def test_the_assertion_verifies_by_the_published_key(folder: Path, visitors: Visitors, app: App) -> None:
    """The same key for visitors without a certificate and on the admin listener; the token is for this visitor."""
    Holder(new_key(), make_client("x", None).certificate).write(folder, "jwt")
    with Gate(folder, app.url, tables=TABLES) as gate:
        status, _, body = gate.request(visitors.context("nobody"), "GET", PATH)
        assert (status, gate.admin(PATH)) == (200, (200, json.loads(body)))
        assert gate.request(visitors.context("alice"), "GET", "/")[0] == 200
        token = app.asked[-1].header("Gatekeeper-Assertion")
        assert token is not None
        keys = jwt.PyJWKSet.from_json(body.decode())
        key = keys[jwt.get_unverified_header(token)["kid"]]
        claims = jwt.decode(token, key, ["ES256"], audience="my-app", options={"require": ["exp", "iat", "cnf"]})
        assert (claims["sub"], claims["email"]) == ("alice", "alice@example.com")
        assert gate.request(visitors.context("nobody"), "GET", "/")[0] == 403
        assert gate.logged(3)[0]["target"] == PATH
