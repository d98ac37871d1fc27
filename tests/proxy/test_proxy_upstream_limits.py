"""``upstream.timeouts`` and ``upstream.request_body``: an app that is slower, or takes more, than the others."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.proxy.browser import Browser
from tests.proxy.http2_app import started
from tests.proxy.scene import Files, Scene, get, request

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


WATCH = (("content-type", "application/grpc"), ("te", "trailers"), ("grpc-timeout", "2H"))
PATIENT = {"response_header": "1h", "stream_idle": "1h"}


@pytest.mark.parametrize("began", [False, True])
@pytest.mark.parametrize(("own", "ended"), [({}, True), ({"timeouts": PATIENT}, False)])
def test_a_watch_is_silent_as_long_as_its_app_may_be(
    make_scene: Make, files: Files, own: dict[str, Any], ended: bool, began: bool
) -> None:
    """A call that allows itself two hours is given up after a minute, before its first message and after it, unless the
    app's own timeouts say otherwise: a visitor must not decide how long it keeps the gate busy.
    """
    scene = make_scene(upstream={"url": "h2c://127.0.0.1:8000", **own})
    browser = Browser(scene, files.alice)
    call = browser.ask("/test.Stock/Watch", *WATCH, method="POST")
    app = started(scene)
    if began:
        (stream,) = app.requests()
        app.h2.send_headers(stream, ((b":status", b"200"), (b"content-type", b"application/grpc")))
        app.h2.send_data(stream, b"\0\0\0\0\x01a")
        app.send()
    scene.loop.advance(300)
    browser.read()
    answer = browser.answers[call]
    assert (answer.reset is not None or answer.ended) == ended
    assert answer.headers.get("grpc-status", "") == ("14" if ended and not began else "")


def test_a_watch_lives_on_each_message(make_scene: Make, files: Files) -> None:
    """What counts is the time without a byte of either side's messages."""
    scene = make_scene(upstream={"url": "h2c://127.0.0.1:8000"})
    browser = Browser(scene, files.alice)
    call = browser.ask("/test.Stock/Watch", *WATCH, method="POST")
    app = started(scene)
    (stream,) = app.requests()
    app.h2.send_headers(stream, ((b":status", b"200"), (b"content-type", b"application/grpc")))
    for number in range(10):
        app.h2.send_data(stream, b"\0\0\0\0\x01a")
        app.send()
        scene.loop.advance(50)
        browser.read()
        assert len(browser.answers[call].content) == 6 * (number + 1)
    assert browser.answers[call].reset is None
