"""TLS sessions: who gets one, how long it lives, and how it ends with its connection."""

import gc
import ssl
from contextlib import suppress

import pytest

from gatekeeper.errors import TLSError
from gatekeeper.tls.connection import TLSConnection
from gatekeeper.tls.sessions import CACHED_SESSIONS, LONGEST_CERTIFICATES, SESSION_SECONDS
from tests.certificates import make_authority, make_client
from tests.tls.resuming import (
    BOTH,
    CTRL_GET_SIZE,
    CTRL_NUMBER,
    CTRL_SET_SIZE,
    TLS12,
    TLS13,
    admitted,
    age,
    come_back,
    control,
    gate,
    meet,
    serve,
)
from tests.tls.scene import Scene, Visitor, resumed

# -- who gets one


@BOTH
def test_who_was_let_in_may_resume(scene: Scene, version: ssl.TLSVersion) -> None:
    """Again and again; the resumed visitor is known by its certificate, path and all."""
    alice = Visitor(make_client("alice", scene.authority), version)
    context = gate(scene)
    first = meet(context, alice)
    assert alice.tls.session.has_ticket is (version is TLS13)
    assert not resumed(first)
    again = come_back(context, alice)
    assert resumed(again)
    assert again.peer == first.peer
    assert again.peer.verified == (scene.authority.der,)
    assert resumed(come_back(context, alice))


@BOTH
def test_who_was_not_let_in_gets_none(scene: Scene, version: ssl.TLSVersion) -> None:
    """So that it can show another certificate at once."""
    alice = Visitor(make_client("alice", scene.authority), version)
    context = gate(scene)
    meet(context, alice, admit=False)
    assert not alice.tls.session.has_ticket
    assert not resumed(come_back(context, alice))


@BOTH
def test_strangers_get_none(scene: Scene, version: ssl.TLSVersion) -> None:
    """With a certificate from elsewhere, or with none, whatever the verdict was."""
    context = gate(scene)
    for holder in (make_client("mallory", make_authority("Foreign CA")), None):
        visitor = Visitor(holder, version)
        meet(context, visitor)
        assert not visitor.tls.session.has_ticket
        assert not resumed(come_back(context, visitor))


@BOTH
def test_a_refusal_ends_the_session(scene: Scene, version: ssl.TLSVersion) -> None:
    """Whether it was given on this connection or resumed by it: the next handshake can show another certificate."""
    alice, context = Visitor(make_client("alice", scene.authority), version), gate(scene)
    for resuming in (False, True):
        if resuming:
            come_back(context, alice)
        alice.connect(alice.tls.session if resuming else None)
        server = TLSConnection(context)
        alice.shake_hands(server)
        assert resumed(server) is resuming
        serve(server, alice)
        server.forget_session()
        server.keep_session()
        server.lost()
        assert control(context, CTRL_NUMBER) == 0
        assert not resumed(come_back(context, alice))


def test_a_session_that_was_refused_on_one_connection_is_not_kept_by_another(scene: Scene) -> None:
    """TLS 1.2: both have the same session, and the other is let in afterwards."""
    alice, context = admitted(scene, TLS12)
    session, servers = alice.tls.session, []
    for _ in range(2):
        alice.connect(session)
        servers.append(TLSConnection(context))
        alice.shake_hands(servers[-1])
        assert resumed(servers[-1])
    servers[0].forget_session()
    servers[1].keep_session()
    servers[1].close()
    assert not resumed(come_back(context, alice, session))


@BOTH
def test_who_is_found_wrong_later_gets_none(scene: Scene, version: ssl.TLSVersion) -> None:
    """Its certificate was good in the handshake, and is not by the authorities of today."""
    alice = Visitor(make_client("alice", scene.authority), version)
    context = gate(scene)
    server = TLSConnection(context)
    alice.shake_hands(server)
    server.verify_anew(scene.gate(make_authority("Other CA")))
    serve(server, alice)
    server.lost()
    assert not resumed(come_back(context, alice))


@BOTH
def test_in_memory_the_chain_is_kept_too(scene: Scene, version: ssl.TLSVersion) -> None:
    """What the visitor sent along is there again, for the verification and for the app."""
    inner = make_authority("Inner CA", scene.authority)
    visitor = Visitor(make_client("carol", inner, chain=(inner.certificate,)), version)
    context = gate(scene)
    first = meet(context, visitor)
    again = come_back(context, visitor)
    assert resumed(again)
    assert again.peer == first.peer
    assert again.peer.sent == (inner.der,)


@BOTH
def test_a_session_is_resumed_under_its_server_name_only(scene: Scene, version: ssl.TLSVersion) -> None:
    """RFC 6066, 3: under another name, or without one, the handshake is a full one. Letters may be large or small."""
    context, holder = gate(scene), make_client("alice", scene.authority)
    for began, again, expected in (
        ("a.example.com", "A.example.com", True),
        ("a.example.com", "b.example.com", False),
        ("a.example.com", None, False),
        (None, "a.example.com", False),
    ):
        alice = Visitor(holder, version, server_name=began)
        meet(context, alice)
        alice.server_name = again
        server = come_back(context, alice)
        assert resumed(server) is expected, (began, again)
        assert server.peer.errors == ()


def test_a_ticket_may_come_in_pieces_with_the_visitors_next_words(scene: Scene) -> None:
    """Given while the visitor is sending: nothing is lost on either side."""
    alice = Visitor(make_client("alice", scene.authority), TLS13)
    server = TLSConnection(gate(scene))
    alice.shake_hands(server)
    server.keep_session()
    assert server.receive(alice.say(b"one")) == b"one"
    said = server.pending_output() + server.send(b"hello")
    for at in range(0, len(said), 7):
        alice.incoming.write(said[at : at + 7])
    assert alice.hear(b"") == b"hello"
    with suppress(ssl.SSLWantReadError):
        alice.tls.read(1)
    assert alice.tls.session.has_ticket
    assert server.receive(alice.say(b"two")) == b"two"


# -- how long


@BOTH
def test_a_session_ends_an_hour_after_its_first_handshake(scene: Scene, version: ssl.TLSVersion) -> None:
    """OpenSSL counts anew for the session that a resumed connection of TLS 1.3 gets; we do not."""
    alice = Visitor(make_client("alice", scene.authority), version)
    context = gate(scene)
    server = TLSConnection(context)
    alice.shake_hands(server)
    for _ in range(3):
        age(server, SESSION_SECONDS // 4)
        serve(server, alice)
        server.lost()
        alice.connect(alice.tls.session)
        server = TLSConnection(context)
        alice.shake_hands(server)
        assert resumed(server)
    if version is TLS13:
        assert alice.tls.session.ticket_lifetime_hint <= SESSION_SECONDS
    age(server, SESSION_SECONDS // 4 + 1)
    last = alice.tls.session
    serve(server, alice)
    server.lost()
    assert alice.tls.session == last
    assert not resumed(come_back(context, alice))


@BOTH
def test_a_new_session_lives_for_an_hour(scene: Scene, version: ssl.TLSVersion) -> None:
    """As the ticket tells the client (RFC 8446, 4.6.1)."""
    alice, _ = admitted(scene, version)
    if version is TLS13:
        assert SESSION_SECONDS - 60 < alice.tls.session.ticket_lifetime_hint <= SESSION_SECONDS


def test_a_session_in_memory_is_good_for_one_connection(scene: Scene) -> None:
    """TLS 1.3: who resumes it gets another one, and only that one is kept."""
    alice, context = admitted(scene, TLS13)
    first = alice.tls.session
    assert resumed(come_back(context, alice))
    assert control(context, CTRL_NUMBER) == 1
    second = alice.tls.session
    assert not resumed(come_back(context, alice, first))
    assert resumed(come_back(context, alice, second))


def test_two_connections_may_resume_the_same_session_at_once(scene: Scene) -> None:
    """Neither is disturbed, and nothing is kept that OpenSSL could not let go (CVE-2024-2511)."""
    alice, context = admitted(scene, TLS13)
    session, servers, visitors = alice.tls.session, [], []
    for _ in range(2):
        visitor = Visitor(make_client("alice", scene.authority), TLS13)
        visitor.context = alice.context
        visitor.connect(session)
        server = TLSConnection(context)
        visitor.shake_hands(server)
        assert resumed(server)
        servers.append(server)
        visitors.append(visitor)
    for server, visitor in zip(servers, visitors, strict=True):
        serve(server, visitor)
        server.lost()
    assert control(context, CTRL_NUMBER) <= 2
    assert resumed(come_back(context, visitors[0]))


@BOTH
def test_few_sessions_are_kept(scene: Scene, version: ssl.TLSVersion) -> None:
    """The one that ends first goes first. OpenSSL makes room before it is full."""
    context = gate(scene)
    assert control(context, CTRL_GET_SIZE) == CACHED_SESSIONS
    control(context, CTRL_SET_SIZE, 3)
    visitors = [Visitor(make_client(name, scene.authority), version) for name in ("alice", "bob", "carol")]
    for seconds, visitor in zip((20, 10, 0), visitors, strict=True):
        server = TLSConnection(context)
        visitor.shake_hands(server)
        age(server, seconds)
        serve(server, visitor)
        server.lost()
    assert control(context, CTRL_NUMBER) == 2
    assert [resumed(come_back(context, visitor)) for visitor in reversed(visitors)] == [True, True, False]


@BOTH
def test_long_certificates_are_not_kept(scene: Scene, version: ssl.TLSVersion) -> None:
    """Decoded, they would take fifty times their size for an hour."""
    chain = tuple(make_authority(f"CA {n}", scene.authority).certificate for n in range(20))
    visitor, context = Visitor(make_client("alice", scene.authority, chain=chain), version), gate(scene)
    server = meet(context, visitor)
    assert not server.peer.errors
    assert sum(map(len, server.peer.sent)) > LONGEST_CERTIFICATES
    assert control(context, CTRL_NUMBER) == 0
    assert not resumed(come_back(context, visitor))


# -- how a connection ended


@BOTH
def test_the_session_of_a_connection_that_was_cut_off_may_be_resumed(scene: Scene, version: ssl.TLSVersion) -> None:
    """RFC 8446, 6.1: phones lose their connections without close_notify."""
    alice, context = Visitor(make_client("alice", scene.authority), version), gate(scene)
    server = TLSConnection(context)
    alice.shake_hands(server)
    serve(server, alice)
    server.lost()
    del server
    gc.collect()
    assert resumed(come_back(context, alice))


@BOTH
def test_a_fatal_alert_ends_the_session(scene: Scene, version: ssl.TLSVersion) -> None:
    """RFC 5246, 7.2.2: it must not be resumed."""
    alice, context = Visitor(make_client("alice", scene.authority), version), gate(scene)
    server = TLSConnection(context)
    alice.shake_hands(server)
    serve(server, alice)
    with pytest.raises(TLSError):
        server.receive(b"\x17\x03\x03\x00\x20" + bytes(32))
    server.lost()
    assert not resumed(come_back(context, alice))
