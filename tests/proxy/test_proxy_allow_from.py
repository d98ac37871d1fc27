"""``routes.allow_from`` on the wire, for requests of either version of HTTP and after a reload."""

from collections.abc import Callable
from dataclasses import replace

from gatekeeper.gate.routes import Routes
from tests.proxy.browser import Browser
from tests.proxy.scene import ADDRESS, OK, Files, Scene, get

HERE, ELSEWHERE = f"{ADDRESS[0]}/32", "198.51.100.0/24"


def routes(network: str) -> list[dict[str, object]]:
    return [{"path": "/admin/*", "allow_from": [network]}, {"path": "/*"}]


def test_a_request_from_the_network_is_forwarded(make_scene: Callable[..., Scene]) -> None:
    """The address is that of the connection."""
    scene = make_scene(routes=routes(HERE))
    alice = scene.alice()
    alice.send(get("/admin/"))
    assert scene.serve(alice) == OK


def test_a_request_from_elsewhere_is_refused(make_scene: Callable[..., Scene]) -> None:
    """With the reason; a header does not help, and the other route is open."""
    scene = make_scene(routes=routes(ELSEWHERE))
    alice = scene.alice()
    alice.send(get("/admin/", "X-Forwarded-For: 198.51.100.1"))
    answer = alice.read()
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert b"Gatekeeper-Reason: not_allowed\r\n" in answer
    assert b"not open to your network address" in answer
    again = scene.alice()
    again.send(get("/"))
    assert scene.serve(again) == OK


def test_http_2_is_refused_alike(make_scene: Callable[..., Scene], files: Files) -> None:
    """Each stream is asked."""
    scene = make_scene(routes=routes(ELSEWHERE))
    browser = Browser(scene, files.alice)
    stream = browser.ask("/admin/")
    browser.read()
    assert browser.answers[stream].status == 403


def test_a_reload_that_closes_the_route_ends_what_is_under_way(make_scene: Callable[..., Scene]) -> None:
    """A request that a fresh one would not get through any more is withdrawn."""
    scene = make_scene(routes=routes(HERE))
    alice = scene.alice()
    alice.send(get("/admin/"))
    elsewhere = scene.files.settings(routes=routes(ELSEWHERE))
    scene.proxy.renew(replace(scene.proxy.snapshot, settings=elsewhere, routes=Routes(elsewhere.routes)))
    scene.loop.settle()
    assert alice.read().startswith(b"HTTP/1.1 403 ")
