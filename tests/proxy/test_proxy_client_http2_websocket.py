"""WebSockets over HTTP/2 (RFC 8441), to an app that speaks HTTP/1.1."""

import base64
import hashlib
import re
from typing import Any

import pytest

from tests.proxy.browser import Browser
from tests.proxy.scene import OK, Files, Scene

KEY = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def websocket(stage: Any, files: Files, *, right: bool = True) -> tuple[Scene, Browser, int]:
    scene = stage()
    browser = Browser(scene, files.alice)
    stream = browser.ask("/chat", ("sec-websocket-version", "13"), method="CONNECT", protocol="websocket", end=False)
    asked = scene.app.last.read()
    found = re.search(rb"Sec-WebSocket-Key: (\S+)\r\n", asked)
    assert found is not None
    key = found.group(1) if right else b"x"
    accept = base64.b64encode(hashlib.sha1(key + KEY).digest())
    scene.app.last.send(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )
    browser.read()
    return scene, browser, stream


def test_a_websocket_goes_both_ways(stage: Any, files: Files) -> None:
    """RFC 8441: extended CONNECT here, Upgrade to the app."""
    scene, browser, stream = websocket(stage, files)
    assert browser.answers[stream].status == 200
    browser.send(stream, b"\x81\x00")
    assert scene.app.last.read() == b"\x81\x00"
    scene.app.last.send(b"\x81\x02hi")
    browser.read()
    assert browser.answers[stream].content == b"\x81\x02hi"
    scene.app.last.close()
    browser.read()
    assert browser.answers[stream].ended


def test_an_app_that_does_not_know_the_key_gets_no_tunnel(stage: Any, files: Files) -> None:
    """RFC 6455, 4.1."""
    _, browser, stream = websocket(stage, files, right=False)
    assert browser.answers[stream].reset is not None
    assert browser.answers[stream].status == 0


@pytest.mark.parametrize("answer", [OK, OK[:-1]], ids=["whole", "its beginning"])
def test_a_plain_answer_to_a_websocket_handshake_is_no_tunnel(stage: Any, files: Files, answer: bytes) -> None:
    """RFC 8441, 5: 200 would open one for the visitor."""
    scene = stage()
    browser = Browser(scene, files.alice)
    stream = browser.ask("/", ("sec-websocket-version", "13"), method="CONNECT", protocol="websocket", end=False)
    scene.app.last.send(answer)
    browser.read()
    assert browser.answers[stream].status == 502
    assert browser.answers[stream].content == b""
