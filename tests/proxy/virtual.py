"""A loop whose time is moved by hand, and a transport that refuses what a real one would forgive."""

import asyncio
import socket
from asyncio import base_events
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any

Connector = Callable[..., Awaitable[tuple[asyncio.BaseTransport, asyncio.BaseProtocol]]]


class VirtualLoop(base_events.BaseEventLoop):
    """asyncio's own loop without sockets: nothing happens until `settle` or `advance`, time neither.

    An exception that nobody caught is raised by the next of these calls. ``connector`` is what ``create_connection``
    and ``create_unix_connection`` do.
    """

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._selector = self
        self._uncaught: list[dict[str, Any]] = []
        self._held: list[Callable[[], None]] | None = None
        self.connector: Connector | None = None
        self.names: dict[str, list[str]] = {}
        """What the resolver knows, and what of it refuses connections or does not react at all."""
        self.unreachable: set[str] = set()
        self.silent: set[str] = set()
        self.lookups: list[str] = []
        self._reached: dict[socket.socket, Any] = {}
        self.set_exception_handler(lambda _, context: self._uncaught.append(context))

    def time(self) -> float:
        return self._now

    def settle(self) -> None:
        """Run what can run now."""
        for _ in range(12):
            self.call_soon(self.stop)
            self.run_forever()
        self._raise_uncaught()

    def advance(self, seconds: float) -> None:
        """Let time pass, with everything that is due in it."""
        self.call_later(seconds, self.stop)
        self.run_forever()
        self.settle()

    def _raise_uncaught(self) -> None:
        if self._uncaught:
            context = self._uncaught.pop(0)
            raise context.get("exception") or AssertionError(context["message"])

    async def create_connection(  # type: ignore[override]
        self, factory: Any, host: Any = None, port: Any = None, *, sock: Any = None, **more: Any
    ) -> Any:
        assert self.connector is not None
        address = (host, port)
        if sock is not None:
            address = self._reached.pop(sock)
            sock.close()
        return await self.connector(factory, address, **more)

    async def getaddrinfo(self, host: Any, port: Any, **_: Any) -> Any:
        self.lookups.append(host)
        return [
            (socket.AF_INET6 if ":" in ip else socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port))
            for ip in self.names[host]
        ]

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        """Only what comes of a name gets here: a real socket, which stays where it is."""
        if address[0] in self.unreachable:
            raise ConnectionRefusedError(111, "Connection refused")
        if address[0] in self.silent:
            await self.create_future()
        self._reached[sock] = address[:2]

    async def create_unix_connection(self, factory: Any, path: Any = None, **more: Any) -> Any:  # type: ignore[override]
        assert self.connector is not None
        return await self.connector(factory, path, **more)

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:  # type: ignore[override]
        """At once: whatever another thread would do is done before anybody looks; but see `hold_threads`."""
        future = self.create_future()
        try:
            tell = partial(future.set_result, func(*args))
        except OSError as error:
            tell = partial(future.set_exception, error)
        if self._held is None:
            tell()
        else:
            self._held.append(tell)
        return future

    def hold_threads(self) -> None:
        """What is given to a thread from now on is done, but nobody is told before `release_threads`."""
        self._held = []

    def release_threads(self) -> None:
        """The threads tell what they did, and are quick again."""
        held, self._held = self._held or [], None
        for tell in held:
            tell()
        self.settle()

    # -- what BaseEventLoop asks of a loop

    def select(self, timeout: float | None) -> list[Any]:
        assert timeout is not None, "the loop would wait forever"
        self._now += timeout
        return []

    def _process_events(self, event_list: list[Any]) -> None:
        assert not event_list

    def _write_to_self(self) -> None:
        raise AssertionError("no other thread has anything to say to this loop")


class FakeTransport(asyncio.Transport):
    """One end of a connection; the test plays the other end, by the methods that begin with ``peer``.

    The peer takes everything at once until `peer_stalls`, then as many bytes as `peer_takes` says.
    """

    def __init__(self, loop: VirtualLoop, protocol: asyncio.Protocol, extra: dict[str, Any] | None = None) -> None:
        super().__init__(extra)
        self._loop = loop
        self._protocol = protocol
        self._buffer = bytearray()
        self._window: float = float("inf")
        self._high, self._low = 64 * 1024, 16 * 1024
        self._write_paused = False
        self._waiting: list[bytes] = []
        self._eof = False
        self._scheduled = False
        self.reading = True
        self.closing = False
        self.lost = False
        self.unacknowledged: int | None = 0
        """What the kernel says of the bytes on their way to the peer; None where it can say nothing."""
        self.pieces = 0
        """How many times something was written: each is a system call, and wakes the peer."""
        self.peer_got = bytearray()
        self.peer_got_eof = False
        """Whether the peer sees the end: of what was sent, or of the connection."""

    # -- asyncio.Transport

    def write(self, data: Any) -> None:
        assert isinstance(data, (bytes, bytearray, memoryview)), f"a transport does not take {type(data)}"
        assert not self.closing, "written to a closing transport"
        assert not self._eof, "written after write_eof"
        self.pieces += 1
        self._buffer += data
        self._flush()
        if len(self._buffer) > self._high and not self._write_paused:
            self._write_paused = True
            self._protocol.pause_writing()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        assert high is not None
        self._high, self._low = high, high // 4 if low is None else low

    def get_write_buffer_size(self) -> int:
        return len(self._buffer)

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        assert not self.closing, "write_eof on a closing transport"
        assert not self._eof, "write_eof twice"
        self._eof = True
        self._flush()

    def pause_reading(self) -> None:
        assert not self.closing, "pause_reading on a closing transport"
        assert self.reading, "pause_reading twice"
        self.reading = False

    def resume_reading(self) -> None:
        assert not self.closing, "resume_reading on a closing transport"
        if not self.reading:
            self.reading = True
            self._loop.call_soon(self._deliver)

    def is_closing(self) -> bool:
        return self.closing

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol  # type: ignore[assignment]

    def close(self) -> None:
        if not self.closing:
            self.closing = True
            self._flush()

    def abort(self) -> None:
        self.closing = True
        self._buffer.clear()
        self._lose(None)

    # -- the other end

    def peer_sends(self, data: bytes) -> None:
        """Bytes arrive, in one read; they wait while reading is paused."""
        self._waiting.append(data)
        self._loop.call_soon(self._deliver)
        self._loop.settle()

    def peer_sends_each(self, pieces: Iterable[bytes]) -> None:
        """Bytes arrive in as many reads as there are pieces, faster than anybody else says anything."""
        self._waiting += pieces
        self._loop.call_soon(self._deliver)
        self._loop.settle()

    def peer_ends(self) -> None:
        """FIN."""
        self.peer_sends(b"")

    def peer_resets(self) -> None:
        """RST."""
        self.closing = True
        self._buffer.clear()
        self._lose(ConnectionResetError(104, "Connection reset by peer"))
        self._loop.settle()

    def peer_stalls(self) -> None:
        """The peer takes nothing more."""
        self._window = 0

    def peer_takes(self, count: float = float("inf")) -> None:
        """The peer takes that much more."""
        self._window += count
        self._flush()
        self._loop.settle()

    @property
    def peer_is_held(self) -> bool:
        """Whether what the peer sends piles up in the kernel."""
        return not self.reading and not self.closing

    # -- inside

    def _deliver(self) -> None:
        while self._waiting and self.reading and not self.closing:
            data = self._waiting.pop(0)
            if data:
                self._protocol.data_received(data)
            elif not self._protocol.eof_received():
                self.close()

    def _flush(self) -> None:
        count = int(min(self._window, len(self._buffer)))
        self.peer_got += self._buffer[:count]
        del self._buffer[:count]
        self._window -= count
        if self._write_paused and len(self._buffer) <= self._low and not self.closing:
            self._write_paused = False
            self._loop.call_soon(self._protocol.resume_writing)
        if not self._buffer:
            self.peer_got_eof = self.peer_got_eof or self._eof
            if self.closing:
                self._lose(None)

    def _lose(self, error: Exception | None) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._connection_lost, error)

    def _connection_lost(self, error: Exception | None) -> None:
        self.lost = self.peer_got_eof = True
        self._protocol.connection_lost(error)
        del self._protocol  # as asyncio's and uvloop's do
