"""An app that speaks HTTP/2, with h2 as its codec, in memory."""

from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.settings

from tests.proxy.scene import AppConnection, Scene

H2C = {"upstream": {"url": "h2c://127.0.0.1:8000"}}
POST = ("Content-Length: 5",)


class HTTP2App:
    """The app's end of one connection: `receive` gives the events of h2 since the last call."""

    def __init__(self, connection: AppConnection, **settings: int) -> None:
        self.wire = connection
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding=None))
        if settings:
            codes = {getattr(h2.settings.SettingCodes, name.upper()): value for name, value in settings.items()}
            self.h2.local_settings = h2.settings.Settings(client=False, initial_values=codes)
        self.h2.initiate_connection()
        self.events: list[Any] = []

    def receive(self) -> list[Any]:
        events = self.h2.receive_data(self.wire.read())
        self.events += events
        return events

    def send(self) -> None:
        if data := self.h2.data_to_send():
            self.wire.send(data)

    def requests(self) -> dict[int, dict[bytes, bytes]]:
        """Every request so far: its fields by stream."""
        self.receive()
        return {
            event.stream_id: dict(event.headers)
            for event in self.events
            if isinstance(event, h2.events.RequestReceived)
        }

    def body(self, stream: int) -> bytes:
        self.receive()
        return b"".join(
            event.data
            for event in self.events
            if isinstance(event, h2.events.DataReceived) and event.stream_id == stream
        )

    def saw(self, kind: Any, stream: int) -> Any:
        self.receive()
        return next((event for event in self.events if isinstance(event, kind) and event.stream_id == stream), None)

    def answer(self, stream: int, body: bytes = b"ok", *fields: tuple[bytes, bytes]) -> None:
        self.h2.send_headers(stream, ((b":status", b"200"), *fields))
        self.h2.send_data(stream, body, end_stream=True)
        self.send()


def started(scene: Scene, **settings: int) -> HTTP2App:
    app = HTTP2App(scene.app.last, **settings)
    app.receive()
    app.send()
    return app
