"""What ends a buffered request early: limits, timeouts, the disk, the client; and what must not outlive it."""

import errno
import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gatekeeper.proxy.request_buffer import PIECE_BYTES
from tests.proxy.buffering import BUFFERING, CHUNKED, LARGE, chunk, open_files, stalled_app
from tests.proxy.reloading import renew, revoking
from tests.proxy.scene import OK, Scene, get, request


@pytest.fixture
def scene(make_scene: Callable[..., Scene]) -> Scene:
    return make_scene(upstream=BUFFERING)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


# -- limits


@pytest.mark.parametrize("framing", ["Content-Length: 5", CHUNKED])
def test_a_body_above_the_limit_is_refused(make_scene: Callable[..., Scene], framing: str) -> None:
    """Before a byte of it is asked for, or as soon as there is too much of it; the app never hears of it."""
    scene = make_scene(upstream=BUFFERING | {"request_body": "4B"})
    alice = scene.alice()
    alice.send(request("PUT", "/", framing, "Expect: 100-continue"))
    alice.send(b"" if framing != CHUNKED else b"3\r\nabc\r\n2\r\nde\r\n")
    assert b"HTTP/1.1 413 " in alice.read()
    assert scene.app.connections == []
    assert scene.statuses == [413]


def test_a_body_that_stops_is_given_up(scene: Scene, folder: Path) -> None:
    """timeouts.stream_idle, as without a buffer."""
    alice = scene.alice()
    alice.send(request("PUT", "/", f"Content-Length: {LARGE}", body=b"x" * PIECE_BYTES))
    assert open_files(folder) == 1
    scene.loop.advance(59)
    alice.send(b"x")
    scene.loop.advance(59)
    assert alice.read() == b""
    scene.loop.advance(1)
    assert alice.read().startswith(b"HTTP/1.1 408 ")
    assert open_files(folder) == 0
    assert scene.app.connections == []


def test_an_app_has_its_time_for_the_answer(scene: Scene) -> None:
    """timeouts.response_header counts from the end of the body on."""
    alice = scene.alice()
    alice.send(request("PUT", "/", "Content-Length: 4", body=b"ab"))
    scene.loop.advance(50)
    alice.send(b"cd")
    scene.loop.advance(59)
    assert alice.read() == b""
    scene.loop.advance(1)
    assert alice.read().startswith(b"HTTP/1.1 504 ")


@pytest.mark.parametrize(("code", "status"), [(errno.ENOSPC, 507), (errno.EDQUOT, 507), (errno.EIO, 500)])
def test_a_full_disk_is_a_clean_error(
    scene: Scene,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    code: int,
    status: int,
) -> None:
    """RFC 4918, 11.5; the log says why, and the next request is served."""

    def fail(*_: object) -> None:
        raise OSError(code, "the disk said so")

    monkeypatch.setattr("os.write", fail)
    alice = scene.alice()
    with caplog.at_level(logging.ERROR, "gatekeeper"):
        alice.send(request("PUT", "/", f"Content-Length: {PIECE_BYTES}", body=b"x" * PIECE_BYTES))
    assert alice.read().startswith(b"HTTP/1.1 %d " % status)
    assert caplog.messages == ["upstream default: the request body could not be stored: the disk said so"]
    assert scene.log.records[0]["detail"] == "the request body could not be stored: the disk said so"
    assert open_files(folder) == 0
    alice.send(get("/"))
    assert scene.serve(alice) == OK


# -- who goes


@pytest.mark.parametrize("way", ["leave", "reset", "say_goodbye"])
@pytest.mark.parametrize("size", [1, PIECE_BYTES])
def test_a_client_that_is_gone_takes_its_file_along(scene: Scene, folder: Path, way: str, size: int) -> None:
    """The app never hears of it."""
    alice = scene.alice()
    alice.send(request("PUT", "/", f"Content-Length: {LARGE}", body=b"x" * size))
    assert open_files(folder) == size // PIECE_BYTES
    getattr(alice, way)()
    scene.loop.settle()
    assert open_files(folder) == 0
    assert scene.app.connections == []
    assert scene.statuses == [499]


def test_a_revoked_certificate_ends_an_upload(scene: Scene, folder: Path) -> None:
    """With the page, because no response has begun."""
    alice = scene.alice()
    alice.send(request("PUT", "/", f"Content-Length: {LARGE}", body=b"x" * PIECE_BYTES))
    renew(scene, revoking(scene, scene.files.alice))
    assert alice.read().startswith(b"HTTP/1.1 403 ")
    assert open_files(folder) == 0
    assert scene.app.connections == []


def test_an_answer_may_come_before_the_app_has_read_everything(scene: Scene, folder: Path) -> None:
    """The rest is not sent, and the app's connection, which lacks it, is not used again."""
    alice = scene.alice()
    first = stalled_app(scene, alice)
    alice.send(request("PUT", "/", f"Content-Length: {LARGE}", body=b"x" * LARGE))
    forbidden = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
    assert scene.serve(alice, forbidden).startswith(b"HTTP/1.1 403 ")
    assert open_files(folder) == 0
    assert first.is_gone
    alice.send(get("/"))
    assert scene.serve(alice) == OK


def test_a_download_does_not_keep_the_upload(scene: Scene, folder: Path) -> None:
    """The file goes as soon as the answer begins: nothing can be sent again then."""
    alice = scene.alice()
    alice.send(request("PUT", "/", f"Content-Length: {LARGE}", body=b"x" * LARGE))
    assert open_files(folder) == 1
    scene.app.last.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
    assert open_files(folder) == 0
    scene.app.last.send(b" done.")
    assert alice.read().endswith(b"half done.")


# -- while a thread is at work


def test_a_client_waits_for_the_disk(scene: Scene) -> None:
    """What it sends meanwhile stays with the kernel, so memory does not grow."""
    alice = scene.alice()
    scene.loop.hold_threads()
    alice.send(request("PUT", "/", f"Content-Length: {LARGE}", body=b"x" * (PIECE_BYTES + 1)))
    assert alice.transport.peer_is_held
    scene.loop.release_threads()
    assert not alice.transport.peer_is_held
    alice.send(b"x" * (LARGE - PIECE_BYTES - 1))
    assert scene.app.last.read().endswith(b"x" * LARGE)
    assert scene.serve(alice) == OK


def test_a_file_is_closed_behind_the_write_that_is_under_way(scene: Scene, folder: Path) -> None:
    """Otherwise the thread would write into whatever has the file's number by then."""
    alice = scene.alice()
    alice.send(request("PUT", "/", f"Content-Length: {LARGE}", body=b"x" * PIECE_BYTES))
    scene.loop.hold_threads()
    alice.send(b"x" * PIECE_BYTES)
    alice.reset()
    assert scene.statuses == [499]
    assert open_files(folder) == 1
    scene.loop.release_threads()
    assert open_files(folder) == 0
    assert scene.app.connections == []


def test_too_large_a_body_is_refused_while_the_disk_is_busy(make_scene: Callable[..., Scene], folder: Path) -> None:
    """The answer does not wait, the file does."""
    scene = make_scene(upstream=BUFFERING | {"request_body": f"{PIECE_BYTES}B"})
    alice = scene.alice()
    scene.loop.hold_threads()
    alice.send(request("PUT", "/", CHUNKED, body=chunk(PIECE_BYTES + 1)))
    assert alice.read().startswith(b"HTTP/1.1 413 ")
    scene.loop.release_threads()
    assert scene.statuses == [413]
    assert open_files(folder) == 0


def test_a_disk_that_hangs_is_no_fault_of_the_client(scene: Scene, folder: Path) -> None:
    """500 after timeouts.stream_idle, and not 408; the file goes when the thread comes back."""
    alice = scene.alice()
    scene.loop.hold_threads()
    alice.send(request("PUT", "/", f"Content-Length: {LARGE}", body=b"x" * PIECE_BYTES))
    scene.loop.advance(60)
    assert alice.read().startswith(b"HTTP/1.1 500 ")
    assert scene.log.records[0]["detail"] == f"the request body could not be stored: {os.strerror(errno.ETIMEDOUT)}"
    assert open_files(folder) == 1
    scene.loop.release_threads()
    assert open_files(folder) == 0


def test_what_was_read_for_a_lost_connection_is_not_sent_on_the_next(scene: Scene) -> None:
    """The second attempt begins at the beginning."""
    alice = scene.alice()
    first = stalled_app(scene, alice)
    body = b"".join(number.to_bytes(4, "big") for number in range(LARGE // 4))
    alice.send(request("PUT", "/", f"Content-Length: {len(body)}", body=body))
    scene.loop.hold_threads()
    first.transport.peer_takes()
    first.close()
    second = scene.app.last
    assert second is not first
    scene.loop.release_threads()
    assert second.read().partition(b"\r\n\r\n")[2] == body
    assert scene.serve(alice) == OK
