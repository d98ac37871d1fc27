"""What tests of buffered requests (``upstream.request_buffering``) share."""

from contextlib import suppress
from pathlib import Path

from gatekeeper.proxy.request_buffer import PIECE_BYTES
from tests.proxy.scene import AppConnection, Scene, Visitor, get

BUFFERING = {"url": "http://127.0.0.1:8000", "request_buffering": True}
CHUNKED = "Transfer-Encoding: chunked"
LARGE = 5 * PIECE_BYTES + 5


def open_files(folder: Path) -> int:
    """How many files of this folder the process has open; they have no name there (proc(5))."""
    found = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            found.append(descriptor.readlink())
    return sum(path.parent == folder for path in found)


def stalled_app(scene: Scene, visitor: Visitor) -> AppConnection:
    """The app's side of a connection that has served a request and is kept; the app reads no more bytes of it."""
    visitor.send(get("/"))
    scene.serve(visitor)
    app = scene.app.last
    app.read()
    app.transport.peer_stalls()
    return app


def chunk(size: int, digit: int = 0) -> bytes:
    """A chunk of one digit, ``size`` times."""
    return b"%x\r\n%b\r\n" % (size, b"%d" % digit * size)
