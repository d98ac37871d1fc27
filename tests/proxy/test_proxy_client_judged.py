"""A client's connection, as transcripts: who is refused, and when each is judged anew."""

import ssl
from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography.x509 import ObjectIdentifier

from gatekeeper.gate.verdict import Policy, VerifyError
from gatekeeper.tls.connection import TLSConnection
from tests.certificates import CLIENT, DAY, NOW, SERVER, make_authority, make_client
from tests.proxy.scene import OK, Scene, Visitor, get, request

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


# -- the verdict


@pytest.mark.parametrize("version", VERSIONS)
def test_without_a_certificate_nothing_reaches_the_app(scene: Scene, version: ssl.TLSVersion) -> None:
    """A 403 with the reason, for the log too; no connection to the app is even made."""
    nobody = scene.visitor(version=version)
    nobody.send(get("/"))
    answer = nobody.read()
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert b"\r\nGatekeeper-Reason: no_certificate\r\n" in answer
    assert b"\r\nConnection: close\r\n" in answer
    assert scene.app.attempts == []
    assert scene.log.records[0]["reason"] == "no_certificate"
    assert scene.proxy.metrics.refusals == {"no_certificate": 1}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_foreign_certificate_is_refused(scene: Scene, version: ssl.TLSVersion) -> None:
    """OpenSSL's errors are heeded: the handshake is done, but nobody is let in by that."""
    eve = scene.visitor(make_client("alice", make_authority("Home CA")), version=version)
    eve.send(get("/"))
    assert b"\r\nGatekeeper-Reason: untrusted_issuer\r\n" in eve.read()
    assert scene.app.attempts == []


def test_what_a_refused_visitor_pipelines_is_never_looked_at(scene: Scene) -> None:
    """One 403, and the connection ends."""
    nobody = scene.visitor()
    nobody.send(get("/1") + get("/2"))
    nobody.send(get("/3"))
    assert nobody.read().count(b"HTTP/1.1 403 ") == 1
    assert scene.statuses == [403]


def test_a_refused_visitor_gets_403_instead_of_100(scene: Scene) -> None:
    """RFC 9110, 10.1.1: a final status instead of the 100, so that the body is never sent."""
    nobody = scene.visitor()
    nobody.send(request("POST", "/", "Expect: 100-continue", "Content-Length: 1000000"))
    assert nobody.read().startswith(b"HTTP/1.1 403 ")
    assert nobody.said_goodbye


def test_a_refused_upgrade_is_answered_with_403(scene: Scene) -> None:
    """A WebSocket handshake is a request like any other."""
    nobody = scene.visitor()
    nobody.send(get("/ws", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="))
    assert nobody.read().startswith(b"HTTP/1.1 403 ")
    assert scene.app.attempts == []


def test_head_gets_a_403_without_body(scene: Scene) -> None:
    """RFC 9110, 9.3.2."""
    nobody = scene.visitor()
    nobody.send(request("HEAD", "/"))
    head, _, body = nobody.read().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 403 ")
    assert body == b""


def test_dates_are_judged_at_each_request(scene: Scene) -> None:
    """A certificate that expires while its connection is open is refused from that moment on."""
    alice = scene.visitor(make_client("alice", scene.files.authority))
    alice.send(get("/1"))
    assert scene.serve(alice) == OK
    scene.started += 31 * 86400
    alice.send(get("/2"))
    answer = alice.read()
    assert b"\r\nGatekeeper-Reason: expired\r\n" in answer
    assert alice.was_sent_away
    assert b"/2" not in scene.app.last.read()


EARLY = VerifyError(9, 0, "certificate is not yet valid")  # X509_V_ERR_CERT_NOT_YET_VALID
EARLY_AUTHORITY = VerifyError(9, 1, "certificate is not yet valid")
WRONG_PURPOSE = VerifyError(26, 0, "unsuitable certificate purpose")  # X509_V_ERR_INVALID_PURPOSE


@pytest.fixture
def public_scene(make_scene: Callable[..., Scene]) -> Scene:
    return make_scene(routes=[{"path": "/public", "public": True}, {"path": "/*"}])


def judged_early(visitor: Visitor, *errors: VerifyError) -> TLSConnection:
    """What the gate knows of this visitor if its handshake was before a notBefore that has passed since."""
    tls = visitor.connection.tls
    tls.peer = replace(tls.peer, verified=(), errors=errors)
    return tls


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("errors", [(EARLY,), (EARLY_AUTHORITY, EARLY)])
def test_a_not_before_that_has_passed_since_the_handshake_counts(
    scene: Scene, version: ssl.TLSVersion, errors: tuple[VerifyError, ...]
) -> None:
    """The first request is after it: the whole path is verified again, and only then is the visitor admitted."""
    alice = scene.visitor(scene.files.alice, version=version)
    tls = judged_early(alice, *errors)
    alice.send(get("/"))
    assert scene.serve(alice) == OK
    assert tls.peer.verified == (scene.files.authority.der,)
    assert b"\r\nX-SSL-Client-S-DN: CN=alice\r\n" in scene.app.last.read()


def test_a_not_before_may_pass_on_a_kept_connection(public_scene: Scene) -> None:
    """Between a request for a public page, which tells the app no name, and the next one."""
    scene = public_scene
    early = scene.visitor(make_client("alice", scene.files.authority, starts=NOW + DAY, ends=NOW + 2 * DAY))
    early.send(get("/public"))
    assert scene.serve(early) == OK
    assert b"CN=alice" not in scene.app.last.read()
    early.send(get("/"))
    assert b"\r\nGatekeeper-Reason: not_yet_valid\r\n" in early.read()
    alice = scene.alice()
    judged_early(alice, EARLY)
    alice.send(get("/public"))
    assert scene.serve(alice) == OK
    alice.send(get("/"))
    assert scene.serve(alice) == OK


@pytest.mark.parametrize("purpose", [SERVER, CLIENT])
def test_what_else_was_wrong_stays_wrong_after_a_not_before(scene: Scene, purpose: ObjectIdentifier) -> None:
    """A date hides no other error: verified again, the purpose is found wrong; and what the handshake found beside the
    date is not asked again."""
    visitor = scene.visitor(make_client("alice", scene.files.authority, [purpose]))
    judged_early(visitor, EARLY, *([WRONG_PURPOSE] if purpose is CLIENT else []))
    visitor.send(get("/"))
    assert b"\r\nGatekeeper-Reason: wrong_purpose\r\n" in visitor.read()
    assert scene.app.attempts == []


def test_an_early_certificate_is_verified_once_a_second(public_scene: Scene) -> None:
    """It takes OpenSSL 300 µs, and the visitor may send as many requests for public pages as it likes."""
    scene = public_scene
    early = scene.visitor(make_client("alice", scene.files.authority, starts=NOW + DAY, ends=NOW + 2 * DAY))
    tls = early.connection.tls
    scene.started = float(int(scene.started))
    found = []
    for _ in range(3):
        early.send(get("/public"))
        assert scene.serve(early) == OK
        found.append(tls.peer)
    scene.started += 1
    early.send(get("/public"))
    assert scene.serve(early) == OK
    assert found[0] is found[1] is found[2]
    assert tls.peer is not found[2]


def test_a_clock_that_is_set_back_has_everybody_judged_anew(scene: Scene) -> None:
    """To before the certificate's notBefore: the verdict from after it does not count."""
    alice = scene.alice()
    alice.send(get("/"))
    assert scene.serve(alice).startswith(b"HTTP/1.1 200 ")
    scene.started -= 400 * 86400
    alice.send(get("/"))
    assert alice.read().startswith(b"HTTP/1.1 403 ")
    assert scene.log.records[-1]["reason"] == "not_yet_valid"


def test_a_request_that_waited_for_its_turn_is_judged_when_its_turn_comes(scene: Scene) -> None:
    """Pipelining does not carry a verdict over."""
    alice = scene.visitor(make_client("alice", scene.files.authority))
    alice.send(get("/1") + get("/2"))
    scene.started += 31 * 86400
    answer = scene.serve(alice)
    assert answer.startswith(OK)
    assert b"\r\nGatekeeper-Reason: expired\r\n" in answer


def test_a_new_world_judges_anew(scene: Scene) -> None:
    """After a reload, open connections are judged by the new state, even where the old verdict still holds."""
    nameless = scene.visitor(make_client(" ", scene.files.authority))
    scene.proxy.snapshot = replace(scene.snapshot, policy=Policy(require_common_name=False))
    nameless.send(get("/1"))
    assert scene.serve(nameless) == OK
    scene.proxy.snapshot = scene.snapshot
    nameless.send(get("/2"))
    assert b"\r\nGatekeeper-Reason: blank_name\r\n" in nameless.read()


def test_the_app_learns_who_is_there(scene: Scene) -> None:
    """The nginx preset, from the certificate and nothing else."""
    alice = scene.alice()
    alice.send(get("/", "X-SSL-Client-S-DN: CN=root", "x_ssl_client_verify: NONE"))
    asked = scene.app.last.read()
    assert b"\r\nX-SSL-Client-Verify: SUCCESS\r\n" in asked
    assert b"\r\nX-SSL-Client-S-DN: CN=alice\r\n" in asked
    assert b"root" not in asked
    assert b"x_ssl" not in asked
