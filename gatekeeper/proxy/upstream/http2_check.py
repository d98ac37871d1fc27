"""The active health check of an app over HTTP/2, on a connection of its own.

A GET of ``health_path``, or, where that is the method of gRPC's health service, a call of it about the whole server
(https://github.com/grpc/grpc/blob/master/doc/health-checking.md).
"""

import asyncio
import re

from gatekeeper import __version__
from gatekeeper.errors import MessageError
from gatekeeper.proxy.upstream.endpoint import Endpoint
from gatekeeper.proxy.upstream.health import Health
from gatekeeper.proxy.upstream.http2 import HTTP2Connection
from gatekeeper.proxy.upstream.http2_endpoint import HTTP2Endpoint
from gatekeeper.wire.http2.client import ResponseStream
from gatekeeper.wire.request import HeadLimits, RequestReader
from gatekeeper.wire.response import ResponseHead

GRPC_HEALTH = "/grpc.health.v1.Health/Check"
# A message of no bytes behind its frame: HealthCheckRequest without a service.
_GRPC_QUESTION = b"\x00\x00\x00\x00\x00"
# HealthCheckResponse with status = SERVING (1), the only one that is good.
_GRPC_SERVING = b"\x00\x00\x00\x00\x02\x08\x01"
_GRPC_STATUS = re.compile(rb"^grpc-status:[ \t]*([0-9]+)[ \t]*\r\n", re.IGNORECASE | re.MULTILINE)
_READER = RequestReader(HeadLimits())


async def ask_http2(endpoint: Endpoint, path: str, seconds: float) -> str:
    """As `check.ask`: what is wrong with the endpoint, "" if nothing."""
    if not isinstance(endpoint, HTTP2Endpoint):
        raise TypeError(f"{endpoint.title} does not speak HTTP/2")
    loop = asyncio.get_running_loop()
    check = _Check(path, loop.create_future())
    connection = endpoint.new_connection(check)
    try:
        async with asyncio.timeout(seconds):
            await endpoint.dial(loop, connection)
            check.begin(connection)
            return await check.found
    except TimeoutError:
        return f"{path} is not answered in {seconds:g} s"
    except OSError as error:
        return f"{path}: {error or type(error).__name__}"
    finally:
        if check.connection is not None:
            check.connection.transport.abort()


class _Check:
    """One request, as the owner of its connection and as its stream's handler."""

    def __init__(self, path: str, found: asyncio.Future[str]) -> None:
        self.health = Health(0.0)
        self.found = found
        self.connection: HTTP2Connection | None = None
        self._path = path
        self._is_grpc = path == GRPC_HEALTH
        self._stream: ResponseStream | None = None
        self._content = b""

    def begin(self, connection: HTTP2Connection) -> None:
        """Send the request; ConnectionResetError if the connection did not last until now."""
        if connection.transport.is_closing():
            raise ConnectionResetError(connection.fault or "closed at once")
        method, kind = (b"POST", b"Content-Type: application/grpc\r\n") if self._is_grpc else (b"GET", b"")
        agent = b"User-Agent: gatekeeper/%b (health check)\r\n" % __version__.encode("ascii")
        line = b"%b %b HTTP/1.1" % (method, self._path.encode("ascii"))
        head = _READER.read(line, b"Host: %b\r\n%b%b\r\n" % (connection.authority, agent, kind), cache=False)
        connection.streams[self] = None
        self._stream = connection.codec.open(self, head, end=not self._is_grpc)
        if self._is_grpc:
            self._stream.send_content(_GRPC_QUESTION)
            self._stream.send_end()
        connection.send()

    def _conclude(self, wrong: str) -> None:
        if not self.found.done():
            self.found.set_result(f"{self._path}{wrong}" if wrong else "")

    # -- called by the connection

    def opened(self, connection: HTTP2Connection) -> None:
        self.connection = connection

    def lost(self, connection: HTTP2Connection) -> None:
        pass

    def capacity_changed(self) -> None:
        pass

    def failed(self, why: str, now: float) -> None:
        pass

    def gone(self, error: Exception) -> None:
        if self.connection is not None:
            self.connection.streams.pop(self, None)
        self._conclude(f": {error}")

    # -- called by the stream

    def interim(self, head: ResponseHead) -> None:
        pass

    def response(self, head: ResponseHead, ended: bool) -> None:
        if not self._is_grpc or head.status != 200:
            self._conclude("" if 200 <= head.status < 400 and not self._is_grpc else f" is answered {head.status}")
        elif ended:
            self._call_ended(head.fields)

    def content(self, data: bytes) -> None:
        # One byte more than the answer that is good: whatever is longer is another.
        self._content = (self._content + data)[: len(_GRPC_SERVING) + 1]

    def end(self, trailers: bytes) -> None:
        if self._is_grpc:
            self._call_ended(trailers)

    def reset(self, code: int) -> None:
        self._conclude(f": the app reset the stream, code {code}")

    def writable(self) -> None:
        pass

    def malformed(self, error: MessageError) -> None:
        self._conclude(f": {error.detail}")

    def _call_ended(self, lines: bytes) -> None:
        status = _GRPC_STATUS.search(lines)
        if status is None or status[1] != b"0":
            self._conclude(f" is answered grpc-status {status[1].decode('ascii') if status else 'without number'}")
        else:
            self._conclude("" if self._content == _GRPC_SERVING else " does not say SERVING")
