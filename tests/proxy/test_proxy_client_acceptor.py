"""What becomes of connections in the kernel's queue: taken, left to wait, or turned away. On real sockets."""

import asyncio
import errno
import logging
import resource
import socket
from collections.abc import Callable
from typing import Any

import pytest

from gatekeeper.proxy.client.acceptor import BATCH, PAUSE_SECONDS, SILENT_SECONDS, SPARE_DESCRIPTORS
from gatekeeper.proxy.snapshot import Snapshot
from tests.gate_process import PATIENCE
from tests.proxy.accepting import Gate, is_over, player
from tests.proxy.scene import Files


@pytest.fixture
def play(files: Files, snapshot: Snapshot) -> Callable[..., None]:
    return player(files, snapshot)


# -- as many as there is room for


@pytest.mark.parametrize(("allowed", "descriptors", "taken"), [(3, 100, 3), (100, 4, 4), (100, 100, BATCH)])
def test_no_more_are_taken_at_once_than_there_is_room_for(
    play: Callable[..., None], monkeypatch: pytest.MonkeyPatch, allowed: int, descriptors: int, taken: int
) -> None:
    """All were waiting when the gate looked; who is left waits in the kernel."""
    limit = 2 * descriptors + SPARE_DESCRIPTORS
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))

    async def scene(gate: Gate) -> None:
        gate.connect(BATCH + 4)
        assert await gate.look() == taken

    play(scene, limits={"connections": allowed})


def test_a_socket_that_others_share_is_not_emptied_at_once(play: Callable[..., None]) -> None:
    """One at a time, or the first worker to wake up would have all."""

    async def scene(gate: Gate) -> None:
        gate.connect(3)
        assert [await gate.look() for _ in range(4)] == [1, 1, 1, 0]

    play(scene, shared=True)


def test_connections_on_their_way_count_for_their_address(play: Callable[..., None]) -> None:
    """All were waiting when the gate looked: with ``connections_per_ip = 2``, 32 were let in at once."""

    async def scene(gate: Gate) -> None:
        gate.connect(BATCH)
        assert await gate.look() == 2
        gate.proxy.cut()
        await gate.proxy.drain(PATIENCE)
        assert gate.proxy.metrics.address_counts.own("127.0.0.1") == 0

    play(scene, limits={"connections_per_ip": 2})


def test_who_has_too_many_is_sent_away_and_told_in_the_log(
    play: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    """Waiting would take the place of others in the queue."""

    async def scene(gate: Gate) -> None:
        gate.connect(2)
        with caplog.at_level(logging.INFO):
            assert await gate.look() == 1
        assert is_over(gate.clients[1])
        assert "too many connections from this address" in caplog.text

    play(scene, limits={"connections_per_ip": 1})


def test_without_room_it_waits_and_then_goes_on(play: Callable[..., None], caplog: pytest.LogCaptureFixture) -> None:
    """The second client stays in the kernel's queue until the first one leaves. The log says so once."""

    async def scene(gate: Gate) -> None:
        gate.connect(2)
        gate.acceptor.open()
        first = await gate.guest()
        assert gate.arrived.empty()
        first.abort()
        second = await gate.guest()
        assert second is not first
        gate.connect()
        second.abort()
        await gate.guest()

    play(scene, limits={"connections": 1})
    assert caplog.messages == ["accepting pauses: as many are open as limits.connections allows"]


def test_a_pause_ends_the_wait_for_room_too(play: Callable[..., None]) -> None:
    """Or the timer would open what was told to be shut."""

    async def scene(gate: Gate) -> None:
        gate.connect(2)
        gate.acceptor.open()
        await gate.guest()
        gate.acceptor._readable(gate.listeners[0])
        timer = gate.acceptor._retry
        assert timer is not None
        gate.acceptor.pause()
        assert timer.cancelled()

    play(scene, limits={"connections": 1})


def test_without_descriptors_it_waits(
    play: Callable[..., None], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Each connection needs one, and one towards the app; without them, accept(2) would fail again and again."""
    limit = 2 + SPARE_DESCRIPTORS
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))

    async def scene(gate: Gate) -> None:
        gate.connect(2)
        assert [await gate.look(), await gate.look()] == [1, 0]

    play(scene)
    assert "file descriptors for 1 connections and no more" in caplog.text


@pytest.mark.parametrize(
    ("soft", "hard", "refuses", "most"),
    [
        (1024, 4096, False, (4096 - SPARE_DESCRIPTORS) // 2),
        (1024, 4096, True, (1024 - SPARE_DESCRIPTORS) // 2),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, False, 1 << 29),
        (16, 16, False, 1),
    ],
)
def test_the_limit_of_descriptors_is_raised_as_far_as_it_goes(
    play: Callable[..., None], monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, refuses: bool, most: int
) -> None:
    """A process may raise its soft limit to the hard one (getrlimit(2)), where the system does not object."""
    asked = []

    def setrlimit(_which: int, limits: tuple[int, int]) -> None:
        asked.append(limits)
        if refuses:
            raise ValueError("current limit exceeds maximum limit")

    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", setrlimit)

    async def scene(gate: Gate) -> None:
        assert gate.acceptor._most == most

    play(scene)
    assert asked == ([] if soft == hard else [(hard, hard)])


# -- accept(2)


class Failing(socket.socket):
    """A listener whose first accept fails."""

    error: OSError | None

    def _accept(self) -> tuple[int, Any]:
        error, self.error = self.error, None
        if error is not None:
            raise error
        return super()._accept()  # type: ignore[misc]


def failing(code: int) -> Failing:
    listener = Failing()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    listener.error = OSError(code, errno.errorcode[code])
    return listener


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
def test_a_system_without_room_is_asked_again_later(
    play: Callable[..., None], caplog: pytest.LogCaptureFixture, code: int
) -> None:
    """The client waits in the queue, and comes in when there is room."""

    async def scene(gate: Gate) -> None:
        gate.connect()
        gate.acceptor.open()
        await gate.guest()

    play(scene, failing(code))
    assert caplog.messages == [f"accepting pauses: {errno.errorcode[code].lower()}"]


@pytest.mark.parametrize("code", [errno.ECONNABORTED, errno.EPROTO, errno.EPERM])
def test_a_client_that_left_the_queue_does_not_hold_up_the_next(
    play: Callable[..., None], caplog: pytest.LogCaptureFixture, code: int
) -> None:
    """accept(2) hands on errors of the connection; a firewall's is EPERM."""

    async def scene(gate: Gate) -> None:
        gate.connect()
        assert await gate.look() == 1

    play(scene, failing(code))
    assert caplog.messages == []


def test_the_log_says_again_after_a_time_why_it_pauses(
    play: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    """Once in a minute, not at each connection: the warning comes again when the minute is over."""

    async def scene(gate: Gate) -> None:
        gate.acceptor._wait_for_room("a")
        gate.acceptor._wait_for_room("b")
        gate.acceptor._silent_until -= SILENT_SECONDS
        gate.acceptor._wait_for_room("c")
        timer = gate.acceptor._retry
        assert timer is not None
        assert 0 < timer.when() - asyncio.get_running_loop().time() <= PAUSE_SECONDS

    play(scene)
    assert caplog.messages == ["accepting pauses: a", "accepting pauses: c"]


def test_a_connection_that_cannot_be_set_up_is_closed_and_not_counted(play: Callable[..., None]) -> None:
    """The kernel may refuse even then, such as epoll_ctl(2) with ENOSPC."""

    class Unable:
        """The loop, but for `connect_accepted_socket`."""

        def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
            self.loop = loop

        def __getattr__(self, name: str) -> Any:
            return getattr(self.loop, name)

        async def connect_accepted_socket(self, *_: Any) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    async def scene(gate: Gate) -> None:
        gate.acceptor._loop = Unable(gate.acceptor._loop)  # type: ignore[assignment]
        gate.connect()
        assert await gate.look() == 0
        assert is_over(gate.clients[0])
        assert gate.proxy.metrics.address_counts.own("127.0.0.1") == 0

    play(scene, limits={"connections_per_ip": 5})


def test_a_balancer_has_to_say_for_whom_it_connects(play: Callable[..., None]) -> None:
    """Its connection is none of a client's yet, whatever limit its address would have; the one in its header is."""

    async def scene(gate: Gate) -> None:
        gate.connect(2)
        assert await gate.look() == 0
        assert len(gate.proxy.pending) == 2
        gate.clients[0].sendall(b"PROXY TCP4 192.0.2.7 192.0.2.1 5000 443\r\n")
        guest = await gate.guest()
        assert guest.address == "192.0.2.7"

    play(scene, server={"proxy_protocol_from": ["127.0.0.1"]}, limits={"connections_per_ip": 1})


def test_who_is_no_balancer_says_nothing_for_others(play: Callable[..., None]) -> None:
    """The near miss: a network is listed, but not the one that the connection comes from. It is a client's."""

    async def scene(gate: Gate) -> None:
        gate.connect()
        assert await gate.look() == 1
        assert len(gate.proxy.pending) == 0

    play(scene, server={"proxy_protocol_from": ["127.0.0.2", "192.0.2.0/24"]})
