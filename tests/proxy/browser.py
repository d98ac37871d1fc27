"""A visitor that speaks HTTP/2, with h2 as its codec, in memory."""

import ssl
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, cast

import h2.config
import h2.connection
import h2.events

from tests.certificates import Holder
from tests.proxy.scene import Scene, Visitor, client_context


@dataclass
class Answer:
    """What came on one stream."""

    headers: dict[str, str] = field(default_factory=dict)
    interim: list[str] = field(default_factory=list)
    content: bytes = b""
    trailers: dict[str, str] = field(default_factory=dict)
    ended: bool = False
    reset: int | None = None

    @property
    def status(self) -> int:
        return int(self.headers.get(":status", "0"))


class Browser:
    """A visitor that speaks HTTP/2."""

    def __init__(self, scene: Scene, holder: Holder | None, name: str = "app.example.com") -> None:
        self.visitor = Visitor(scene, ("192.0.2.7", 50000))
        shake_hands(self.visitor, holder, name)
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="latin-1"))
        self.answers: dict[int, Answer] = defaultdict(Answer)
        self.goaways: list[tuple[int, int]] = []
        self.reads = True
        self.h2.initiate_connection()
        self.flush()

    def flush(self) -> None:
        data = self.h2.data_to_send()
        if data:
            self.visitor.send(data)
        self.read()

    def read(self) -> None:
        data = self.visitor.read()
        while data:
            for event in self.h2.receive_data(data):
                self.note(event)
            with suppress(ssl.SSLError):
                if said := self.h2.data_to_send():
                    self.visitor.send(said)
            data = self.visitor.read()

    def note(self, event: Any) -> None:
        match cast(Any, event):
            case h2.events.InformationalResponseReceived():
                self.answers[event.stream_id].interim.append(dict(event.headers)[":status"])
            case h2.events.ResponseReceived():
                self.answers[event.stream_id].headers = dict(event.headers)
            case h2.events.TrailersReceived():
                self.answers[event.stream_id].trailers = dict(event.headers)
            case h2.events.DataReceived():
                self.answers[event.stream_id].content += event.data
                if self.reads:
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case h2.events.StreamEnded():
                self.answers[event.stream_id].ended = True
            case h2.events.StreamReset():
                self.answers[event.stream_id].reset = event.error_code
            case h2.events.ConnectionTerminated():
                self.goaways.append((event.last_stream_id, event.error_code))

    def ask(self, path: str = "/", *more: tuple[str, str], method: str = "GET", end: bool = True, **pseudo: str) -> int:
        stream = self.h2.get_next_available_stream_id()
        fields = [
            (":method", method),
            (":scheme", "https"),
            (":authority", pseudo.get("authority", "app.example.com")),
            (":path", path),
            *([(":protocol", pseudo["protocol"])] if "protocol" in pseudo else []),
            *more,
        ]
        self.h2.send_headers(stream, fields, end_stream=end)
        self.flush()
        return stream

    def send_request(self, path: str) -> int:
        """As `ask`, without reading anything of the answer."""
        stream = self.h2.get_next_available_stream_id()
        fields = [(":method", "GET"), (":scheme", "https"), (":authority", "app.example.com"), (":path", path)]
        self.h2.send_headers(stream, fields, end_stream=True)
        self.visitor.send(self.h2.data_to_send())
        return stream

    def send(self, stream: int, content: bytes, *, end: bool = False) -> None:
        self.h2.send_data(stream, content, end_stream=end)
        self.flush()


def shake_hands(visitor: Visitor, holder: Holder | None, name: str) -> None:
    """As `Visitor.shake_hands`, with ALPN and a server name."""
    context = client_context.__wrapped__(holder, ssl.TLSVersion.TLSv1_3)
    context.set_alpn_protocols(["h2", "http/1.1"])
    visitor._incoming, visitor._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    visitor.tls = context.wrap_bio(visitor._incoming, visitor._outgoing, server_hostname=name)
    for _ in range(4):
        with suppress(ssl.SSLWantReadError):
            visitor.tls.do_handshake()
        visitor._exchange()
    assert visitor.tls.selected_alpn_protocol() == "h2"
