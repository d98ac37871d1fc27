"""Certificates that were good a moment ago are not verified again; that the visitor has the key is proved each time."""

import ssl
import time
from dataclasses import replace

import pytest

from gatekeeper.errors import TLSError
from gatekeeper.gate.verdict import Peer, Policy, Reason, Refuse, VerifyError, judge
from gatekeeper.tls.connection import TLSConnection
from gatekeeper.tls.context import CACHED_PEER_BYTES, CACHED_PEERS, CACHED_SECONDS, ServerContext
from tests.certificates import DAY, NOW, Holder, make_authority, make_client
from tests.tls.scene import VERSIONS, Scene, Visitor

TLS12, TLS13 = VERSIONS
both = pytest.mark.parametrize("version", VERSIONS)


def meet(context: ServerContext, holder: Holder, version: ssl.TLSVersion = TLS13) -> TLSConnection:
    server = TLSConnection(context)
    Visitor(holder, version).shake_hands(server)
    assert server.established
    return server


@both
def test_good_certificates_are_verified_once(scene: Scene, version: ssl.TLSVersion) -> None:
    """The second handshake gives the very peer of the first."""
    context, alice = scene.gate(), make_client("alice", scene.authority)
    first = meet(context, alice, version)
    assert first.peer.verified == (scene.authority.der,)
    assert meet(context, alice, version).peer is first.peer


def test_another_certificate_is_another_visitor(scene: Scene) -> None:
    """Only the exact bytes are known again."""
    context = scene.gate()
    meet(context, make_client("alice", scene.authority))
    bob = make_client("bob", scene.authority)
    assert meet(context, bob).peer.leaf == bob.der


def test_bad_certificates_are_verified_each_time(scene: Scene) -> None:
    """What is wrong with one may be over by the next time."""
    context, early = scene.gate(), make_client("early", scene.authority, starts=NOW + DAY, ends=NOW + 2 * DAY)
    peers = [meet(context, early).peer for _ in range(2)]
    assert all(peer.errors for peer in peers)
    assert context.recall((early.der,)) is None


def test_nobody_is_remembered_with_an_error(scene: Scene) -> None:
    """Such as one whose path leads to no authority, though OpenSSL found nothing wrong."""
    context = scene.gate()
    context.remember(Peer(b"leaf", errors=(VerifyError(1, 0, "no path"),)))
    assert context.recall((b"leaf",)) is None


def test_a_stranger_is_verified_each_time(scene: Scene) -> None:
    """No path leads anywhere, the second time too."""
    context, mallory = scene.gate(), make_client("mallory", make_authority("Other CA"))
    assert all(meet(context, mallory).peer.errors for _ in range(2))


def test_who_is_known_is_still_judged_by_the_date(scene: Scene) -> None:
    """The verdict is made at each request."""
    context, brief = scene.gate(), make_client("brief", scene.authority, starts=NOW - DAY, ends=NOW + DAY)
    meet(context, brief)
    verdict = judge(meet(context, brief).peer, (NOW + 2 * DAY).timestamp(), Policy())
    assert isinstance(verdict, Refuse)
    assert verdict.reason is Reason.EXPIRED


def test_other_authorities_know_nobody(scene: Scene) -> None:
    """Who was good yesterday is a stranger after a change of the authorities."""
    context, alice, other = scene.gate(), make_client("alice", scene.authority), scene.gate(make_authority("Other CA"))
    meet(context, alice)
    assert meet(other, alice).peer.errors
    assert replace(context, authorities=other.authorities).recall((alice.der,)) is None


def test_nobody_is_known_for_long(scene: Scene) -> None:
    """An authority may have ended meanwhile."""
    context, alice = scene.gate(), make_client("alice", scene.authority)
    peer, until = meet(context, alice).peer, time.monotonic() + CACHED_SECONDS
    ((known, end),) = context._shown.values()
    assert known is peer
    assert end <= until
    context._shown[alice.der,] = peer, time.monotonic()
    assert meet(context, alice).peer is not peer


def test_what_takes_much_memory_is_verified_each_time(scene: Scene) -> None:
    """All certificates that were sent, together."""
    context, alice = scene.gate(), make_client("alice", scene.authority)
    for size in (0, 1):
        peer = Peer(alice.der, sent=(bytes(CACHED_PEER_BYTES - len(alice.der) + size),))
        context.remember(peer)
        assert (context.recall((alice.der, *peer.sent)) is None) is bool(size)


def test_few_are_known(scene: Scene) -> None:
    """A full memory is emptied."""
    context, alice = scene.gate(), make_client("alice", scene.authority)
    context._shown.update(((b"%d" % number,), (Peer(), 0.0)) for number in range(CACHED_PEERS))
    meet(context, alice)
    assert list(context._shown) == [(alice.der,)]


def test_who_may_end_the_handshake_is_asked_each_time(scene: Scene) -> None:
    """``on_refusal = "handshake"``: revoked since the last handshake."""
    context, alice = scene.gate(), make_client("alice", scene.authority)
    meet(context, alice)
    with pytest.raises(TLSError):
        Visitor(alice).shake_hands(TLSConnection(context, lambda _peer: 23))


@pytest.mark.parametrize("stolen", [False, True])
def test_a_known_certificate_is_of_no_use_without_its_key(scene: Scene, stolen: bool) -> None:
    """RFC 5246, 7.4.8: mallory shows what alice showed a moment ago, and signs with a key of her own."""
    context, alice, mallory = (
        scene.gate(),
        make_client("alice", scene.authority),
        make_client("mallory", scene.authority),
    )
    meet(context, alice, TLS12)
    visitor, server = Visitor(mallory, TLS12), TLSConnection(context)
    for _ in range(2):
        with pytest.raises(ssl.SSLWantReadError):
            visitor.tls.do_handshake()
        flight = visitor.outgoing.read()
        if flight[5] == 1:  # ClientHello
            server.receive(flight)
            visitor.incoming.write(server.pending_output())
    assert flight[5] == 11  # Certificate
    end = 5 + int.from_bytes(flight[3:5], "big")
    flight = (_certificate_record(alice.der) if stolen else flight[:end]) + flight[end:]
    if stolen:
        with pytest.raises(TLSError):
            server.receive(flight)
        assert server.peer == Peer()
    else:
        server.receive(flight)
    assert server.established is not stolen


def _certificate_record(der: bytes) -> bytes:
    """RFC 5246, 7.4.2 and 6.2.1."""
    listed = len(der).to_bytes(3, "big") + der
    body = len(listed).to_bytes(3, "big") + listed
    message = b"\x0b" + len(body).to_bytes(3, "big") + body
    return b"\x16\x03\x03" + len(message).to_bytes(2, "big") + message
