"""What `benchmarks.instructions` counts: ``python -m benchmarks.micro.script FOLDER NAME TIMES``.

Played under callgrind, which is told to count after everything is prepared and played once, and to stop afterwards.
"""

import gc
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.micro.gate import BROWSER, UPLOAD, WEBSOCKET_MESSAGE, Gate, Http2Requests
from gatekeeper.process.worker import GARBAGE

STREAMS = 32
RESOURCES = 40
WARM_UP = 50
"""Until memories are filled and the interpreter has specialised its code (PEP 659)."""


def exchange(gate: Gate, times: int) -> Callable[[slice], None]:
    """Requests on one connection, with the same head again and again."""
    return _exchanges(gate, [BROWSER % 0] * times)


def cookie(gate: Gate, times: int) -> Callable[[slice], None]:
    """Requests on one connection, with a new cookie in each head."""
    return _exchanges(gate, [BROWSER % n for n in range(times)])


def stream(gate: Gate, times: int) -> Callable[[slice], None]:
    """Requests on one connection in HTTP/2, with the same head again and again."""
    visitor, requests = gate.shake_hands_for_http2(), Http2Requests()
    return _play(visitor.exchange, [visitor.encrypt(requests.next()) for _ in range(times)])


def streams(gate: Gate, times: int) -> Callable[[slice], None]:
    """The same, with so many under way at a time."""
    return _together(gate, [b"/bench"] * (STREAMS * times))


def paths(gate: Gate, times: int) -> Callable[[slice], None]:
    """The same, with a new path in each head."""
    return _together(gate, [b"/bench/%d" % n for n in range(STREAMS * times)])


def page(gate: Gate, times: int) -> Callable[[slice], None]:
    """New visitors in HTTP/2: a full handshake, a page, and its resources at once, each in a record of its own. The
    visitor's half of the handshake is counted too.
    """
    _connect_to_app(gate, RESOURCES)
    first, *rest = Http2Requests(cookie=False).page(RESOURCES)

    def play(some: slice) -> None:
        for _ in range(*some.indices(times)):
            visitor = gate.shake_hands_for_http2()
            visitor.exchange_all(visitor.encrypt(first))
            visitor.exchange_all(b"".join([visitor.encrypt(frame) for frame in rest]))
            visitor.leave()

    return play


def connection(gate: Gate, times: int) -> Callable[[slice], None]:
    """A full handshake, one exchange, goodbye. The visitor's own half of it is counted too."""

    def play(some: slice) -> None:
        for _ in range(*some.indices(times)):
            visitor = gate.shake_hands()
            visitor.exchange(visitor.encrypt(BROWSER % 0))
            visitor.leave()

    return play


def resumption(gate: Gate, times: int) -> Callable[[slice], None]:
    """As `connection`, by a visitor that resumes its session. Python encodes and decodes the session when it is asked
    for it and when it is given one, which is 3 million of it.
    """
    visitor = gate.shake_hands()

    def play(some: slice) -> None:
        nonlocal visitor
        for _ in range(*some.indices(times)):
            visitor.exchange_and_read(visitor.encrypt(BROWSER % 0))
            session = visitor.tls.session
            visitor.leave()
            visitor = gate.shake_hands(session=session)
            if not visitor.tls.session_reused:
                raise RuntimeError("the session was not resumed")

    return play


def refusal(gate: Gate, times: int) -> Callable[[slice], None]:
    """A handshake without a certificate, a request, the 403. The visitor's own half of it is counted too."""

    def play(some: slice) -> None:
        for _ in range(*some.indices(times)):
            visitor = gate.shake_hands(certificate=False)
            visitor.send(visitor.encrypt(BROWSER % 0))
            visitor.leave()

    return play


def message(gate: Gate, times: int) -> Callable[[slice], None]:
    """WebSocket messages: 100 bytes to the app, 100 bytes back."""
    visitor = gate.shake_hands()
    visitor.open_websocket()
    return _play(visitor.echo, [visitor.encrypt(WEBSOCKET_MESSAGE) for _ in range(times)])


def down(gate: Gate, times: int) -> Callable[[slice], None]:
    """Responses with a body of a MiB."""
    visitor = gate.shake_hands()
    return _play(visitor.download, [visitor.encrypt(BROWSER % 0) for _ in range(times)])


def up(gate: Gate, times: int) -> Callable[[slice], None]:
    """Requests with a body of a MiB."""
    visitor = gate.shake_hands()
    return _play(visitor.upload, [visitor.encrypt(UPLOAD) for _ in range(times)])


def _exchanges(gate: Gate, requests: list[bytes]) -> Callable[[slice], None]:
    visitor = gate.shake_hands()
    return _play(visitor.exchange, [visitor.encrypt(request) for request in requests])


def _together(gate: Gate, paths: list[bytes]) -> Callable[[slice], None]:
    visitor, requests = gate.shake_hands_for_http2(), Http2Requests()
    _connect_to_app(gate, STREAMS)
    frames = [requests.next(path) for path in paths]
    some = [b"".join(frames[at : at + STREAMS]) for at in range(0, len(frames), STREAMS)]
    return _play(visitor.exchange_all, [visitor.encrypt(data) for data in some])


def _connect_to_app(gate: Gate, connections: int) -> None:
    while len(gate.upstreams) < connections:
        gate.connect_to_app()


def _play(step: Callable[[bytes], None], records: list[bytes]) -> Callable[[slice], None]:
    def play(some: slice) -> None:
        for record in records[some]:
            step(record)

    return play


SCRIPTS = {
    script.__name__: script
    for script in (exchange, cookie, stream, streams, paths, page, connection, resumption, refusal, message, down, up)
}


def main(folder: str, name: str, times: int) -> None:
    """Play one script in a folder made by `benchmarks.micro.gate.prepare`."""
    gate = Gate(Path(folder), resuming=name == resumption.__name__)
    play = SCRIPTS[name](gate, times + WARM_UP)
    play(slice(0, WARM_UP))
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE)
    _count("on")
    play(slice(WARM_UP, None))
    _count("off")
    gate.close()


def _count(switch: str) -> None:
    subprocess.run(["callgrind_control", "-i", switch, str(os.getpid())], check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
