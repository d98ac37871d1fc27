"""What a request that is under way was forwarded for: it ends when that is no longer true."""

from dataclasses import replace
from typing import Any

import pytest

from gatekeeper.gate.routes import Routes
from tests.proxy.reloading import renew, revoking
from tests.proxy.scene import OK, Scene, get


def test_on_a_public_route_it_ends_with_the_certificate(make_scene: Any) -> None:
    """The app was told whose request it is, although it would have taken one of nobody's."""
    scene: Scene = make_scene(routes=[{"public": True}])
    alice, nobody = scene.alice(), scene.visitor()
    alice.send(get())
    assert b"CN=alice" in scene.app.last.read()
    nobody.send(get())
    renew(scene, revoking(scene, scene.files.alice))
    assert b"\r\nGatekeeper-Reason: revoked\r\n" in alice.read()
    assert scene.serve(nobody) == OK


@pytest.mark.parametrize(
    ("routes", "target"),
    [(Routes([], local=True), "/.gatekeeper/invite/x"), (Routes([], documents=[b"/keys"]), "/keys")],
)
def test_it_ends_where_the_path_becomes_the_gates_own(scene: Scene, routes: Routes, target: str) -> None:
    """No app answers there any more: neither a page below the gate's own prefix nor a document."""
    alice = scene.alice()
    alice.send(get(target))
    assert scene.app.last.read().startswith(f"GET {target} ".encode())
    renew(scene, replace(scene.proxy.snapshot, routes=routes))
    assert alice.read().startswith(b"HTTP/1.1 404 ")
