"""Both ends of a connection for tests: python-hyper's h2 as the peer, and owners that write down what they are told."""

from collections.abc import Sequence

from gatekeeper.errors import HTTP2Error, MessageError
from gatekeeper.wire.http2.client import ClientConnection
from gatekeeper.wire.http2.encode import encode_field
from gatekeeper.wire.http2.frames import (
    DATA,
    END_HEADERS,
    HEADERS,
    MAX_FRAME,
    PREFACE,
    WINDOW_UPDATE,
    frame_header,
    settings_frame,
)
from gatekeeper.wire.http2.requests import BlockReader, RejectedRequest
from gatekeeper.wire.http2.server import ServerConnection
from gatekeeper.wire.http2.stream import Stream
from gatekeeper.wire.request import HeadLimits, RequestHead, RequestReader
from gatekeeper.wire.response import ResponseHead, read_response

GET = ((b":method", b"GET"), (b":scheme", b"https"), (b":path", b"/"), (b":authority", b"app.example"))
POST = ((b":method", b"POST"), *GET[1:])
START = PREFACE + settings_frame(())
OK = read_response(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
OPEN = read_response(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    return frame_header(len(payload), kind, flags, stream_id) + payload


def block(*fields: tuple[bytes, bytes]) -> bytes:
    return b"".join(encode_field(name, value) for name, value in fields)


def headers(stream_id: int, fields: Sequence[tuple[bytes, bytes]] = GET, flags: int = 1) -> bytes:
    return frame(HEADERS, flags | END_HEADERS, stream_id, block(*fields))


def frames(data: bytes) -> list[tuple[int, int, int, bytes]]:
    """Type, flags, stream, payload of each frame."""
    found = []
    while data:
        size = int.from_bytes(data[:3])
        found.append((data[3], data[4], int.from_bytes(data[5:9]), data[9 : 9 + size]))
        data = data[9 + size :]
    return found


def window_update(stream_id: int, size: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, stream_id, size.to_bytes(4))


OPEN_1 = headers(1, POST, flags=0)


class Owner:
    """Owns a stream: writes down what it is told, each call as a tuple whose first is the stream's number."""

    def __init__(self, told: list[tuple[object, ...]], stream_id: int) -> None:
        self.told = told
        self.id = stream_id

    def content(self, data: bytes) -> None:
        self.told.append((self.id, "content", data))

    def end(self, trailers: bytes) -> None:
        self.told.append((self.id, "end", trailers))

    def reset(self, code: int) -> None:
        self.told.append((self.id, "reset", int(code)))

    def writable(self) -> None:
        self.told.append((self.id, "writable"))

    def interim(self, head: ResponseHead) -> None:
        self.told.append((self.id, "interim", head.status))

    def response(self, head: ResponseHead, ended: bool) -> None:
        self.told.append((self.id, "response", head.wire_head, ended))

    def malformed(self, error: MessageError) -> None:
        self.told.append((self.id, "malformed", error.detail))


class Gate:
    """The server's end, with an owner that keeps everything and answers nothing by itself."""

    def __init__(
        self, *, max_streams: int = 100, limits: HeadLimits | None = None, stripped: frozenset[bytes] = frozenset()
    ) -> None:
        self.told: list[tuple[object, ...]] = []
        self.streams: dict[int, Stream] = {}
        self.heads: dict[int, RequestHead] = {}
        self.rejections: dict[int, RejectedRequest] = {}
        self.headers_begun = 0
        self.failure: HTTP2Error | None = None
        reader = BlockReader(RequestReader(limits or HeadLimits(), stripped))
        self.connection = ServerConnection(self, reader, max_streams=max_streams)

    def request(self, stream: Stream, head: RequestHead, ended: bool) -> None:
        self.streams[stream.id] = stream
        self.heads[stream.id] = head
        stream.handler = Owner(self.told, stream.id)
        self.told.append((stream.id, "request", head.target, ended))

    def rejected(self, stream: Stream, request: RejectedRequest) -> None:
        self.streams[stream.id] = stream
        self.rejections[stream.id] = request
        self.told.append((stream.id, "rejected", request.error.status))

    def header_begun(self) -> None:
        self.headers_begun += 1

    def probed(self) -> None:
        self.told.append((0, "probed"))

    def going_away(self, last_stream_id: int, code: int) -> None:
        self.told.append((0, "going away", last_stream_id, code))

    def failed(self, error: HTTP2Error) -> None:
        assert self.failure is None
        self.failure = error

    def sent(self) -> bytes:
        """All that the connection would send now."""
        data = b""
        while piece := self.connection.data_to_send():
            data += piece
        return data

    def receive(self, data: bytes, now: float = 0.0) -> list[tuple[int, int, int, bytes]]:
        """What is answered at once."""
        self.connection.receive(data, now)
        return frames(self.sent())

    def answer(self, stream_id: int, content: bytes = b"hello") -> None:
        stream = self.streams[stream_id]
        stream.send_whole(OK, content)
        stream.finished()


def started(**options: object) -> Gate:
    """A gate whose visitor has said hello."""
    gate = Gate(**options)  # type: ignore[arg-type]
    gate.receive(START)
    return gate


def upload(gate: Gate, stream_id: int, size: int, end: bool = False) -> list[tuple[int, int, int, bytes]]:
    sent = []
    while size > 0:
        piece = min(size, MAX_FRAME)
        size -= piece
        sent += gate.receive(frame(DATA, int(end and not size), stream_id, bytes(piece)))
    return sent


def credit(sent: list[tuple[int, int, int, bytes]], stream_id: int) -> int:
    return sum(int.from_bytes(data) for kind, _, id_, data in sent if kind == WINDOW_UPDATE and id_ == stream_id)


class Caller:
    """The client's end, as the owner of a connection to an app."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []
        self.failure: HTTP2Error | None = None
        self.connection = ClientConnection(self, b"app.example")

    def capacity_changed(self) -> None:
        self.told.append((0, "capacity", self.connection.can_open))

    def going_away(self, last_stream_id: int, code: int) -> None:
        self.told.append((0, "going away", last_stream_id, code))

    def failed(self, error: HTTP2Error) -> None:
        self.failure = error

    def sent(self) -> bytes:
        data = b""
        while piece := self.connection.data_to_send():
            data += piece
        return data

    def receive(self, data: bytes, now: float = 0.0) -> list[tuple[int, int, int, bytes]]:
        self.connection.receive(data, now)
        return frames(self.sent())
