"""A client that keeps many requests under way on one HTTP/2 connection, with nghttp2 (ngh2) as its codec.

python-hyper's h2 ends a connection at the first GOAWAY; this one goes on with what the server still answers.
"""

import asyncio
import ssl
from collections import Counter
from typing import Any, Self

import ngh2

ENDLESS = 2**31 - 1


class RepeatableError(Exception):
    """The server has not begun with the request and says so (RFC 9113, 8.7): whoever asked may ask again elsewhere."""


class LostError(Exception):
    """The request may have been carried out, and nobody will know."""


class Http2Client(asyncio.Protocol):
    """One connection. ``last_stream`` is what the last GOAWAY said, `ENDLESS` before the first."""

    def __init__(self) -> None:
        self.codec = ngh2.Connection(ngh2.Role.CLIENT)
        self.last_stream = ENDLESS
        self.goaways = 0
        self.closed = asyncio.get_running_loop().create_future()
        self._waiting: dict[int, asyncio.Future[int]] = {}
        self._statuses: dict[int, int] = {}
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def connect(cls, port: int, context: ssl.SSLContext) -> Self:
        context.set_alpn_protocols(["h2"])
        loop = asyncio.get_running_loop()
        _, client = await loop.create_connection(cls, "127.0.0.1", port, ssl=context, server_hostname="localhost")
        return client

    @property
    def takes_requests(self) -> bool:
        """Whether the server would look at another one."""
        return not self.goaways and not self.closed.done()

    async def get(self, path: str = "/") -> int:
        """The status of a response that is complete; RepeatableError or LostError without one."""
        if not self.takes_requests:
            raise RepeatableError
        fields = ((":method", "GET"), (":scheme", "https"), (":authority", "localhost"), (":path", path))
        headers = [(name.encode(), value.encode()) for name, value in fields]
        stream = self.codec.send_request(headers, end_stream=True)
        self._waiting[stream] = future = asyncio.get_running_loop().create_future()
        self._flush()
        return await future

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # -- asyncio.Protocol

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self.codec.initiate_connection({ngh2.Setting.ENABLE_PUSH: 0})
        self._flush()

    def data_received(self, data: bytes) -> None:
        self.codec.receive_data(data)
        for event in self.codec.events():
            self._note(event)
        self._flush()

    def connection_lost(self, error: Exception | None) -> None:
        for stream in list(self._waiting):
            self._fail(stream, LostError(f"the connection was closed: {error}"))
        if not self.closed.done():
            self.closed.set_result(None)

    def _note(self, event: Any) -> None:
        match event:
            case ngh2.ResponseReceived(stream_id=stream, headers=headers):
                self._statuses[stream] = int(dict(headers)[b":status"])
            case ngh2.GoAwayReceived(last_stream_id=last):
                self.goaways += 1
                self.last_stream = last
                for stream in [stream for stream in self._waiting if stream > last]:
                    self._fail(stream, RepeatableError())
            case ngh2.StreamClosed(stream_id=stream, error_code=0) if stream in self._waiting:
                self._waiting.pop(stream).set_result(self._statuses.pop(stream))
            case ngh2.StreamClosed(stream_id=stream, error_code=code) if stream in self._waiting:
                refused = code == ngh2.ErrorCode.REFUSED_STREAM
                self._fail(stream, RepeatableError() if refused else LostError(f"reset with code {code}"))

    def _fail(self, stream: int, error: Exception) -> None:
        self._waiting.pop(stream).set_exception(error)

    def _flush(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            while data := self.codec.data_to_send():
                self._transport.write(data)
            if not self.codec.want_read and not self.codec.want_write:
                self._transport.close()  # the last answer before a GOAWAY has come


async def keep_asking(port: int, context: ssl.SSLContext, streams: int, stop: asyncio.Event) -> Counter[str]:
    """So many requests at once until ``stop``, on a new connection where the old one takes no more; what became of
    them, and how many connections it took.
    """
    counted: Counter[str] = Counter()
    client = await Http2Client.connect(port, context)
    counted["connections"] += 1
    connecting = asyncio.Lock()

    async def one() -> None:
        nonlocal client
        while not stop.is_set():
            try:
                counted[str(await client.get())] += 1
            except LostError as error:
                counted[f"lost: {error}"] += 1
            except RepeatableError:
                counted["repeatable"] += 1
                async with connecting:
                    if not client.takes_requests and not stop.is_set():
                        client = await Http2Client.connect(port, context)
                        counted["connections"] += 1

    try:
        await asyncio.gather(*(one() for _ in range(streams)))
    finally:
        client.close()
    return counted
