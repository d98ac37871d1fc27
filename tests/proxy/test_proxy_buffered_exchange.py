"""Requests whose whole body the gate has before it asks the app (``upstream.request_buffering``)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h2.events
import pytest

from gatekeeper.proxy.request_buffer import PIECE_BYTES
from gatekeeper.proxy.upstream.http1 import WRITE_HIGH_WATER
from tests.proxy.browser import Browser
from tests.proxy.buffering import BUFFERING, CHUNKED, LARGE, chunk, open_files, stalled_app
from tests.proxy.http2_app import started
from tests.proxy.scene import OK, Files, Scene, get, request


@pytest.fixture
def scene(make_scene: Callable[..., Scene]) -> Scene:
    return make_scene(upstream=BUFFERING)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


# -- the body


def test_chunks_become_a_length(scene: Scene) -> None:
    """The app is asked once everything is there, and gets what it can read; trailers have no place in that."""
    alice = scene.alice()
    alice.send(request("PUT", "/", CHUNKED, "Expires: 0", body=b"2\r\nab\r\n"))
    alice.send(b"3\r\ncde\r\n")
    assert scene.app.connections == []
    alice.send(b"0\r\nX-Sum: 1\r\n\r\n")
    head, _, body = scene.app.last.read().partition(b"\r\n\r\n")
    assert b"\r\nContent-Length: 5\r\n" in head
    assert b"chunked" not in head
    assert b"\r\nExpires: 0\r\n" in head
    assert body == b"abcde"
    assert scene.serve(alice) == OK
    alice.send(get("/next"))
    assert scene.app.last.read().startswith(b"GET /next ")


def test_a_body_of_known_length_waits_too(scene: Scene) -> None:
    """An app with few workers is not kept busy by a slow client."""
    alice = scene.alice()
    alice.send(request("POST", "/", "Content-Length: 4", body=b"ab"))
    assert scene.app.connections == []
    alice.send(b"cd")
    asked = scene.app.last.read()
    assert asked.count(b"Content-Length: 4\r\n") == 1
    assert asked.endswith(b"\r\n\r\nabcd")


def test_an_empty_body_has_length_0(scene: Scene) -> None:
    """Chunks without content."""
    alice = scene.alice()
    alice.send(request("PUT", "/", CHUNKED, body=b"0\r\n\r\n"))
    assert b"\r\nContent-Length: 0\r\n" in scene.app.last.read()
    assert scene.serve(alice) == OK


def test_without_a_body_nothing_waits(scene: Scene) -> None:
    """GET, and a POST of length 0."""
    for asked in (get("/"), request("POST", "/", "Content-Length: 0")):
        alice = scene.alice()
        alice.send(asked)
        assert scene.serve(alice) == OK


def test_a_large_body_goes_through_a_file(scene: Scene, folder: Path) -> None:
    """As fast as the app takes it, and complete."""
    alice = scene.alice()
    alice.send(request("PUT", "/", CHUNKED))
    for number in range(5):
        alice.send(chunk(PIECE_BYTES, number))
    alice.send(chunk(5, 5))
    scene.app.hangs = True
    alice.send(b"0\r\n\r\n")
    scene.app.recover()
    app = scene.app.last
    head, _, body = app.read().partition(b"\r\n\r\n")
    assert b"\r\nContent-Length: %d\r\n" % LARGE in head
    assert body == b"".join(b"%d" % number * PIECE_BYTES for number in range(5)) + b"55555"
    assert open_files(folder) == 1
    assert scene.serve(alice) == OK
    assert open_files(folder) == 0


def test_an_app_that_takes_nothing_gets_no_more_than_waits_for_it_otherwise(scene: Scene) -> None:
    """The rest stays in the file, until the app goes on."""
    alice = scene.alice()
    app = stalled_app(scene, alice)
    alice.send(request("PUT", "/", f"Content-Length: {LARGE}", body=b"x" * LARGE))
    assert app.transport.get_write_buffer_size() < WRITE_HIGH_WATER + PIECE_BYTES < LARGE
    app.transport.peer_takes()
    assert app.read().endswith(b"x" * LARGE)
    assert scene.serve(alice) == OK


def test_expect_is_answered_by_the_gate(scene: Scene) -> None:
    """RFC 9110, 10.1.1: the app is asked too late to say anything about it, and is not told of it."""
    alice = scene.alice()
    alice.send(request("PUT", "/", "Expect: 100-continue", "Content-Length: 2"))
    assert alice.read() == b"HTTP/1.1 100 Continue\r\n\r\n"
    alice.send(b"ok")
    assert b"xpect" not in scene.app.last.read()
    assert scene.serve(alice, b"HTTP/1.1 100 Continue\r\n\r\n" + OK) == OK


# -- once more


@pytest.mark.parametrize("size", [2, LARGE])
def test_an_idempotent_request_is_sent_again_with_its_body(scene: Scene, size: int) -> None:
    """RFC 9110, 9.2.2: a kept connection was closed when it was used again."""
    alice = scene.alice()
    alice.send(get("/"))
    scene.serve(alice)
    alice.send(request("PUT", "/", f"Content-Length: {size}", body=b"x" * size))
    first = scene.app.last
    assert first.read().endswith(b"x" * size)
    first.close()
    assert scene.app.last is not first
    assert scene.app.last.read().partition(b"\r\n\r\n")[2] == b"x" * size
    assert scene.serve(alice) == OK


def test_a_slow_app_that_leaves_does_not_hold_up_the_next_connection(scene: Scene) -> None:
    """Which takes the body at its own pace."""
    alice = scene.alice()
    app = stalled_app(scene, alice)
    alice.send(request("PUT", "/", f"Content-Length: {LARGE}", body=b"x" * LARGE))
    app.reset()
    scene.loop.settle()
    assert scene.app.last is not app
    assert scene.app.last.read().endswith(b"x" * LARGE)
    assert scene.serve(alice) == OK


def test_a_post_is_never_sent_again(scene: Scene) -> None:
    """It is there to be sent, but nobody knows whether the app has carried it out."""
    alice = scene.alice()
    alice.send(get("/"))
    scene.serve(alice)
    alice.send(request("POST", "/", "Content-Length: 2", body=b"ab"))
    scene.app.last.close()
    assert alice.read().startswith(b"HTTP/1.1 502 ")
    assert len(scene.app.connections) == 1


# -- beside other features


def test_a_request_with_a_body_may_still_become_a_tunnel(make_scene: Callable[..., Scene]) -> None:
    """``docker exec`` at an app that has both keys."""
    scene = make_scene(upstream=BUFFERING | {"upgrades": ["tcp"]})
    alice = scene.alice()
    alice.send(request("POST", "/", "Connection: Upgrade", "Upgrade: tcp", "Content-Length: 2", body=b"{}"))
    answer = scene.serve(alice, b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nhi")
    assert answer.endswith(b"hi")
    scene.app.last.read()
    alice.send(b"ls\n")
    assert scene.app.last.read() == b"ls\n"


@pytest.mark.parametrize("size", [5, LARGE])
def test_visitors_of_http2_are_buffered_too(stage: Any, files: Files, size: int) -> None:
    """Their bodies have no length of their own; the app gets one."""
    scene = stage(upstream=BUFFERING)
    browser = Browser(scene, files.alice)
    stream = browser.ask("/", ("expect", "100-continue"), method="PUT", end=False)
    browser.read()
    assert browser.answers[stream].interim == ["100"]
    sent = 0
    while sent < size:
        piece = min(16384, size - sent)
        browser.send(stream, b"x" * piece)
        sent += piece
    assert scene.app.connections == []
    browser.send(stream, b"", end=True)
    head, _, body = scene.app.last.read().partition(b"\r\n\r\n")
    assert b"\r\nContent-Length: %d\r\n" % size in head
    assert body == b"x" * size
    scene.app.last.send(OK)
    browser.read()
    assert browser.answers[stream].ended


def test_an_app_that_speaks_http2_is_told_the_length(make_scene: Callable[..., Scene]) -> None:
    """RFC 9113, 8.1.1; it gets the body as its window allows, and the trailers."""
    scene = make_scene(upstream=BUFFERING | {"url": "h2c://127.0.0.1:8000"})
    alice = scene.alice()
    alice.send(request("PUT", "/", CHUNKED, body=chunk(PIECE_BYTES) + chunk(7) + b"0\r\nX-Sum: 1\r\n\r\n"))
    app = started(scene)
    size = PIECE_BYTES + 7
    assert app.requests()[1][b"content-length"] == b"%d" % size
    taken = 0
    while taken < len(app.body(1)):
        app.h2.acknowledge_received_data(len(app.body(1)) - taken, 1)
        taken = len(app.body(1))
        app.send()
    assert app.body(1) == b"0" * size
    assert dict(app.saw(h2.events.TrailersReceived, 1).headers) == {b"x-sum": b"1"}
    app.answer(1)
    assert alice.read().endswith(b"ok\r\n0\r\n\r\n")


def test_check_says_what_has_no_bound(make_scene: Callable[..., Scene]) -> None:
    """Each upload may take so much of the disk as there is."""
    warning = "uploads to default may fill $TMPDIR but for its last twentieth: request_buffering has no request_body"
    assert warning in make_scene(upstream=BUFFERING).snapshot.warnings(0.0)
    for bounded in (
        {"upstream": BUFFERING | {"request_body": "4B"}},
        {"upstream": BUFFERING, "limits": {"request_body": "4B"}},
        {},
    ):
        assert warning not in make_scene(**bounded).snapshot.warnings(0.0)
