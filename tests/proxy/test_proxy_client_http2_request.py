"""What comes with a request of HTTP/2: a body that waits for its app, its window, and the end of a tunnel."""

from typing import Any

import pytest

from tests.proxy.browser import Browser
from tests.proxy.scene import OK, Files
from tests.proxy.test_proxy_client_http2_websocket import websocket


@pytest.mark.parametrize("whole", [True, False])
def test_a_body_waits_for_its_app(stage: Any, files: Files, whole: bool) -> None:
    """What comes while the gate connects is held back, with its end, and passed on in order."""
    scene = stage()
    scene.app.hangs = True
    browser = Browser(scene, files.alice)
    stream = browser.ask("/", method="POST", end=False)
    browser.send(stream, b"abc")
    browser.send(stream, b"def", end=whole)
    scene.app.recover()
    last = b"0\r\n\r\n"
    assert scene.app.last.read().endswith(b"\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n" + (last if whole else b""))
    if not whole:
        browser.send(stream, b"g", end=True)
        assert scene.app.last.read() == b"1\r\ng\r\n" + last
    scene.app.last.send(OK)
    browser.read()
    assert browser.answers[stream].content == b"ok"


def test_what_is_held_back_gives_no_window(stage: Any, files: Files) -> None:
    """RFC 9113, 6.9: nobody can make the gate hold more than one window for an app that is not there."""
    scene = stage()
    scene.app.hangs = True
    browser = Browser(scene, files.alice)
    stream = browser.ask("/", method="POST", end=False)
    held = 0
    while size := min(browser.h2.local_flow_control_window(stream), 16384):
        browser.send(stream, bytes(size))
        held += size
        assert held <= 1 << 20
    scene.app.recover()
    browser.read()
    assert browser.h2.local_flow_control_window(stream) > 0


def test_a_websocket_ends_with_its_stream(stage: Any, files: Files) -> None:
    """RFC 8441, 5: END_STREAM is the tunnel's FIN; other requests of the connection go on."""
    scene, browser, stream = websocket(stage, files)
    other = browser.ask("/other")
    tunnel = scene.app.connections[0]
    browser.send(stream, b"\x88\x80abcd", end=True)
    assert tunnel.read() == b"\x88\x80abcd"
    assert tunnel.is_gone
    scene.app.last.send(OK)
    browser.read()
    assert browser.answers[other].ended


def test_a_request_over_the_limit_is_answered_with_413(stage: Any, files: Files) -> None:
    """limits.request_body; the app does not get what was too much."""
    scene = stage(limits={"request_body": "1000B"})
    browser = Browser(scene, files.alice)
    stream = browser.ask("/", method="POST", end=False)
    browser.send(stream, bytes(1001), end=True)
    assert browser.answers[stream].status == 413
    assert scene.app.last.is_gone
    assert len(scene.app.last.read().partition(b"\r\n\r\n")[2]) < 1000
