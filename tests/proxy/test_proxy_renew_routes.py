"""A reload that changes the routes, as open connections see it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from gatekeeper.gate.decision import Maintenance
from gatekeeper.gate.routes import Routes
from gatekeeper.proxy.snapshot import Snapshot
from tests.proxy.reloading import BEGUN, CLOSED, renew, revoking, tunnel
from tests.proxy.scene import Scene, get

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
