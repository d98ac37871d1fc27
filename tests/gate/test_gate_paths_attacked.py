"""The table of attacks on rules for paths and hosts (path_attacks.toml)."""

import re
import tomllib
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pytest

from gatekeeper.gate.decision import Authorizer, Decision, Denied, Forward
from gatekeeper.gate.routes import LocalRoute, NoRoute, Routes
from gatekeeper.gate.verdict import Admit, Identity, Reason, Refuse
from gatekeeper.settings.access import RouteSettings
from tests.people import ALICE

TABLE = tomllib.loads(Path(__file__).with_name("path_attacks.toml").read_text(encoding="utf-8"))
OPS = [{"ou": "ops"}]
ROUTES = Routes(
    [
        RouteSettings.model_validate(table)
        for table in (
            {"path": "/admin/*", "allow": OPS},
            {"path": "/secret", "allow": OPS},
            {"path": "/pub/*", "public": True},
            {"path": "/hook", "public": True},
            {"path": "/*", "hosts": ["admin.example.com"], "allow": OPS},
            {"path": "/*"},
        )
    ]
)
VERIFIED = Authorizer(Admit(Identity(ALICE), until=float("inf")), ROUTES)
NOBODY = Authorizer(Refuse(Reason.NO_CERTIFICATE, "No client certificate was sent."), ROUTES)


def outcome(decision: Decision) -> str:
    if isinstance(decision, Denied):
        return "refused"
    if isinstance(decision, Forward):
        return "forward"
    if isinstance(decision, LocalRoute):
        return "own"
    assert isinstance(decision, NoRoute)
    return {400: "ambiguous", 404: "unknown"}[decision.status]


def rows(*kinds: str, of: str) -> list[object]:
    return [
        pytest.param(one.encode(), row["alice"], row.get("nobody", "refused"), id=f"{one} ({row['why']})")
        for kind in kinds
        for row in TABLE[kind]
        for one in row[of]
    ]


@pytest.mark.parametrize(("target", "alice", "nobody"), rows("plain", "attack", of="targets"))
def test_targets(target: bytes, alice: str, nobody: str) -> None:
    """Every row: what a verified visitor gets who is not in ops, and what somebody without a certificate gets."""
    assert outcome(VERIFIED.decide(b"GET", b"app.example.com", target)) == alice
    assert outcome(NOBODY.decide(b"GET", b"app.example.com", target)) == nobody


@pytest.mark.parametrize(("host", "alice", "nobody"), rows("host", of="hosts"))
def test_hosts(host: bytes, alice: str, nobody: str) -> None:
    """The same for Host headers. That an absolute target agrees with it is seen to before."""
    assert outcome(VERIFIED.decide(b"GET", host, b"/x")) == alice
    assert outcome(NOBODY.decide(b"GET", host, b"/x")) == nobody


INVITING = Routes([], local=True)
EVERYBODY_ELSE = Routes([RouteSettings.model_validate({"path": "/*", "public": True})], local=True)


@pytest.mark.parametrize(("target", "alice", "nobody"), rows("local", of="targets"))
def test_the_gates_own_place(target: bytes, alice: str, nobody: str) -> None:
    """Where there are invitations, for who is let in and for who is not."""
    admitted = Authorizer(Admit(Identity(ALICE), until=float("inf")), INVITING)
    assert outcome(admitted.decide(b"GET", b"app.example.com", target)) == alice
    stranger = Authorizer(Refuse(Reason.NO_CERTIFICATE, "No client certificate was sent."), INVITING)
    assert outcome(stranger.decide(b"GET", b"app.example.com", target)) == nobody


@pytest.mark.parametrize(("target", "alice", "nobody"), rows("local", of="targets"))
def test_no_route_leads_into_the_gates_own_place(target: bytes, alice: str, nobody: str) -> None:
    """Not even one that is public and takes everything."""
    stranger = Authorizer(Refuse(Reason.NO_CERTIFICATE, "No client certificate was sent."), EVERYBODY_ELSE)
    assert (outcome(stranger.decide(b"GET", b"app.example.com", target)) == "forward") == (alice == "forward")


@pytest.mark.parametrize(("target", "alice", "nobody"), rows("local", of="targets"))
def test_no_reading_of_what_is_forwarded_is_the_gates_own_place(target: bytes, alice: str, nobody: str) -> None:
    """Asked of the same independent model."""
    if alice == "forward":
        own = re.compile(r"/\.gatekeeper(/.*)?", re.DOTALL)
        assert not [one for one in readings(target.partition(b"?")[0]) if own.fullmatch(one)]


def readings(path: bytes, depth: int = 3) -> set[str]:
    """All that servers may make of a path, by every sequence of what they are known to do."""
    found, fresh = {path}, {path}
    for _ in range(depth):
        fresh = {after for one in fresh for after in _steps(one)} - found
        found |= fresh
    return {one.decode("utf-8", "replace") for one in found}


def _steps(path: bytes) -> Iterator[bytes]:
    yield unquote_to_bytes(path)
    yield path.replace(b"\\", b"/")
    yield re.sub(rb";[^/]*", b"", path)
    yield re.sub(rb"//+", b"/", path)
    yield re.sub(rb"[.\s]+(?=/|$)", b"", path)
    yield path.partition(b"\0")[0]
    yield path.partition(b"#")[0]
    yield path.lower()
    yield unicodedata.normalize("NFKC", path.decode("utf-8", "replace")).encode()
    yield _resolved(path)


def _resolved(path: bytes) -> bytes:
    kept: list[bytes] = []
    for segment in path.split(b"/")[1:]:
        if segment == b"..":
            del kept[-1:]
        elif segment != b".":
            kept.append(segment)
    return b"/" + b"/".join(kept)


GUARDED = re.compile(r"/(admin(/.*)?|secret/?)", re.DOTALL)
OPEN = re.compile(r"/(pub/.*|hook)", re.DOTALL)


@pytest.mark.parametrize(("target", "alice", "nobody"), rows("plain", "attack", of="targets"))
def test_no_reading_of_what_is_forwarded_is_guarded(target: bytes, alice: str, nobody: str) -> None:
    """Asked the other way round, of an independent model: what goes through is harmless however it is read."""
    path = target.partition(b"?")[0]
    if alice == "forward":
        assert not [one for one in readings(path) if GUARDED.fullmatch(one)]
    if nobody == "forward":
        assert all(OPEN.fullmatch(one) for one in readings(path))
