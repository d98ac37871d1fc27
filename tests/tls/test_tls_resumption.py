"""Session tickets: for whom, over which TLS, read by whom; and whose certificate is verified when a session resumes."""

import ssl
import time
from contextlib import suppress
from dataclasses import replace

from gatekeeper.gate.verdict import Peer, Policy, Reason, Refuse, judge
from gatekeeper.tls.connection import TLSConnection
from gatekeeper.tls.context import CACHED_PEERS, CACHED_SECONDS, ServerContext
from tests.certificates import DAY, NOW, Holder, make_authority, make_client
from tests.tls.scene import VERSIONS, Scene, Visitor, resumed

TLS12, TLS13 = VERSIONS


def gate(scene: Scene, *authorities: Holder) -> ServerContext:
    context = scene.gate(*authorities, session_resumption=True)
    assert context.resumes
    return context


def meet(context: ServerContext, visitor: Visitor, *, admit: bool = True) -> TLSConnection:
    """A handshake, the verdict of the caller, and one answer."""
    server = TLSConnection(context)
    visitor.shake_hands(server)
    if admit:
        server.give_ticket()
        server.give_ticket()
    visitor.hear(server.send(b"hello"))
    return server


def come_back(context: ServerContext, visitor: Visitor) -> TLSConnection:
    session = visitor.tls.session
    visitor.connect(session)
    return meet(context, visitor)


def test_who_was_let_in_may_resume(scene: Scene) -> None:
    """One ticket, which comes with the answer; the resumed visitor is known by its certificate, path and all."""
    alice = Visitor(make_client("alice", scene.authority), TLS13)
    context = gate(scene)
    first = meet(context, alice)
    assert alice.tls.session.has_ticket
    assert not resumed(first)
    again = come_back(context, alice)
    assert resumed(again)
    assert again.peer == first.peer
    assert again.peer.verified == (scene.authority.der,)
    assert resumed(come_back(context, alice))


def test_who_was_not_let_in_gets_no_ticket(scene: Scene) -> None:
    """So that it can show another certificate at once."""
    alice = Visitor(make_client("alice", scene.authority), TLS13)
    context = gate(scene)
    meet(context, alice, admit=False)
    assert not alice.tls.session.has_ticket
    assert not resumed(come_back(context, alice))


def test_tls12_gives_no_tickets(scene: Scene) -> None:
    """They would be given in the handshake, before anybody was judged; session ids are not kept either."""
    alice = Visitor(make_client("alice", scene.authority), TLS12)
    context = gate(scene)
    meet(context, alice)
    assert (alice.tls.session.id, alice.tls.session.has_ticket) == (b"", False)
    assert not resumed(come_back(context, alice))


def test_another_process_and_another_load_read_the_ticket(scene: Scene) -> None:
    """Same secret, same authorities: the keys are the same."""
    alice = Visitor(make_client("alice", scene.authority), TLS13)
    meet(gate(scene), alice)
    assert resumed(come_back(gate(scene), alice))


def test_a_change_of_the_authorities_ends_all_sessions(scene: Scene) -> None:
    """Also where the old authority is still among them; the handshake is a full one then."""
    alice = Visitor(make_client("alice", scene.authority), TLS13)
    meet(gate(scene), alice)
    assert not resumed(come_back(gate(scene, make_authority("Other CA")), alice))
    alice = Visitor(make_client("alice", scene.authority), TLS13)
    meet(gate(scene), alice)
    server = come_back(gate(scene, scene.authority, make_authority("Other CA")), alice)
    assert not resumed(server)
    assert server.peer.errors == ()


def test_a_gate_without_resumption_reads_no_ticket(scene: Scene) -> None:
    """After a reload that switches it off."""
    alice = Visitor(make_client("alice", scene.authority), TLS13)
    meet(gate(scene), alice)
    assert not resumed(come_back(scene.gate(), alice))


def test_a_visitor_of_an_intermediate_that_it_sends_itself_gets_no_ticket(scene: Scene) -> None:
    """A ticket does not carry what was sent along, so the resumed session could not be verified."""
    inner = make_authority("Inner CA", scene.authority)
    carol = make_client("carol", inner, chain=(inner.certificate,))
    visitor = Visitor(carol, TLS13)
    assert meet(gate(scene), visitor).peer.errors == ()
    assert not visitor.tls.session.has_ticket
    trusted = gate(scene, scene.authority, inner)
    visitor = Visitor(carol, TLS13)
    meet(trusted, visitor)
    assert resumed(come_back(trusted, visitor))


def test_a_resumed_session_is_verified_by_todays_date(scene: Scene) -> None:
    """Nothing of the verdict of the first handshake is kept."""
    brief = make_client("brief", scene.authority, starts=NOW - DAY, ends=NOW + DAY)
    visitor = Visitor(brief, TLS13)
    context = gate(scene)
    meet(context, visitor)
    server = come_back(context, visitor)
    assert resumed(server)
    assert server.peer == context.verify(brief.der)
    assert time.time() < (NOW + DAY).timestamp()


def test_who_was_recognised_is_still_judged_by_the_date(scene: Scene) -> None:
    """A good certificate is verified once for many resumed sessions; that it has ended is seen at each request."""
    brief = make_client("brief", scene.authority, starts=NOW - DAY, ends=NOW + DAY)
    context = gate(scene)
    peer = context.resume(brief.der)
    assert context.resume(brief.der) is peer
    verdict = judge(peer, (NOW + 2 * DAY).timestamp(), Policy())
    assert isinstance(verdict, Refuse)
    assert verdict.reason is Reason.EXPIRED


def test_a_bad_certificate_is_verified_each_time(scene: Scene) -> None:
    """What is wrong with it may be over by the next time."""
    early = make_client("early", scene.authority, starts=NOW + DAY, ends=NOW + 2 * DAY)
    context = gate(scene)
    peer = context.resume(early.der)
    assert peer.errors
    assert context.resume(early.der) is not peer


def test_other_authorities_recognise_nobody(scene: Scene) -> None:
    """Who was good yesterday is a stranger after a change of the authorities."""
    alice, context, other = make_client("alice", scene.authority).der, gate(scene), make_authority("Other CA")
    assert not context.resume(alice).errors
    assert gate(scene, other).resume(alice).errors
    changed = replace(context, ssl_context=gate(scene, other).ssl_context, authorities=gate(scene, other).authorities)
    assert changed.resume(alice).errors


def test_nobody_is_cached_for_long(scene: Scene) -> None:
    """An authority may have ended meanwhile, and a renewed one be found."""
    alice, context = make_client("alice", scene.authority).der, gate(scene)
    peer, until = context.resume(alice), time.monotonic() + CACHED_SECONDS
    ((cached, end),) = context._good.values()
    assert cached is peer
    assert end <= until
    context._good[alice] = peer, time.monotonic()
    assert context.resume(alice) is not peer


def test_few_are_cached(scene: Scene) -> None:
    """A full memory is emptied."""
    alice, context = make_client("alice", scene.authority).der, gate(scene)
    context._good.update((b"%d" % number, (Peer(), 0.0)) for number in range(CACHED_PEERS))
    context.resume(alice)
    assert list(context._good) == [alice]


def test_a_ticket_may_come_in_pieces_with_the_visitors_next_words(scene: Scene) -> None:
    """Given while the visitor is sending: nothing is lost on either side."""
    alice = Visitor(make_client("alice", scene.authority), TLS13)
    server = TLSConnection(gate(scene))
    alice.shake_hands(server)
    server.give_ticket()
    assert server.receive(alice.say(b"one")) == b"one"
    said = server.pending_output() + server.send(b"hello")
    for at in range(0, len(said), 7):
        alice.incoming.write(said[at : at + 7])
    assert alice.hear(b"") == b"hello"
    with suppress(ssl.SSLWantReadError):
        alice.tls.read(1)
    assert alice.tls.session.has_ticket
    assert server.receive(alice.say(b"two")) == b"two"
