"""What tests of buffered requests (``upstream.request_buffering``) share."""

from contextlib import suppress
from pathlib import Path

from gatekeeper.proxy.request_buffer import PIECE_BYTES

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


def chunk(size: int, digit: int = 0) -> bytes:
    """A chunk of one digit, ``size`` times."""
    return b"%x\r\n%b\r\n" % (size, b"%d" % digit * size)
