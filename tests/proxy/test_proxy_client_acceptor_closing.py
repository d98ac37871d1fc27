"""What becomes of connections in the kernel's queue in a pause and when the gate closes. On real sockets."""

import asyncio
import errno
import logging
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gatekeeper.proxy.client.acceptor import BATCH, Acceptor
from gatekeeper.proxy.client.connection import ClientConnection
from gatekeeper.proxy.snapshot import Snapshot
from tests.gate_process import PATIENCE
from tests.proxy.accepting import Gate, is_over, opened, player
from tests.proxy.scene import Files


@pytest.fixture
def play(files: Files, snapshot: Snapshot) -> Callable[..., None]:
    return player(files, snapshot)


# -- opening and closing


def test_what_connects_in_a_pause_waits(play: Callable[..., None]) -> None:
    """And is taken when the gate goes on."""

    async def scene(gate: Gate) -> None:
        gate.acceptor.open()
        gate.connect()
        await gate.guest()
        gate.acceptor.pause()
        gate.connect()
        for _ in range(10):  # turns of the loop; a connection comes in within three
            await asyncio.sleep(0)
        assert gate.arrived.empty()
        gate.acceptor.open()
        await gate.guest()

    play(scene)


def test_the_protocol_is_a_clients_unless_something_else_is_said(files: Files, snapshot: Snapshot) -> None:
    """As the worker makes it: TLS is expected."""

    async def main() -> None:
        async with opened(files, snapshot) as gate:
            gate.acceptor = Acceptor(gate.proxy, gate.listeners)
            gate.connect()
            assert await gate.look() == 1
            assert all(isinstance(one, ClientConnection) for one in gate.proxy.connections)

    asyncio.run(main())


def test_closing_leaves_the_queue_to_the_others(play: Callable[..., None]) -> None:
    """While other processes accept on the socket; here there is none, so the client is cut off. Who is in stays."""

    async def scene(gate: Gate) -> None:
        gate.connect()
        assert await gate.look() == 1
        gate.connect()
        await gate.acceptor.close(last=False)
        assert gate.listeners[0].fileno() == -1
        assert is_over(gate.clients[1])
        assert len(gate.proxy.connections) == 1

    play(scene)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux filters the packets of a socket")
def test_the_last_one_takes_all_that_have_connected_and_turns_newcomers_away(play: Callable[..., None]) -> None:
    """Nobody is lost between the last accept and the close: a SYN is dropped, and sent again to whoever listens then.

    The newcomer connects while the gate closes. Its first SYN gets no answer, so it is told to go away only when it
    repeats it, a second later (RFC 6298, 2.1).
    """

    async def scene(gate: Gate) -> None:
        gate.connect(BATCH + 4)
        closing = asyncio.create_task(gate.acceptor.close(last=True))
        await asyncio.sleep(0)
        with socket.socket() as newcomer:
            newcomer.setblocking(False)
            assert newcomer.connect_ex(gate.address) == errno.EINPROGRESS
            await closing
            with pytest.raises((BlockingIOError, ConnectionRefusedError)):  # refused, if the second is over already
                newcomer.recv(1)
            loop = asyncio.get_running_loop()
            with pytest.raises(ConnectionRefusedError):
                await asyncio.wait_for(loop.sock_connect(newcomer, gate.address), PATIENCE)
        assert len(gate.proxy.connections) == BATCH + 4

    play(scene)


def test_closing_waits_for_those_that_are_just_coming_in(play: Callable[..., None]) -> None:
    """They are connections when it returns, so that a drain sees them."""

    async def scene(gate: Gate) -> None:
        gate.connect()
        gate.acceptor._readable(gate.listeners[0])
        assert gate.acceptor._coming
        await gate.acceptor.close(last=False)
        assert len(gate.proxy.connections) == 1

    play(scene)


def test_a_unix_socket_is_closed_likewise(play: Callable[..., None], tmp_path: Path) -> None:
    """It has no packets to drop."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "gate.sock"))
    listener.listen()

    async def scene(gate: Gate) -> None:
        gate.connect()
        await gate.acceptor.close(last=True)
        assert [one.address for one in gate.proxy.connections] == ["unix"]

    play(scene, listener)


def test_a_kernel_without_filters_closes_all_the_same(
    play: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    """Some sandboxes forbid SO_ATTACH_FILTER. Who comes in the last moment is cut off, and the rest is not."""

    class Unfiltered(socket.socket):
        """Takes no options."""

        def setsockopt(self, *_: Any) -> None:
            raise OSError(errno.ENOPROTOOPT, "Protocol not available")

    listener = Unfiltered()
    listener.bind(("127.0.0.1", 0))
    listener.listen()

    async def scene(gate: Gate) -> None:
        gate.connect()
        with caplog.at_level(logging.DEBUG):
            await gate.acceptor.close(last=True)
        assert len(gate.proxy.connections) == 1

    play(scene, listener)
    assert "newcomers cannot be turned away" in caplog.text
