"""Sockets that come from another process."""

import os
import socket

import pytest

from gatekeeper.errors import StartError
from gatekeeper.process.handover import (
    READY,
    UPGRADE_VARIABLE,
    listeners_from_systemd,
    predecessor,
    upgrade_value,
)
from gatekeeper.process.listeners import Listener, Role


def test_sockets_for_another_process_are_left_alone() -> None:
    """LISTEN_PID names whom they are meant for (sd_listen_fds(3)); the variables go in any case."""
    environ = {"LISTEN_PID": str(os.getpid() + 1), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "https", "PATH": "/bin"}
    assert listeners_from_systemd(environ) == ()
    assert environ == {"PATH": "/bin"}


@pytest.mark.parametrize("count", ["", "-1", "two"])
def test_a_count_that_is_no_number_passes_nothing(count: str) -> None:
    """Nobody guesses at descriptors."""
    assert listeners_from_systemd({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": count}) == ()


def test_a_successor_gets_the_same_sockets() -> None:
    """Role, address and descriptor arrive as they were told, and its word reaches the old gate."""
    ours, theirs = socket.socketpair()
    with socket.create_server(("127.0.0.1", 0)) as server, ours:
        copy = os.dup(server.fileno())
        with socket.socket(fileno=copy) as inherited:
            told = upgrade_value([Listener(Role.ADMIN, "127.0.0.1:9000", inherited)], theirs)
            inherited.detach()
        environ = {UPGRADE_VARIABLE: told}
        theirs.detach()
        before = predecessor(environ)
        assert environ == {}
        assert before is not None
        (listener,) = before.listeners
        assert (listener.role, listener.address) == (Role.ADMIN, "127.0.0.1:9000")
        assert listener.socket.getsockname() == server.getsockname()
        assert not listener.socket.getblocking()
        listener.socket.close()
        before.take_over()
        assert ours.recv(64) == READY
        assert ours.recv(64) == b""


def test_without_a_predecessor_there_is_none() -> None:
    """An ordinary start."""
    assert predecessor({}) is None


def test_a_socket_that_does_not_listen_is_an_error() -> None:
    """As systemd passes one with Accept=yes: a connection, not a listener."""
    ours, theirs = socket.socketpair()
    channel, end = socket.socketpair()
    with ours, channel, theirs:
        told = upgrade_value([Listener(Role.VISITORS, "", theirs)], end)
        with pytest.raises(StartError, match="does not listen"):
            predecessor({UPGRADE_VARIABLE: told})
        end.close()
