"""The upstream that consumes uploads, echoes WebSocket messages and says which headers reached it.

`python -m benchmarks.app PORT` listens on loopback. Not measured itself.

- `POST /app/upload` reads the body and answers with its length.
- `GET /app/headers` answers with the request's headers as a JSON list of pairs.
- `GET /app/echo` with `Upgrade: websocket` sends every message back.
"""

import asyncio
import json
import sys
from typing import cast

import httptools
import uvloop
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

MAXIMUM_MESSAGE = 1 << 20


class App(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self.parser = httptools.HttpRequestParser(self)
        self.socket: ServerProtocol | None = None
        self.head = bytearray()
        self.begin()

    def begin(self) -> None:
        """Forget the last request."""
        self.target, self.fields, self.length = b"", list[tuple[str, str]](), 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The proxy has connected."""
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Part of a request, or of a WebSocket stream."""
        if self.socket is not None:
            self.echo(data)
            return
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self.open_socket(data[upgrade.args[0] :])

    def on_message_begin(self) -> None:
        """Called by the parser."""
        self.begin()

    def on_url(self, url: bytes) -> None:
        """Called by the parser."""
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser."""
        self.fields.append((name.decode("latin-1"), value.decode("latin-1")))

    def on_body(self, body: bytes) -> None:
        """Called by the parser."""
        self.length += len(body)

    def on_message_complete(self) -> None:
        """Called by the parser."""
        if self.parser.should_upgrade():
            return
        body = json.dumps(self.fields).encode() if self.target == b"/app/headers" else b"%d" % self.length
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    def open_socket(self, rest: bytes) -> None:
        """Answer the handshake; the library reads the request anew, from its fields."""
        self.socket = ServerProtocol(max_size=MAXIMUM_MESSAGE)
        head = b"GET %b HTTP/1.1\r\n" % self.target
        for name, value in self.fields:
            if len(value) < 4096:  # the library's limit for a line; an escaped certificate may be longer
                head += f"{name}: {value}\r\n".encode("latin-1")
        self.echo(head + b"\r\n" + rest)

    def echo(self, data: bytes) -> None:
        """Send back what messages there are in `data`."""
        assert self.socket is not None
        self.socket.receive_data(data)
        for event in self.socket.events_received():
            if isinstance(event, Request):
                self.socket.send_response(self.socket.accept(event))
            elif isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                self.socket.send_text(event.data)
            elif isinstance(event, Frame) and event.opcode is Opcode.BINARY:
                self.socket.send_binary(event.data)
        for part in self.socket.data_to_send():
            if part:
                self.transport.write(part)
            else:
                self.transport.write_eof()


async def serve(port: int) -> None:
    """Listen until ended."""
    server = await asyncio.get_running_loop().create_server(App, "127.0.0.1", port, backlog=20000)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
