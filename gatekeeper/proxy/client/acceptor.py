"""Accepts connections from the listening sockets, within the limits and the process's file descriptors.

The servers of asyncio and uvloop are not used, because they behave differently: when file descriptors run out,
asyncio's pauses for a second and logs a traceback, libuv's accepts and closes whatever waits. Neither has a limit, and
neither can empty the kernel's queue before it closes.
"""

import _socket
import asyncio
import errno
import logging
import resource
import socket
import struct
import sys
from collections.abc import Sequence
from ctypes import addressof, create_string_buffer
from typing import cast

from gatekeeper.proxy.client.connection import ClientConnection
from gatekeeper.proxy.client.proxy_header import NewConnection, ProxyHeaderReader
from gatekeeper.proxy.forwarding import client_address
from gatekeeper.proxy.proxy import Proxy

_log = logging.getLogger("gatekeeper")

# How many connections are accepted at once from one socket, so that not each one needs a turn of the loop. Where other
# processes share the socket, it is one.
BATCH = 16
# While there is no room, look again this often (seconds): other processes share the limit, and do not notify this one.
PAUSE_SECONDS = 0.05
# Log the reason for a pause at most once in so many seconds: at a limit, each connection causes a pause.
SILENT_SECONDS = 60.0
# From the first dropped SYN to the close, so that TCP handshakes under way can be completed (seconds).
CLOSING_SECONDS = 0.2
# Descriptors for everything but connections: log, listeners, the loop, libraries, files being read.
SPARE_DESCRIPTORS = 64

_NO_ROOM = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_SO_ATTACH_FILTER = 26  # Linux, asm-generic/socket.h; missing from the module socket


class _Accepted(socket.socket):
    """``family`` and ``type`` are the kernel's numbers. `socket.socket` looks for a member of an enum each time, for
    0.4 µs, and accepting one connection asks five times.
    """

    family = _socket.socket.family  # type: ignore[assignment]
    type = _socket.socket.type  # type: ignore[assignment]


class Acceptor:
    """Accepts on ``listeners``, which are bound, listening and non-blocking, from `open` to `close`.

    ``speak`` makes the protocol of each connection. With ``shared``, other processes accept on the same sockets, and
    one connection is accepted at a time.
    """

    def __init__(
        self,
        proxy: Proxy,
        listeners: Sequence[socket.socket],
        *,
        shared: bool = False,
        speak: NewConnection | None = None,
    ) -> None:
        self._proxy = proxy
        self._speak: NewConnection = speak or ClientConnection
        self._loop = proxy.loop
        self._listeners = listeners
        self._batch = 1 if shared else BATCH
        self._coming: set[asyncio.Task[None]] = set()
        self._retry: asyncio.TimerHandle | None = None
        self._silent_until = 0.0
        # Each needs a descriptor, and one towards the app.
        self._most = _descriptors() // 2

    def open(self) -> None:
        """Accept connections, also after `pause`."""
        self._retry = None
        for listener in self._listeners:
            self._loop.add_reader(listener.fileno(), self._readable, listener)

    def pause(self) -> None:
        """Stop accepting. New connections wait in the kernel's queue (listen(2))."""
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        for listener in self._listeners:
            self._loop.remove_reader(listener.fileno())

    async def close(self, *, last: bool) -> None:
        """Stop accepting and close the sockets.

        If this is the ``last`` process that accepts on them, it first accepts every connection in the kernel's queue.
        The kernel drops new SYNs meanwhile, so that no connection is lost between the last accept and the close.
        """
        if last:
            for listener in self._listeners:
                _drop_newcomers(listener)
            await asyncio.sleep(CLOSING_SECONDS)
        self.pause()
        for listener in self._listeners:
            while last and self._accept(listener):
                pass
            listener.close()
        if self._coming:
            await asyncio.wait(self._coming)

    # -- one connection

    def _readable(self, listener: socket.socket) -> None:
        coming = len(self._coming)
        allowed = self._proxy.capacity(coming)
        descriptors = self._most - len(self._proxy.connections) - coming
        if allowed > 0 and descriptors > 0:
            for _ in range(min(self._batch, allowed, descriptors)):
                if not self._accept(listener):
                    break
        elif allowed <= 0:
            self._wait_for_room("as many are open as limits.connections allows")
        else:
            limit = "a worker has file descriptors for {} connections and no more (LimitNOFILE, ulimit -n)"
            self._wait_for_room(limit.format(self._most))

    def _wait_for_room(self, why: str) -> None:
        self.pause()
        self._retry = self._loop.call_later(PAUSE_SECONDS, self.open)
        now = self._loop.time()
        if now >= self._silent_until:
            _log.warning("accepting pauses: %s", why)
            self._silent_until = now + SILENT_SECONDS

    def _accept(self, listener: socket.socket) -> bool:
        """Accept one connection; False if none is waiting, or the system has no room for one."""
        try:
            descriptor, peername = listener._accept()  # type: ignore[attr-defined]
            connection = _Accepted(fileno=descriptor)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as error:
            if error.errno not in _NO_ROOM:
                return True  # this one was closed while it waited (accept(2)); others may be waiting
            self._wait_for_room((error.strerror or str(error)).lower())
            return False
        self._take(connection, peername)
        return True

    def _take(self, connection: socket.socket, peername: object) -> None:
        proxy = self._proxy
        client, address = client_address(peername)
        protocol: asyncio.Protocol
        reserved: str | None = None  # the address behind a balancer is not known yet
        if proxy.snapshot.expects_proxy_header(address):
            protocol = ProxyHeaderReader(proxy, client, self._speak)
        elif proxy.over_limit(address):
            _log.info("closed at once: %s: too many connections from this address", client)
            connection.close()
            return
        else:
            protocol, reserved = cast(asyncio.Protocol, self._speak(proxy, client, address)), address
            proxy.reserve(address)
        task = self._loop.create_task(self._connect(connection, protocol, reserved))
        self._coming.add(task)
        task.add_done_callback(self._coming.discard)

    async def _connect(self, connection: socket.socket, protocol: asyncio.Protocol, reserved: str | None) -> None:
        connection.setblocking(False)
        try:
            await self._loop.connect_accepted_socket(lambda: protocol, connection)
        except OSError:
            connection.close()
            if reserved is not None:
                self._proxy.cancel_reservation(reserved)


def _descriptors() -> int:
    """How many file descriptors connections may use. Raises the soft limit to the hard one (getrlimit(2))."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
        except (OSError, ValueError):  # macOS wants no more than kern.maxfilesperproc
            pass
    return max(soft - SPARE_DESCRIPTORS, 2) if soft != resource.RLIM_INFINITY else 1 << 30


def _drop_newcomers(listener: socket.socket) -> None:
    """Have the kernel drop every SYN to this socket (Linux, SO_ATTACH_FILTER in socket(7)).

    The client repeats it after a second (RFC 6298, 2.1), and then finds the port closed or another process listening.
    TCP handshakes under way are completed.
    """
    # Classic BPF; the packet begins with the TCP header, whose flags are byte 13 (RFC 9293, 3.1). SYN is 2.
    program = b"".join(
        struct.pack("HBBI", *instruction)
        for instruction in (
            (0x30, 0, 0, 13),  # ldb [13]
            (0x45, 0, 1, 2),  # jset #2
            (0x06, 0, 0, 0),  # ret #0: drop
            (0x06, 0, 0, 0xFFFFFFFF),  # ret #-1: take it whole
        )
    )
    if listener.family == socket.AF_UNIX or sys.platform != "linux":
        return
    instructions = create_string_buffer(program)
    try:
        listener.setsockopt(
            socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HL", len(program) // 8, addressof(instructions))
        )
    except OSError:
        _log.debug("newcomers cannot be turned away before the socket is closed")
