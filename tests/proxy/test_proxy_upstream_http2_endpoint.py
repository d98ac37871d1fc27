"""What an endpoint of HTTP/2 says of itself: how busy it is, and whether a request can go there."""

from collections.abc import Callable
from math import inf
from typing import Any

from gatekeeper.proxy.upstream.http2_endpoint import HTTP2Endpoint
from tests.proxy.http2_app import H2C, HTTP2App, started
from tests.proxy.scene import Scene, get

Make = Callable[..., Scene]


def said(scene: Scene) -> dict[str, Any]:
    """Each property that pool and status page ask for."""
    endpoint = endpoint_of(scene)
    return {name: getattr(endpoint, name) for name in ("busy", "idle", "has_capacity", "may_open")}


def endpoint_of(scene: Scene) -> HTTP2Endpoint:
    endpoint = scene.proxy.snapshot.upstreams["default"].endpoints[0]
    assert isinstance(endpoint, HTTP2Endpoint)
    return endpoint


def asked(make_scene: Make, **settings: int) -> tuple[Scene, HTTP2App]:
    """One request under way, on the first connection."""
    scene = make_scene(**H2C)
    scene.alice().send(get("/"))
    return scene, started(scene, **settings)


def test_nothing_is_open_before_the_first_request(make_scene: Make) -> None:
    """And a connection may be made."""
    scene = make_scene(**H2C)
    assert said(scene) == {"busy": 0, "idle": 0, "has_capacity": True, "may_open": True}
    assert endpoint_of(scene).acquire() is None


def test_no_second_connection_is_made_before_the_first_has_told_its_limits(make_scene: Make) -> None:
    """The app may take a hundred requests on it."""
    scene = make_scene(**H2C)
    scene.alice().send(get("/"))
    assert said(scene) == {"busy": 1, "idle": 0, "has_capacity": False, "may_open": False}


def test_a_connection_with_room_is_shared(make_scene: Make) -> None:
    """No other one is needed."""
    scene, _ = asked(make_scene, max_concurrent_streams=2)
    assert said(scene) == {"busy": 1, "idle": 0, "has_capacity": True, "may_open": False}
    assert endpoint_of(scene).acquire() is not None


def test_a_full_connection_lets_another_be_made(make_scene: Make) -> None:
    """As far as ``max_connections`` allows."""
    scene, _ = asked(make_scene, max_concurrent_streams=1)
    assert said(scene) == {"busy": 1, "idle": 0, "has_capacity": True, "may_open": True}
    endpoint_of(scene).limit = 1
    assert said(scene) == {"busy": 1, "idle": 0, "has_capacity": False, "may_open": False}
    assert endpoint_of(scene).acquire() is None


def test_an_idle_connection_is_kept_until_it_is_old(make_scene: Make) -> None:
    """Whatever has been idle since before the time that `close_idle` is told."""
    scene, app = asked(make_scene)
    app.answer(1)
    assert said(scene) == {"busy": 0, "idle": 1, "has_capacity": True, "may_open": False}
    assert endpoint_of(scene).close_idle(before=scene.loop.time()) == 1
    scene.loop.advance(1)
    assert said(scene)["idle"] == 1
    assert endpoint_of(scene).close_idle(before=scene.loop.time()) == 0
    assert said(scene)["idle"] == 0
    scene.loop.settle()
    assert said(scene) == {"busy": 0, "idle": 0, "has_capacity": True, "may_open": True}


def test_a_busy_connection_is_closed_behind_its_last_request(make_scene: Make) -> None:
    """It takes no further ones."""
    scene, app = asked(make_scene)
    endpoint_of(scene).close_idle(inf)
    assert endpoint_of(scene).acquire() is None
    app.answer(1)
    assert scene.statuses == [200]
    scene.loop.settle()
    assert said(scene) == {"busy": 0, "idle": 0, "has_capacity": True, "may_open": True}


def test_the_authority_for_clients_that_name_no_host(make_scene: Make) -> None:
    """The address of the app; a connection without TLS is plain http (RFC 9113, 8.3.1)."""
    scene, app = asked(make_scene)
    request = app.requests()[1]
    assert request[b":scheme"] == b"http"
    visitor = scene.alice()
    visitor.send(b"GET / HTTP/1.0\r\n\r\n")
    assert app.requests()[3][b":authority"] == b"127.0.0.1:8000"
