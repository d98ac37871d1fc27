"""``upstream.timeouts`` and ``upstream.request_body``: an app that is slower, or takes more, than the others."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.proxy.scene import Scene, get, request

Make = Callable[..., Scene]
URL = "http://127.0.0.1:8000"


def two_apps(**own: Any) -> dict[str, Any]:
    """One app with settings of its own, and another one without."""
    return {
        "upstream": {"url": URL},
        "upstreams": {"slow": {"url": URL, **own}},
        "routes": [{"path": "/slow/*", "upstream": "slow"}, {"path": "/*"}],
    }


def status_after(scene: Scene, target: str, seconds: float) -> bytes:
    alice = scene.alice()
    alice.send(get(target))
    scene.loop.advance(seconds)
    return alice.read()[9:12]


def test_an_app_may_take_its_time(make_scene: Make) -> None:
    """The others are given up when they always were."""
    scene = make_scene(**two_apps(timeouts={"response_header": "10m"}))
    assert status_after(scene, "/", 61.0) == b"504"
    assert status_after(scene, "/slow/", 61.0) == b""
    assert status_after(scene, "/slow/", 601.0) == b"504"


def test_what_is_not_set_is_as_for_every_app(make_scene: Make) -> None:
    """One timeout of its own leaves the rest."""
    scene = make_scene(**two_apps(timeouts={"stream_idle": "10m"}), timeouts={"response_header": "5s"})
    assert status_after(scene, "/slow/", 6.0) == b"504"


def upload(scene: Scene, target: str) -> bytes:
    alice = scene.alice()
    alice.send(request("POST", target, "Content-Length: 2000", body=b"x" * 2000))
    return alice.read()[9:12]


def test_an_app_may_take_more(make_scene: Make) -> None:
    """Or anything; the others are protected as before, and one may be stricter too."""
    limits = {"limits": {"request_body": "1KiB"}}
    for own, expected in (("4KiB", b""), ("unlimited", b""), ("512B", b"413")):
        scene = make_scene(**two_apps(request_body=own), **limits)
        assert upload(scene, "/slow/") == expected
        assert upload(scene, "/") == b"413"


def test_a_reload_changes_what_holds_for_every_app(make_scene: Make) -> None:
    """Also where the app itself, and so its pool, stays as it is."""
    scene = make_scene(**two_apps())
    settings = scene.files.settings(**two_apps(), timeouts={"response_header": "5s"})
    scene.proxy.renew(replace(scene.proxy.snapshot, settings=settings))
    assert status_after(scene, "/slow/", 6.0) == b"504"
