"""``upstream.host`` and ``routes.strip_prefix`` on the wire; rules, log and withdrawal see what the visitor asked."""

from collections.abc import Callable
from typing import Any

import pytest

from gatekeeper.gate.routes import NoRoute
from gatekeeper.wire.webdav import AMBIGUOUS_ADDRESS, ELSEWHERE
from tests.proxy.scene import Scene, get, request, undated

Make = Callable[..., Scene]
PHOTOS: list[dict[str, Any]] = [{"path": "/photos/*", "strip_prefix": True}, {"path": "/*"}]
FOUND = b"HTTP/1.1 302 Found\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n"


def first_line(asked: bytes) -> bytes:
    return asked.partition(b"\r\n")[0]


def test_a_stripped_path_reaches_the_app(make_scene: Make) -> None:
    """Its log line has the path that was asked for."""
    scene = make_scene(routes=PHOTOS)
    alice = scene.alice()
    alice.send(get("/photos/a?b"))
    asked = scene.app.last.read()
    assert first_line(asked) == b"GET /a?b HTTP/1.1"
    assert b"\r\nX-Forwarded-Prefix: /photos\r\n" in asked
    scene.serve(alice)
    assert scene.log.records[-1]["target"] == "/photos/a?b"


def test_a_body_and_a_websocket_go_the_same_way(make_scene: Make) -> None:
    """The head is not the short one then."""
    scene = make_scene(routes=PHOTOS)
    alice = scene.alice()
    alice.send(request("POST", "/photos/a", "Content-Length: 2", body=b"ab"))
    asked = scene.app.last.read()
    assert first_line(asked) == b"POST /a HTTP/1.1"
    assert asked.endswith(b"\r\n\r\nab")


def test_another_route_of_the_app_is_not_stripped(make_scene: Make) -> None:
    """The route decides, not the app."""
    scene = make_scene(routes=PHOTOS)
    alice = scene.alice()
    alice.send(get("/other/a"))
    asked = scene.app.last.read()
    assert first_line(asked) == b"GET /other/a HTTP/1.1"
    assert b"X-Forwarded-Prefix" not in asked


@pytest.mark.parametrize(
    ("configured", "got"),
    [("visitor", b"app.example.com"), ("upstream", b"127.0.0.1:8000"), ("inside.example", b"inside.example")],
)
def test_the_host_that_the_app_gets(make_scene: Make, configured: str, got: bytes) -> None:
    """The visitor's is told beside it in any case."""
    scene = make_scene(upstream={"url": "http://127.0.0.1:8000", "host": configured})
    alice = scene.alice()
    alice.send(get("/"))
    asked = scene.app.last.read()
    assert b"\r\nHost: %b\r\n" % got in asked
    assert b"\r\nX-Forwarded-Host: app.example.com\r\n" in asked
    assert asked.count(b"Host: ") == 2


@pytest.mark.parametrize("configured", ["upstream", "inside.example"])
def test_a_client_without_host_gets_that_too(make_scene: Make, configured: str) -> None:
    """HTTP/1.0 may leave it out."""
    scene = make_scene(upstream={"url": "http://127.0.0.1:8000", "host": configured})
    alice = scene.alice()
    alice.send(b"GET / HTTP/1.0\r\n\r\n")
    expected = b"127.0.0.1:8000" if configured == "upstream" else b"inside.example"
    assert scene.app.last.read().count(b"Host: " + expected + b"\r\n") == 1


def test_a_redirect_to_the_apps_own_address_is_mapped_back(make_scene: Make) -> None:
    """As nginx does by default; below the path that the app does not see, where there is one."""
    for tables, location in (({}, b"/login"), ({"routes": PHOTOS}, b"/photos/login")):
        scene = make_scene(**tables)
        alice = scene.alice()
        alice.send(get("/photos/"))
        got = undated(scene.serve(alice, FOUND % b"http://127.0.0.1:8000/login"))
        assert got == FOUND % location


def test_a_redirect_elsewhere_is_not_touched(scene: Scene) -> None:
    """Not even its case."""
    alice = scene.alice()
    alice.send(get("/"))
    sent = FOUND % b"HTTPS://Elsewhere.example/"
    assert undated(scene.serve(alice, sent)) == sent


@pytest.mark.parametrize(
    ("method", "target", "status", "location"),
    [
        ("GET", "/photos", b"301 Moved Permanently", b"./photos/"),
        ("HEAD", "/photos?a=/b?c", b"301 Moved Permanently", b"./photos/?a=/b?c"),
        ("POST", "/photos", b"308 Permanent Redirect", b"./photos/"),
    ],
)
def test_the_prefix_alone_is_redirected(
    make_scene: Make, method: str, target: str, status: bytes, location: bytes
) -> None:
    """As nginx does for a location with a slash at its end; no app is asked, and the connection stays."""
    scene = make_scene(routes=PHOTOS)
    alice = scene.alice()
    alice.send(request(method, target, "Content-Length: 0"))
    got = undated(alice.read())
    assert got == (
        b"HTTP/1.1 %b\r\nLocation: %b\r\nCache-Control: no-store\r\nContent-Length: 0\r\n\r\n" % (status, location)
    )
    assert scene.log.records[-1]["status"] == int(status[:3])
    alice.send(get("/photos/"))
    assert first_line(scene.app.last.read()) == b"GET / HTTP/1.1"


def test_only_who_may_use_the_route_is_redirected(make_scene: Make) -> None:
    """Everyone else is told nothing of it."""
    scene = make_scene(routes=[PHOTOS[0] | {"allow": [{"ou": "ops"}]}, PHOTOS[1]])
    for visitor in (scene.alice(), scene.visitor()):
        visitor.send(get("/photos"))
        assert visitor.read().startswith(b"HTTP/1.1 403 ")


def test_a_public_prefix_alone_is_redirected(make_scene: Make) -> None:
    """Though public paths are compared by the letter: nothing but the redirect is opened."""
    scene = make_scene(routes=[PHOTOS[0] | {"public": True}, PHOTOS[1]])
    stranger = scene.visitor()
    stranger.send(get("/photos"))
    assert b"\r\nLocation: ./photos/\r\n" in stranger.read()
    for target in ("/Photos", "/photosynthesis", "/"):
        stranger = scene.visitor()
        stranger.send(get(target))
        assert b" 403 Forbidden\r\n" in stranger.read()


def test_a_route_that_keeps_its_path_redirects_nobody(make_scene: Make) -> None:
    """The app gets the path as it came, and may answer it."""
    scene = make_scene(routes=[{"path": "/photos/*"}])
    scene.alice().send(get("/photos"))
    assert first_line(scene.app.last.read()) == b"GET /photos HTTP/1.1"


def test_a_destination_below_the_prefix_reaches_the_app(make_scene: Make) -> None:
    """Without the prefix."""
    scene = make_scene(routes=PHOTOS)
    scene.alice().send(request("MOVE", "/photos/a", "Destination: https://app.example.com/photos/b"))
    assert b"\r\nDestination: https://app.example.com/b\r\n" in scene.app.last.read()


@pytest.mark.parametrize(("where", "answer"), [("/b", ELSEWHERE), ("/photos/../b", AMBIGUOUS_ADDRESS)])
def test_a_destination_elsewhere_does_not_reach_the_app(make_scene: Make, where: str, answer: NoRoute) -> None:
    """RFC 4918, 9.8.5: 502. The app would look for it below its own root. The connection goes on."""
    scene = make_scene(routes=PHOTOS)
    alice = scene.alice()
    alice.send(request("MOVE", "/photos/a", f"Destination: {where}"))
    assert not scene.app.connections
    assert first_line(alice.read()).startswith(b"HTTP/1.1 %d " % answer.status)
    assert (scene.log.records[-1]["status"], scene.log.records[-1]["detail"]) == (answer.status, answer.detail)
    alice.send(request("MOVE", "/other/a", f"Destination: {where}"))
    assert b"\r\nDestination: %b\r\n" % where.encode() in scene.app.last.read()
