"""A judgement that is used again: for the same certificates, at no other time, and in no other snapshot."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from gatekeeper.gate.certificate import Certificate
from gatekeeper.gate.revocation import Revocations, RevocationStatus, Standing
from gatekeeper.gate.verdict import NO_PEER, Peer, Policy, Reason, VerifyError
from gatekeeper.proxy.snapshot import CACHED_CERTIFICATES, CACHED_CONTEXTS
from tests.proxy.scene import Scene, get


def alice(scene: Scene) -> Peer:
    return scene.alice().connection.tls.peer


def reason(scene: Scene, peer: Peer, now: float) -> Reason | None:
    refusal = scene.proxy.judge.client_context(scene.proxy.snapshot, peer, now).authorizer.refusal
    return refusal.reason if refusal else None


def test_who_was_let_in_is_not_judged_again(scene: Scene) -> None:
    """Each connection brings the same certificate, as other bytes objects."""
    peer, now = alice(scene), scene.wall()
    client_context = scene.proxy.judge.client_context(scene.proxy.snapshot, peer, now)
    assert client_context.authorizer.admitted
    assert scene.proxy.judge.client_context(scene.proxy.snapshot, alice(scene), now + 1) is client_context


def test_not_after_the_end(scene: Scene) -> None:
    """Nobody gets in by having been in before: at the very moment when the certificate expires, it has."""
    peer, now = alice(scene), scene.wall()
    client_context = scene.proxy.judge.client_context(scene.proxy.snapshot, peer, now)
    assert scene.proxy.judge.client_context(scene.proxy.snapshot, peer, client_context.until - 0.001) is client_context
    assert scene.proxy.judge.client_context(scene.proxy.snapshot, peer, client_context.until) is not client_context
    assert reason(scene, peer, client_context.ends) is Reason.EXPIRED


def test_not_before_it_was_made(scene: Scene) -> None:
    """The clock on the wall may be set back, to before the certificate begins."""
    peer, now = alice(scene), scene.wall()
    assert scene.proxy.judge.client_context(scene.proxy.snapshot, peer, now).authorizer.admitted
    assert reason(scene, peer, now - 20 * 365 * 86400) is Reason.NOT_YET_VALID


@pytest.mark.parametrize(
    "different", [{"errors": (VerifyError(10, 0, "certificate has expired"),)}, {"sent": (b"another",)}]
)
def test_not_for_another_peer(scene: Scene, different: dict[str, object]) -> None:
    """The same certificate is another peer where OpenSSL does not vouch for it, or where others came along."""
    peer, now = alice(scene), scene.wall()
    client_context = scene.proxy.judge.client_context(scene.proxy.snapshot, peer, now)
    other = scene.proxy.judge.client_context(scene.proxy.snapshot, replace(peer, **different), now)  # type: ignore[arg-type]
    assert other is not client_context
    assert other.authorizer.admitted is ("errors" not in different)


def test_not_in_another_world(scene: Scene) -> None:
    """What was loaded anew may say something else: a revocation, another route, another name of a header."""
    peer, now = alice(scene), scene.wall()
    scene.proxy.judge.client_context(scene.proxy.snapshot, peer, now)
    assert scene.snapshot.cached(peer, now) is not None
    assert replace(scene.snapshot).cached(peer, now) is None


def test_who_is_refused_is_not_cached(scene: Scene) -> None:
    """Strangers could wash the memory out."""
    peer = replace(alice(scene), errors=(VerifyError(18, 0, "self-signed certificate"),))
    assert reason(scene, peer, scene.wall()) is Reason.UNTRUSTED_ISSUER
    assert scene.snapshot.cached(peer, scene.wall()) is None
    assert not scene.snapshot._contexts


def test_not_where_a_responder_is_asked(make_scene: Callable[..., Scene]) -> None:
    """It may say something else to the next connection."""
    scene = make_scene(client_auth={"ca": "ca.crt", "ocsp": "leaf"})
    answers = [
        RevocationStatus(Standing.GOOD, scene.wall() + 600),
        RevocationStatus(Standing.REVOKED, scene.wall() + 600),
    ]
    scene.proxy.judge.responders.answer = lambda *_: answers.pop(0)  # type: ignore[method-assign]
    peer, now = alice(scene), scene.wall()
    assert reason(scene, peer, now) is None
    assert reason(scene, peer, now) is Reason.REVOKED


def test_memory_is_bounded(scene: Scene) -> None:
    """By the number of certificates; each is there once, whatever it is sent along with."""
    peer, now = alice(scene), scene.wall()
    client_context = scene.proxy.judge.client_context(scene.proxy.snapshot, peer, now)
    for number in range(CACHED_CONTEXTS + 10):
        scene.snapshot.cache(Peer(b"%d" % number), client_context)
        scene.snapshot.cache(Peer(b"0", sent=(b"%d" % number,)), client_context)
    assert len(scene.snapshot._contexts) <= CACHED_CONTEXTS


def test_what_takes_much_memory_is_not_cached(scene: Scene) -> None:
    """The certificates of a peer together: a leaf, what was sent along, the path."""
    peer, now = alice(scene), scene.wall()
    client_context = scene.proxy.judge.client_context(scene.proxy.snapshot, peer, now)
    third = bytes(CACHED_CERTIFICATES // 3)
    for size in (0, 1):
        large = Peer(third, sent=(third,), verified=(third + bytes(3 * size),))
        scene.snapshot.cache(large, client_context)
        assert (scene.snapshot.cached(large, now) is None) is bool(size)
        scene.snapshot._contexts.clear()


def test_only_a_missing_list_is_asked_for(make_scene: Callable[..., Scene]) -> None:
    """A stranger's certificate, or one that has expired, must not make the gate fetch what it names."""
    scene, asked = make_scene(), list[Certificate]()
    scene.proxy.judge.on_unknown = asked.append
    peer, now = alice(scene), scene.wall()
    reason(scene, replace(peer, errors=(VerifyError(18, 0, "self-signed certificate"),)), now)
    reason(scene, peer, now + 20 * 365 * 86400)
    assert asked == []
    scene.proxy.renew(replace(scene.snapshot, policy=Policy(revocations=Revocations.of([]))))
    assert reason(scene, peer, now) is Reason.REVOCATION_UNKNOWN
    assert [one.common_name for one in asked] == ["alice"]


def test_what_is_said_about_the_end_is_said_in_time(make_scene: Callable[..., Scene]) -> None:
    """``identity.expiry_warning``: the lines change before the verdict ends."""
    scene = make_scene(identity={"expiry_warning": "7d"})
    context = scene.proxy.judge.client_context(scene.proxy.snapshot, alice(scene), scene.wall())
    assert context.until == context.ends - 7 * 86400


def test_a_responder_that_nobody_asks_any_more_keeps_nobody_waiting(scene: Scene) -> None:
    """A reload has switched OCSP off, while a visitor's verdict was pending."""
    told: list[str] = []
    scene.proxy.judge.ask(scene.snapshot, alice(scene), lambda: told.append("judge again"))
    scene.loop.settle()
    assert told == ["judge again"]


def test_nobody_is_nobody(scene: Scene) -> None:
    """Without a certificate there is nothing to judge."""
    assert reason(scene, NO_PEER, scene.wall()) is Reason.NO_CERTIFICATE
    assert scene.proxy.judge.client_context(scene.proxy.snapshot, NO_PEER, scene.wall()).until == 0.0


def test_each_connection_of_who_was_let_in_is_served_and_logged_as_theirs(scene: Scene) -> None:
    """What is cached is told to the app and to the log in each."""
    for _ in range(2):
        visitor = scene.alice()
        visitor.send(get())
        assert b"X-SSL-Client-S-DN: CN=alice\r\n" in scene.app.last.read()
        scene.serve(visitor)
    assert [record["subject"] for record in scene.log.records] == ["CN=alice", "CN=alice"]
