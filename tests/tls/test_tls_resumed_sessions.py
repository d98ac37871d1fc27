"""Visitors that resume a session: by which gate they are known, and how they are judged."""

import ssl
import time
from collections.abc import Sequence
from dataclasses import replace

from gatekeeper.errors import BindingError
from gatekeeper.gate.verdict import Peer, Policy, Reason, Refuse, judge
from gatekeeper.tls.context import CACHED_SECONDS
from gatekeeper.tls.openssl import OpenSSL
from tests.certificates import DAY, NOW, make_authority, make_client
from tests.tls.resuming import BOTH, admitted, come_back, gate, meet
from tests.tls.scene import Scene, Visitor, resumed

# -- where it is known


@BOTH
def test_what_is_in_memory_ends_with_a_reload(scene: Scene, version: ssl.TLSVersion) -> None:
    """A new context knows no session of the old one."""
    alice, _ = admitted(scene, version)
    assert not resumed(come_back(gate(scene), alice))


@BOTH
def test_a_change_of_the_authorities_ends_all_sessions(scene: Scene, version: ssl.TLSVersion) -> None:
    """Also where the old authority is still among them; the handshake is a full one then."""
    other = make_authority("Other CA")
    alice, _ = admitted(scene, version)
    assert not resumed(come_back(gate(scene, other), alice))
    alice, _ = admitted(scene, version)
    server = come_back(gate(scene, scene.authority, other), alice)
    assert not resumed(server)
    assert server.peer.errors == ()


@BOTH
def test_a_gate_without_resumption_takes_no_session(scene: Scene, version: ssl.TLSVersion) -> None:
    """After a reload that switches it off."""
    alice, _ = admitted(scene, version)
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
    alice, context = admitted(scene, version)
    other = gate(scene, make_authority("Other CA"))
    changed = replace(context, authorities=other.authorities)
    server = come_back(changed, alice)
    assert resumed(server)
    assert server.peer.leaf is not None
    assert server.peer.errors
    assert not resumed(come_back(changed, alice))


@BOTH
def test_who_resumes_is_not_known_for_longer(scene: Scene, version: ssl.TLSVersion) -> None:
    """Or one who comes back each minute would never be verified again."""
    alice, context = admitted(scene, version)
    ((certificates, (peer, _)),) = context._shown.items()
    soon = time.monotonic() + CACHED_SECONDS / 2
    context._shown[certificates] = peer, soon
    assert come_back(context, alice).peer is peer
    assert context._shown == {certificates: (peer, soon)}


@BOTH
def test_a_resumed_session_that_cannot_be_verified_admits_nobody(scene: Scene, version: ssl.TLSVersion) -> None:
    """Fails closed: OpenSSL's own result is that of the first handshake."""

    class Failing(OpenSSL):
        def verify(self, context: ssl.SSLContext, leaf: bytes, chain: Sequence[bytes]) -> Peer:
            raise BindingError("for a test")

    alice = Visitor(make_client("alice", scene.authority), version)
    context = scene.gate(binding=Failing, session_resumption=True)
    assert not meet(context, alice).peer.errors
    context._shown.clear()
    server = come_back(context, alice)
    assert resumed(server)
    assert [error.words for error in server.peer.errors] == ["a resumed session cannot be verified: for a test"]


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
