"""TLS sessions: for whom, for how long, known where; and whose certificate is verified when one is resumed."""

import gc
import ssl
import time
from contextlib import suppress
from ctypes import c_long, c_void_p
from dataclasses import replace

import pytest

from gatekeeper.errors import TLSError
from gatekeeper.gate.verdict import Policy, Reason, Refuse, judge
from gatekeeper.tls.connection import TLSConnection
from gatekeeper.tls.context import CACHED_SECONDS, ServerContext
from gatekeeper.tls.sessions import CACHED_SESSIONS, LONGEST_CERTIFICATES, SESSION_SECONDS
from tests.certificates import DAY, NOW, Holder, make_authority, make_client
from tests.tls.scene import VERSIONS, Scene, Visitor, resumed

TLS12, TLS13 = VERSIONS
BOTH = pytest.mark.parametrize("version", VERSIONS)
CTRL_NUMBER, CTRL_SET_SIZE, CTRL_GET_SIZE = 20, 42, 43  # SSL_CTRL_SESS_NUMBER and those for SESS_CACHE_SIZE


def gate(scene: Scene, *authorities: Holder) -> ServerContext:
    context = scene.gate(*authorities, session_resumption=True)
    assert context.sessions is not None
    return context


def meet(context: ServerContext, visitor: Visitor, *, admit: bool = True) -> TLSConnection:
    """A handshake, the verdict of the caller, one answer, and the end."""
    server = TLSConnection(context)
    visitor.shake_hands(server)
    if admit:
        serve(server, visitor)
        server.keep_session()
    server.close()
    return server


def serve(server: TLSConnection, visitor: Visitor) -> None:
    """The answer for who was let in."""
    server.keep_session()
    assert visitor.hear(server.send(b"hello")) == b"hello"


def come_back(context: ServerContext, visitor: Visitor, session: ssl.SSLSession | None = None) -> TLSConnection:
    visitor.connect(session or visitor.tls.session)
    return meet(context, visitor)


def age(server: TLSConnection, seconds: int) -> None:
    """Let the session of a connection be so much older."""
    openssl = server._context.openssl
    assert openssl is not None
    openssl.libssl.declare(("SSL_SESSION_set_time", c_long, (c_void_p, c_long)))
    call = openssl.libssl.call
    session = call["SSL_get_session"](openssl.libssl.connection_pointer(server._ssl))
    call["SSL_SESSION_set_time"](session, call["SSL_SESSION_get_time"](session) - seconds)


def control(context: ServerContext, command: int, value: int = 0) -> int:
    assert context.openssl is not None
    libssl = context.openssl.libssl
    answer: int = libssl.call["SSL_CTX_ctrl"](libssl.context_pointer(context.ssl_context), command, value, None)
    return answer


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
    alice, context = Visitor(make_client("alice", scene.authority), TLS12), gate(scene)
    meet(context, alice)
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
    alice = Visitor(make_client("alice", scene.authority), version)
    meet(gate(scene), alice)
    if version is TLS13:
        assert SESSION_SECONDS - 60 < alice.tls.session.ticket_lifetime_hint <= SESSION_SECONDS


def test_a_session_in_memory_is_good_for_one_connection(scene: Scene) -> None:
    """TLS 1.3: who resumes it gets another one, and only that one is kept."""
    alice, context = Visitor(make_client("alice", scene.authority), TLS13), gate(scene)
    meet(context, alice)
    first = alice.tls.session
    assert resumed(come_back(context, alice))
    assert control(context, CTRL_NUMBER) == 1
    second = alice.tls.session
    assert not resumed(come_back(context, alice, first))
    assert resumed(come_back(context, alice, second))


def test_two_connections_may_resume_the_same_session_at_once(scene: Scene) -> None:
    """Neither is disturbed, and nothing is kept that OpenSSL could not let go (CVE-2024-2511)."""
    alice, context = Visitor(make_client("alice", scene.authority), TLS13), gate(scene)
    meet(context, alice)
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


# -- where it is known


@BOTH
def test_what_is_in_memory_ends_with_a_reload(scene: Scene, version: ssl.TLSVersion) -> None:
    """A new context knows no session of the old one."""
    alice = Visitor(make_client("alice", scene.authority), version)
    meet(gate(scene), alice)
    assert not resumed(come_back(gate(scene), alice))


@BOTH
def test_a_change_of_the_authorities_ends_all_sessions(scene: Scene, version: ssl.TLSVersion) -> None:
    """Also where the old authority is still among them; the handshake is a full one then."""
    other = make_authority("Other CA")
    alice = Visitor(make_client("alice", scene.authority), version)
    meet(gate(scene), alice)
    assert not resumed(come_back(gate(scene, other), alice))
    alice = Visitor(make_client("alice", scene.authority), version)
    meet(gate(scene), alice)
    server = come_back(gate(scene, scene.authority, other), alice)
    assert not resumed(server)
    assert server.peer.errors == ()


@BOTH
def test_a_gate_without_resumption_takes_no_session(scene: Scene, version: ssl.TLSVersion) -> None:
    """After a reload that switches it off."""
    alice = Visitor(make_client("alice", scene.authority), version)
    meet(gate(scene), alice)
    assert not resumed(come_back(scene.gate(), alice))


# -- who comes back


@BOTH
def test_a_resumed_session_is_verified_by_todays_date(scene: Scene, version: ssl.TLSVersion) -> None:
    """Nothing of the verdict of the first handshake is kept."""
    brief = make_client("brief", scene.authority, starts=NOW - DAY, ends=NOW + DAY)
    visitor = Visitor(brief, version)
    context = gate(scene)
    meet(context, visitor)
    server = come_back(context, visitor)
    assert resumed(server)
    assert server.peer == context.verify(brief.der)
    assert time.time() < (NOW + DAY).timestamp()


@BOTH
def test_whose_certificate_is_not_good_any_more_is_a_stranger(scene: Scene, version: ssl.TLSVersion) -> None:
    """And its session ends, so that it can show another certificate the next time."""
    alice, context = Visitor(make_client("alice", scene.authority), version), gate(scene)
    meet(context, alice)
    other = gate(scene, make_authority("Other CA"))
    changed = replace(context, authorities=other.authorities)
    server = come_back(changed, alice)
    assert resumed(server)
    assert server.peer.leaf is not None
    assert server.peer.errors
    assert not resumed(come_back(changed, alice))


def test_who_was_recognised_is_still_judged_by_the_date(scene: Scene) -> None:
    """A good certificate is verified once for many resumed sessions; that it has ended is seen at each request."""
    brief = make_client("brief", scene.authority, starts=NOW - DAY, ends=NOW + DAY)
    context = gate(scene)
    peer = context.resume(brief.der, ())
    assert context.resume(brief.der, ()) is peer
    verdict = judge(peer, (NOW + 2 * DAY).timestamp(), Policy())
    assert isinstance(verdict, Refuse)
    assert verdict.reason is Reason.EXPIRED


def test_a_bad_certificate_is_verified_each_time(scene: Scene) -> None:
    """What is wrong with it may be over by the next time."""
    early = make_client("early", scene.authority, starts=NOW + DAY, ends=NOW + 2 * DAY)
    context = gate(scene)
    peer = context.resume(early.der, ())
    assert peer.errors
    assert context.resume(early.der, ()) is not peer


def test_other_authorities_recognise_nobody(scene: Scene) -> None:
    """Who was good yesterday is a stranger after a change of the authorities."""
    alice, context, other = make_client("alice", scene.authority).der, gate(scene), make_authority("Other CA")
    assert not context.resume(alice, ()).errors
    assert gate(scene, other).resume(alice, ()).errors
    changed = replace(context, ssl_context=gate(scene, other).ssl_context, authorities=gate(scene, other).authorities)
    assert changed.resume(alice, ()).errors


def test_nobody_is_recognised_for_long(scene: Scene) -> None:
    """An authority may have ended meanwhile, and a renewed one be found."""
    alice, context = make_client("alice", scene.authority).der, gate(scene)
    peer, until = context.resume(alice, ()), time.monotonic() + CACHED_SECONDS
    ((known, end),) = context._shown.values()
    assert known is peer
    assert end <= until
    context._shown[(alice,)] = peer, time.monotonic()
    assert context.resume(alice, ()) is not peer


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
