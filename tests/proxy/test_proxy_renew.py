"""A reload, and the end of a certificate, as open connections see them."""

import datetime
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from gatekeeper.gate.certificate import read_certificate
from gatekeeper.gate.decision import Maintenance
from gatekeeper.gate.revocation import RevocationList, Revocations, issuer_of
from gatekeeper.gate.routes import Routes
from gatekeeper.gate.verdict import Policy
from gatekeeper.proxy.snapshot import Snapshot, build_snapshot
from gatekeeper.proxy.upstream.endpoints import make_endpoints
from gatekeeper.proxy.upstream.pool import Pool
from tests.certificates import NOW, Holder, make_authority, make_client
from tests.proxy.scene import OK, SWITCHED, UPGRADE, Files, Scene, Visitor, get, request

CLOSED = b"\x88\x09\x03\xf0revoked"
BEGUN = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nonce upon a time"


def revoking(scene: Scene, *holders: Holder, next_update: float = 2e9) -> Snapshot:
    """The scene's snapshot, with a list that names these."""
    issuer = issuer_of(read_certificate(scene.files.authority.der))
    serials = frozenset(holder.certificate.serial_number for holder in holders)
    listed = RevocationList(issuer, 0.0, next_update, serials)
    return replace(scene.proxy.snapshot, policy=Policy(revocations=Revocations.of([listed])))


def renew(scene: Scene, snapshot: Snapshot) -> None:
    scene.proxy.renew(snapshot)
    scene.loop.settle()


def tunnel(scene: Scene, visitor: Visitor) -> None:
    visitor.send(UPGRADE)
    scene.loop.settle()
    scene.app.last.send(SWITCHED)
    assert visitor.read().startswith(b"HTTP/1.1 101 ")


def ask(scene: Scene, visitor: Visitor) -> bytes:
    visitor.send(get())
    scene.loop.settle()
    return visitor.read()


# -- revoked


def test_the_next_request_of_a_revoked_certificate_is_refused(scene: Scene) -> None:
    """On the connection that was open all the time; the app hears nothing of it."""
    alice = scene.alice()
    alice.send(get())
    scene.loop.settle()
    assert scene.serve(alice).startswith(b"HTTP/1.1 200 ")
    renew(scene, revoking(scene, scene.files.alice))
    got = ask(scene, alice)
    assert got.startswith(b"HTTP/1.1 403 ")
    assert b"Gatekeeper-Reason: revoked\r\n" in got
    assert len(scene.app.connections) == 1
    assert scene.proxy.metrics.refusals == {"revoked": 1}


def test_everybody_else_notices_nothing(scene: Scene) -> None:
    """Tunnels, downloads and idle connections of other certificates go on."""
    bob = make_client("bob", scene.files.authority)
    alice = scene.alice()
    tunnel(scene, alice)
    renew(scene, revoking(scene, bob))
    scene.app.last.send(b"\x81\x02hi")
    assert alice.read() == b"\x81\x02hi"
    alice.send(b"\x81\x80abcd")
    assert scene.app.last.read().endswith(b"\x81\x80abcd")


def test_a_websocket_is_closed_with_1008(scene: Scene) -> None:
    """RFC 6455, 7.4.1, between two frames; then the connection ends in order, and the app's too."""
    alice = scene.alice()
    tunnel(scene, alice)
    scene.app.last.send(b"\x81\x02hi")
    renew(scene, revoking(scene, scene.files.alice))
    assert alice.read() == b"\x81\x02hi" + CLOSED
    assert alice.said_goodbye
    assert alice.was_sent_away
    assert scene.app.last.is_gone
    assert scene.log.records[-1]["status"] == 101
    assert scene.log.records[-1]["reason"] == "revoked"


def test_a_websocket_in_the_middle_of_a_frame_is_cut(scene: Scene) -> None:
    """A close frame there would be part of the app's frame; so there is no goodbye at all."""
    alice = scene.alice()
    tunnel(scene, alice)
    scene.app.last.send(b"\x81\x05he")
    renew(scene, revoking(scene, scene.files.alice))
    assert alice.read() == b"\x81\x05he"
    assert not alice.said_goodbye
    assert alice.is_gone
    assert scene.app.last.is_gone


def test_after_the_apps_own_close_frame_comes_no_other(scene: Scene) -> None:
    """RFC 6455, 5.5.1: nothing is sent after a close frame."""
    alice = scene.alice()
    tunnel(scene, alice)
    scene.app.last.send(b"\x88\x02\x03\xe8")
    renew(scene, revoking(scene, scene.files.alice))
    assert alice.read() == b"\x88\x02\x03\xe8"
    assert alice.was_sent_away


def test_a_download_is_cut_so_that_it_looks_truncated(scene: Scene) -> None:
    """Without close_notify (RFC 8446, 6.1), and without waiting for a client that does not read."""
    alice = scene.alice()
    alice.send(get("/film"))
    scene.loop.settle()
    scene.app.last.send(BEGUN)
    renew(scene, revoking(scene, scene.files.alice))
    assert alice.read().endswith(b"once upon a time")
    assert not alice.said_goodbye
    assert alice.is_gone
    assert scene.app.last.is_gone
    assert scene.log.records[-1]["reason"] == "revoked"


def test_a_request_without_a_response_yet_is_refused(scene: Scene) -> None:
    """An upload, or a long poll: 403, once in the log, and the app sees a reset."""
    alice = scene.alice()
    alice.send(request("POST", "/film", "Content-Length: 1000", body=b"once upon a time"))
    scene.loop.settle()
    renew(scene, revoking(scene, scene.files.alice))
    assert alice.read().startswith(b"HTTP/1.1 403 ")
    assert alice.was_sent_away
    assert scene.app.last.is_gone
    assert scene.statuses == [403]
    assert scene.log.records[-1]["reason"] == "revoked"


def test_a_request_that_waits_for_the_app_to_be_reached_is_refused(scene: Scene) -> None:
    """The connection that was being made is given up."""
    scene.app.hangs = True
    alice = scene.alice()
    alice.send(get())
    scene.loop.settle()
    renew(scene, revoking(scene, scene.files.alice))
    assert alice.read().startswith(b"HTTP/1.1 403 ")
    scene.app.recover()


def test_who_was_refused_may_be_let_in_by_a_reload(scene: Scene) -> None:
    """On a new connection: the refusal closed the old one."""
    renew(scene, revoking(scene, scene.files.alice))
    assert ask(scene, scene.alice()).startswith(b"HTTP/1.1 403 ")
    renew(scene, revoking(scene))
    alice = scene.alice()
    alice.send(get())
    scene.loop.settle()
    assert scene.serve(alice, OK).startswith(b"HTTP/1.1 200 ")


# -- routes

PUBLIC = {"path": "/ws", "public": True}


def routed(scene: Scene, *routes: dict[str, Any]) -> Snapshot:
    """The scene's snapshot with these routes."""
    settings = scene.files.settings(routes=list(routes))
    return replace(scene.proxy.snapshot, settings=settings, routes=Routes(settings.routes, {}))


def test_a_public_tunnel_of_nobody_goes_on(scene: Scene) -> None:
    """It was not begun for a certificate, so the end of none concerns it."""
    renew(scene, routed(scene, PUBLIC))
    nobody = scene.visitor(None)
    tunnel(scene, nobody)
    renew(scene, revoking(scene, scene.files.alice))
    assert not nobody.was_sent_away


def test_a_public_tunnel_of_a_revoked_visitor_is_closed(scene: Scene) -> None:
    """The app was told a name that does not hold any more."""
    renew(scene, routed(scene, PUBLIC))
    alice = scene.alice()
    tunnel(scene, alice)
    renew(scene, revoking(scene, scene.files.alice))
    assert alice.read() == CLOSED


def test_a_tunnel_that_a_new_rule_forbids_is_closed(scene: Scene) -> None:
    """A change of the routes is judged for what is under way, too."""
    alice = scene.alice()
    tunnel(scene, alice)
    renew(scene, routed(scene, {"allow": [{"cn": "alice"}]}))
    assert not alice.was_sent_away
    renew(scene, routed(scene, {"deny": [{"cn": "alice"}]}))
    assert alice.read() == b"\x88\x0d\x03\xf0not_allowed"


ELSEWHERE = {"path": "/elsewhere"}


def test_a_tunnel_whose_route_is_gone_is_closed(scene: Scene) -> None:
    """A fresh request gets 404, so nothing goes on that was begun by the route."""
    renew(scene, routed(scene, {"path": "/ws"}))
    alice = scene.alice()
    tunnel(scene, alice)
    renew(scene, routed(scene, ELSEWHERE))
    assert alice.read() == b"\x88\x02\x03\xf0"
    assert alice.was_sent_away


def test_a_download_whose_route_is_gone_is_cut(scene: Scene) -> None:
    """It looks as truncated as it is."""
    alice = scene.alice()
    alice.send(get())
    scene.app.last.send(BEGUN)
    renew(scene, routed(scene, ELSEWHERE))
    assert alice.is_gone
    assert scene.app.last.is_gone


def test_a_request_whose_route_is_gone_gets_what_a_fresh_one_would(scene: Scene) -> None:
    """Nothing of an answer had come yet."""
    alice = scene.alice()
    alice.send(get())
    renew(scene, routed(scene, ELSEWHERE))
    assert alice.read().startswith(b"HTTP/1.1 404 ")
    assert scene.app.last.is_gone
    assert scene.statuses == [404]


def test_a_tunnel_whose_path_is_the_gates_own_now_is_closed(scene: Scene) -> None:
    """What the gate itself serves at that path never reached an app."""
    alice = scene.alice()
    tunnel(scene, alice)
    settings = scene.files.settings()
    renew(scene, replace(scene.proxy.snapshot, routes=Routes(settings.routes, {b"/ws": b"{}"})))
    assert alice.read() == b"\x88\x02\x03\xf0"


def test_a_tunnel_whose_route_leads_to_another_app_goes_on(make_scene: Callable[..., Scene]) -> None:
    """The near miss: a change of the app lets end what the old one was asked."""
    scene = make_scene(upstreams={"new": {"url": "http://127.0.0.1:9000"}})
    alice = scene.alice()
    tunnel(scene, alice)
    renew(scene, routed(scene, {"path": "/ws", "upstream": "new"}))
    assert not alice.was_sent_away


def test_a_tunnel_goes_on_while_the_apps_are_closed_for_maintenance(scene: Scene) -> None:
    """docs/operations.md: requests that have begun are not interrupted."""
    alice = scene.alice()
    tunnel(scene, alice)
    renew(scene, replace(scene.proxy.snapshot, maintenance=Maintenance()))
    assert not alice.was_sent_away


# -- another authority


def other_world(scene: Scene, files: Files, *authorities: Holder) -> Snapshot:
    path = files.folder / "other-ca.crt"
    path.write_bytes(b"".join(one.certificate_pem for one in authorities))
    settings = files.settings(client_auth={"ca": "other-ca.crt"})
    return build_snapshot(settings, scene.proxy.snapshot.upstreams, time.time())


def test_a_connection_is_verified_by_the_new_authorities(scene: Scene, files: Files) -> None:
    """Its certificate was good for the old CA. Here the new one even has the same name."""
    alice = scene.alice()
    alice.send(get())
    scene.loop.settle()
    scene.serve(alice)
    renew(scene, other_world(scene, files, make_authority("Home CA")))
    assert b"Gatekeeper-Reason: untrusted_issuer\r\n" in ask(scene, alice)


def test_a_tunnel_of_a_removed_authority_is_closed(scene: Scene, files: Files) -> None:
    """At once, not at its next request, which never comes."""
    alice = scene.alice()
    tunnel(scene, alice)
    renew(scene, other_world(scene, files, make_authority("Other CA")))
    assert alice.read() == b"\x88\x12\x03\xf0untrusted_issuer"
    assert alice.was_sent_away


def test_an_added_authority_disturbs_nobody(scene: Scene, files: Files) -> None:
    """The old one is still there: tunnels go on, requests too."""
    alice, other = scene.alice(), scene.alice()
    tunnel(scene, alice)
    renew(scene, other_world(scene, files, files.authority, make_authority("Other CA")))
    assert not alice.was_sent_away
    other.send(get())
    scene.loop.settle()
    assert scene.serve(other).startswith(b"HTTP/1.1 200 ")


def test_a_handshake_during_a_reload_is_judged_by_the_new_authorities(scene: Scene, files: Files) -> None:
    """It began with the old TLS context and ended after the reload."""
    alice = scene.connect()
    renew(scene, other_world(scene, files, make_authority("Other CA")))
    alice.shake_hands(files.alice)
    assert b"Gatekeeper-Reason: untrusted_issuer\r\n" in ask(scene, alice)


# -- the end of a certificate, and of a list


@pytest.fixture
def brief(files: Files) -> Holder:
    """Good for another hour."""
    return make_client("brief", files.authority, ends=NOW + datetime.timedelta(hours=1))


@pytest.mark.parametrize("begin", [tunnel, lambda scene, visitor: visitor.send(get())])
def test_what_is_under_way_ends_with_the_certificate(
    make_scene: Callable[..., Scene], brief: Holder, begin: Callable[[Scene, Visitor], Any]
) -> None:
    """At notAfter, by a timer: no byte has to move."""
    scene = make_scene(timeouts={"tunnel_idle": "9h", "response_header": "9h"})
    visitor = scene.visitor(brief)
    begin(scene, visitor)
    scene.loop.advance(3590 - (time.time() - NOW.timestamp()))
    assert not visitor.was_sent_away
    scene.loop.advance(12)
    assert b"expired" in visitor.read()
    assert visitor.was_sent_away


def test_tunnels_end_when_a_list_is_not_renewed_in_time(make_scene: Callable[..., Scene]) -> None:
    """``crl_stale = "deny"``: from nextUpdate on nobody can say who was revoked."""
    scene = make_scene(timeouts={"tunnel_idle": "9h"})
    renew(scene, revoking(scene, next_update=scene.wall() + 60))
    alice = scene.alice()
    tunnel(scene, alice)
    scene.loop.advance(59)
    assert not alice.was_sent_away
    scene.loop.advance(2)
    assert alice.read() == b"\x88\x14\x03\xf0revocation_unknown"


def test_a_renewed_list_moves_the_end(make_scene: Callable[..., Scene]) -> None:
    """The timer of the old list finds a verdict that holds longer."""
    scene = make_scene(timeouts={"tunnel_idle": "9h"})
    renew(scene, revoking(scene, next_update=scene.wall() + 60))
    alice = scene.alice()
    tunnel(scene, alice)
    renew(scene, revoking(scene, next_update=scene.wall() + 6000))
    scene.loop.advance(70)
    assert not alice.was_sent_away


# -- many connections, and the apps


def test_many_connections_are_judged_in_slices(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Traffic gets its turn in between; in the end all are judged."""
    monkeypatch.setattr("gatekeeper.proxy.proxy.SLICE_SECONDS", 0.0)
    visitors = [scene.alice() for _ in range(5)]
    for visitor in visitors:
        tunnel(scene, visitor)
    scene.proxy.renew(revoking(scene, scene.files.alice))
    assert sum(visitor.was_sent_away for visitor in visitors) == 1
    scene.loop.settle()
    assert all(visitor.was_sent_away for visitor in visitors)


def test_who_cannot_be_judged_is_cut_and_nobody_else(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An exception about one connection neither lets that one go on nor keeps those behind it from being judged."""
    visitors = [scene.alice() for _ in range(5)]
    for visitor in visitors:
        tunnel(scene, visitor)
    wall, failures = scene.proxy.wall, iter([ZeroDivisionError])

    def fail_once() -> float:
        for failure in failures:
            raise failure
        return wall()

    monkeypatch.setattr(scene.proxy, "wall", fail_once)
    scene.proxy.renew(revoking(scene, scene.files.alice))
    scene.loop.settle()
    assert "ZeroDivisionError" in caplog.text
    assert all(visitor.is_gone or visitor.was_sent_away for visitor in visitors)


def test_a_pool_that_cannot_be_replaced_keeps_nobody_in(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails in a reload after the new state is in force does not spare open connections their judgement."""
    alice, other = scene.alice(), scene.alice()
    tunnel(scene, alice)
    other.send(get())
    scene.loop.settle()
    scene.serve(other)
    idle = scene.app.last.transport
    monkeypatch.setattr(idle, "abort", lambda: 1 / 0)
    snapshot = revoking(scene, scene.files.alice)
    with pytest.raises(ZeroDivisionError):
        scene.proxy.renew(replace(snapshot, upstreams=make_other_app(scene).upstreams))
    scene.loop.settle()
    assert alice.read() == CLOSED
    monkeypatch.undo()
    idle.abort()


def test_idle_connections_to_a_replaced_app_are_closed(scene: Scene) -> None:
    """What is under way there goes on."""
    first, second = scene.alice(), scene.alice()
    for visitor in (first, second):
        visitor.send(get())
    scene.loop.settle()
    busy, idle = scene.app.connections
    idle.send(OK)
    snapshot = make_other_app(scene)
    renew(scene, snapshot)
    assert idle.is_gone
    assert not busy.is_gone
    busy.send(OK)
    assert first.read().endswith(b"ok")


def make_other_app(scene: Scene) -> Snapshot:
    upstream = scene.files.settings(upstream={"url": "http://127.0.0.1:9000"}).every_upstream["default"]
    return replace(
        scene.snapshot, upstreams={"default": Pool(upstream, make_endpoints("default", upstream, {}), scene.loop)}
    )
