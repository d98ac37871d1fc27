"""What ``gatekeeper explain`` says is what the gate does: both are asked about the same visitors and requests."""

import random
from collections.abc import Callable
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from gatekeeper.cli.explain import explain
from gatekeeper.gate.verdict import Peer
from tests.certificates import CLIENT, DAY, NOW, Holder, make, make_authority, make_client
from tests.proxy.scene import OK, Files, Scene

PRESETS = ["nginx", "rfc9440", "remote-user", "xfcc", "traefik"]
PATHS = ["/a/*", "/a", "/b/*", "/b/c/*", "/", "/*"]
TARGETS = ["/", "/a", "/a/", "/a/x?y=/b", "/b/c/d", "/b/c%2fd", "/B/c", "/b/../a", "/c", "//a", "/%C3%A0"]
RULES = [{"cn": "alice"}, {"ou": "ops"}, {"cn": "alice", "issuer": "Home CA"}, {"issuer": "Between CA"}, {"o": "x"}]
LINES = [
    "Origin: https://app.example.com",
    "Access-Control-Request-Method: PUT",
    "X-SSL-Client-Verify: SUCCESS",
    "X-Forwarded-For: 198.51.100.1",
    "X-Forwarded-Host: else.example.com",
    "X-Original-URL: /a/x",
    "Connection: X-Odd, close",
    "Expect: 200-maybe",
]


@pytest.fixture(scope="session")
def people(files: Files) -> dict[str, Holder | None]:
    """Good ones and bad ones."""
    between = make_authority("Between CA", files.authority)
    olga = x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "ops"), x509.NameAttribute(NameOID.COMMON_NAME, "olga")]
    )
    return {
        "nobody": None,
        "alice": files.alice,
        "olga": make(olga, files.authority, extensions=[(x509.ExtendedKeyUsage([CLIENT]), False)]),
        "below": make_client("alice", between, chain=(between.certificate,)),
        "old": make_client("alice", files.authority, ends=NOW - DAY / 2),
        "eve": make_client("alice", make_authority("Home CA")),
        "blank": make_client(" ", files.authority),
    }


def some_routes(dice: random.Random) -> list[dict[str, Any]]:
    tables = []
    for path in dice.sample(PATHS, dice.randint(0, 4)):
        table: dict[str, Any] = {"path": path}
        if dice.random() < 0.3:
            table["public"] = True
        else:
            table |= {word: dice.sample(RULES, 2) for word in ("allow", "deny") if dice.random() < 0.4}
        if dice.random() < 0.3:
            table["methods"] = dice.sample(["GET", "POST", "PUT"], 2)
        if dice.random() < 0.3:
            table["hosts"] = "app.example.com"
        if dice.random() < 0.3:
            table["cors_preflight"] = ["https://app.example.com"]
        tables.append(table)
    return tables


def answer(said: bytes) -> tuple[int, str]:
    """Status and reason of an answer of the gate's own."""
    head = said.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    reason = next((line.partition(": ")[2] for line in head if line.startswith("Gatekeeper-Reason: ")), "")
    return int(head[0].split(" ")[1]), reason


@pytest.mark.parametrize("seed", range(25))
def test_both_say_the_same(make_scene: Callable[..., Scene], people: dict[str, Holder | None], seed: int) -> None:
    """Status and reason of whoever is refused, every header of whoever is let through, for any routes."""
    dice = random.Random(seed)
    scene = make_scene(
        routes=some_routes(dice),
        server={"trusted_proxies": ["192.0.2.7"] if dice.random() < 0.3 else []},
        identity={"headers": PRESETS, "custom": {"X-Device": "{cn}"}, "expiry_warning": "40d"},
    )
    for name, holder in people.items():
        method, target = dice.choice(["GET", "POST", "OPTIONS", "HEAD", "get"]), dice.choice(TARGETS)
        lines = dice.sample(LINES, dice.randint(0, 3))
        peer = (
            scene.snapshot.tls.verify(holder.der, [one.public_bytes(Encoding.DER) for one in holder.chain])
            if holder
            else Peer()
        )
        told = explain(
            scene.snapshot, peer, method, f"https://app.example.com{target}", lines, "192.0.2.7", scene.wall()
        )
        visitor = scene.visitor(holder)
        asked = len(scene.app.connections)
        head = "\r\n".join((f"{method} {target} HTTP/1.1", "Host: app.example.com", *lines, "", ""))
        visitor.send(head.encode("ascii"))
        if told.verdict == "refused":
            assert answer(visitor.read()) == (told.status, told.reason), (name, method, target)
            assert len(scene.app.connections) == asked
            continue
        got = scene.app.last.read().decode("latin-1").split("\r\n")
        assert got[0] == f"{method} {target} HTTP/1.1"
        assert [line for line in got[1:-2] if not line.startswith("X-Request-Id: ")] == [
            f"{name}: {value}" for name, value in told.headers
        ]
        answered = scene.serve(visitor, OK if method != "HEAD" else OK[:-2]).decode("latin-1")
        assert all(f"\r\n{name}: {value}\r\n" in answered for name, value in told.response_headers)
        assert ("\r\nGatekeeper-Certificate-Expires: " in answered) is bool(told.response_headers)
