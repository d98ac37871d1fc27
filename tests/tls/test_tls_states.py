"""Every kind of client certificate over both TLS versions: the handshake completes, and the reason is right."""

import ssl
import time
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from gatekeeper.gate.verdict import Admit, Peer, Policy, Reason, Refuse, judge
from gatekeeper.tls.connection import TLSConnection
from gatekeeper.tls.context import ServerContext
from tests.certificates import CLIENT, DAY, NOW, SERVER, Holder, as_v1, make, make_authority, make_client, named
from tests.tls.scene import VERSIONS, Scene, Visitor

_DER = Encoding.DER
PAST: dict[str, Any] = {"starts": NOW - 20 * DAY, "ends": NOW - DAY}
FUTURE: dict[str, Any] = {"starts": NOW + DAY, "ends": NOW + 20 * DAY}


def _via(scene: Scene, send: bool, **dates: object) -> Holder:
    intermediate = make_authority("Test Intermediate", scene.authority, **dates)
    return make_client("alice", intermediate, chain=(intermediate.certificate,) if send else ())


State = tuple[Callable[[Scene], Holder | None], Reason | None, set[int]]
STATES: dict[str, State] = {
    "none": (lambda _: None, Reason.NO_CERTIFICATE, set()),
    "good v3": (lambda s: make_client("alice", s.authority), None, set()),
    "good v1": (lambda s: as_v1(make(named("alice"), s.authority), s.authority), None, set()),
    "good v3 without extensions": (lambda s: make(named("alice"), s.authority), None, set()),
    "via intermediate": (lambda s: _via(s, send=True), None, set()),
    "both purposes": (lambda s: make_client("alice", s.authority, [SERVER, CLIENT]), None, set()),
    "expired": (lambda s: make_client("alice", s.authority, **PAST), Reason.EXPIRED, {10}),
    "expired v1": (lambda s: as_v1(make(named("alice"), s.authority, **PAST), s.authority), Reason.EXPIRED, {10}),
    "not yet valid": (lambda s: make_client("alice", s.authority, **FUTURE), Reason.NOT_YET_VALID, {9}),
    "foreign": (lambda _: make_client("alice", make_authority("Other CA")), Reason.UNTRUSTED_ISSUER, {20}),
    "foreign of the same name": (
        lambda _: make_client("alice", make_authority("Home CA")),
        Reason.UNTRUSTED_ISSUER,
        {7},
    ),
    "foreign and expired": (
        lambda _: make_client("alice", make_authority("Other CA"), **PAST),
        Reason.UNTRUSTED_ISSUER,
        {20},
    ),
    "self-signed": (lambda _: make_client("alice", None), Reason.UNTRUSTED_ISSUER, {18}),
    "serverAuth only": (lambda s: make_client("alice", s.authority, [SERVER]), Reason.WRONG_PURPOSE, {26}),
    "serverAuth only and expired": (
        lambda s: make_client("alice", s.authority, [SERVER], **PAST),
        Reason.WRONG_PURPOSE,
        {10, 26},
    ),
    "intermediate not sent": (lambda s: _via(s, send=False), Reason.UNTRUSTED_ISSUER, {20}),
    "intermediate expired": (lambda s: _via(s, send=True, **PAST), Reason.EXPIRED, {10}),
    "RSA 1024": (
        lambda s: make_client("alice", s.authority, key=rsa.generate_private_key(65537, 1024)),
        Reason.INVALID_CERTIFICATE,
        {66},
    ),
}


def _peer(gate: ServerContext, holder: Holder | None, version: ssl.TLSVersion, step: int | None = None) -> Peer:
    server = TLSConnection(gate)
    Visitor(holder, version).shake_hands(server, step)
    assert server.established
    return server.peer


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("state", STATES)
def test_every_certificate_finishes_the_handshake_and_gets_its_reason(
    scene: Scene, gate: ServerContext, state: str, version: ssl.TLSVersion
) -> None:
    """Whatever is wrong with a certificate, the peer says what, and the verdict follows from it."""
    make_holder, reason, codes = STATES[state]
    holder = make_holder(scene)
    peer = _peer(gate, holder, version)
    verdict = judge(peer, time.time(), Policy())
    assert (None if isinstance(verdict, Admit) else verdict.reason) is reason
    found = {error.code for error in peer.errors}
    assert codes <= found
    assert bool(codes) == bool(found)
    assert peer.leaf == (holder.der if holder else None)


@pytest.mark.parametrize("version", VERSIONS)
def test_what_was_sent_and_what_was_verified(scene: Scene, gate: ServerContext, version: ssl.TLSVersion) -> None:
    """``sent`` is what came along, ``verified`` the path up to the trusted root; neither holds the leaf."""
    holder = _via(scene, send=True)
    peer = _peer(gate, holder, version)
    intermediate = holder.chain[0]
    assert [read.hex() for read in peer.sent] == [intermediate.public_bytes(_DER).hex()]
    assert peer.verified == (intermediate.public_bytes(_DER), scene.authority.der)


@pytest.mark.parametrize("version", VERSIONS)
def test_nothing_is_verified_where_something_is_wrong(
    scene: Scene, gate: ServerContext, version: ssl.TLSVersion
) -> None:
    """The path that OpenSSL built to an expired certificate is not called verified."""
    assert _peer(gate, make_client("alice", scene.authority, **PAST), version).verified == ()


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("state", ["foreign of the same name", "foreign and expired", "good v3"])
def test_byte_by_byte(scene: Scene, gate: ServerContext, state: str, version: ssl.TLSVersion) -> None:
    """A bad signature leaves errors in OpenSSL's queue; they must not turn the next "want read" into a failure."""
    peer = _peer(gate, STATES[state][0](scene), version, step=1)
    assert {error.code for error in peer.errors} == STATES[state][2]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_listed_intermediate_is_an_anchor(scene: Scene, version: ssl.TLSVersion) -> None:
    """With only the intermediate in the bundle its clients are trusted, and not those of the root above it."""
    intermediate = make_authority("Lone Intermediate", scene.authority)
    gate = scene.gate(intermediate)
    for chain in ((), (intermediate.certificate,), (intermediate.certificate, scene.authority.certificate)):
        good = _peer(gate, make_client("alice", intermediate, chain=chain), version)
        assert (good.errors, good.verified) == ((), (intermediate.der,))
    assert _peer(gate, make_client("alice", scene.authority), version).errors


@pytest.mark.parametrize("version", VERSIONS)
def test_every_error_is_collected_with_its_depth_and_words(
    scene: Scene, gate: ServerContext, version: ssl.TLSVersion
) -> None:
    """An expired intermediate is an error at depth 1, in OpenSSL's own words."""
    (error,) = _peer(gate, _via(scene, send=True, **PAST), version).errors
    assert (error.depth, error.words) == (1, "certificate has expired")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_cannot_sign_for_others(scene: Scene, gate: ServerContext, version: ssl.TLSVersion) -> None:
    """A certificate by a holder of a good client certificate is refused, although every signature fits."""
    alice = make_client("alice", scene.authority)
    peer = _peer(gate, make_client("mallory", alice, chain=(alice.certificate,)), version)
    assert 79 in {error.code for error in peer.errors}  # X509_V_ERR_INVALID_CA
    assert isinstance(judge(peer, time.time(), Policy()), Refuse)
