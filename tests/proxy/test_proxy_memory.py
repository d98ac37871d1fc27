"""How much memory strangers can cost: by the resident set of this process, before and after (proc(5), statm)."""

import asyncio
import ctypes
import gc
import os
import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from gatekeeper.gate.verdict import STRANGERS_BYTES
from gatekeeper.proxy.client.connection import ClientConnection
from gatekeeper.proxy.forwarding import client_address
from tests.expensive import Make, largest, of_certificates, of_large_keys, of_names, of_purposes, of_short_names
from tests.proxy.scene import ADDRESS, OK, Scene, get
from tests.tls.scene import ROUNDS, Visitor

STATM = Path("/proc/self/statm")
STRANGERS = 200
BYTES_EACH = 64 * 1024
CERTIFICATES = 16 * 1024
"""The default of ``client_auth.certificate_size``."""


class Wire(asyncio.Transport):
    """Keeps what the gate says until it is taken."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[bytes] = []

    def write(self, data: Any) -> None:
        self.said.append(bytes(data))

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return False

    def abort(self) -> None:
        pass

    def take(self) -> bytes:
        said, self.said = b"".join(self.said), []
        return said


def resident() -> int:
    """With what malloc(3) keeps for later given back, so that no stranger lives in the memory of an earlier one."""
    gc.collect()
    getattr(ctypes.CDLL(None), "malloc_trim", int)(0)  # the GNU C library has it
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def connect(scene: Scene, visitor: Visitor) -> ClientConnection:
    """A stranger whose public request was served, so that it was judged and its connection stays open."""
    connection, wire = ClientConnection(scene.proxy, *client_address(ADDRESS)), Wire()
    connection.connection_made(wire)
    visitor.connect()
    for _ in range(ROUNDS):
        with suppress(ssl.SSLWantReadError):
            visitor.tls.do_handshake()
        if said := visitor.outgoing.read():
            connection.data_received(said)
        visitor.incoming.write(wire.take())
    connection.data_received(visitor.say(get("/public")))
    scene.loop.settle()
    scene.app.last.send(OK)
    assert visitor.hear(wire.take()) == OK
    assert connection.tls.peer.errors
    scene.app.last.read()
    scene.log.records.clear()
    return connection


@pytest.mark.skipif(not STATM.exists(), reason="needs /proc")
@pytest.mark.parametrize(
    ("kind", "size"),
    [
        (of_names, CERTIFICATES),
        (of_certificates, CERTIFICATES),
        (of_large_keys, CERTIFICATES),
        (of_short_names, STRANGERS_BYTES),
        (of_purposes, STRANGERS_BYTES),
    ],
)
def test_a_thousand_strangers_cost_at_most_64_mib(make_scene: Callable[..., Scene], kind: Make, size: int) -> None:
    """With the largest certificates that are taken, and the most expensive ones that are read: TLS, certificates,
    verdict and connection. With OpenSSL's copies, 16 KiB of empty names cost 900 KiB.
    """
    scene, visitor = make_scene(routes=[{"path": "/public", "public": True}]), Visitor(largest(kind, size))
    for _ in range(20):
        connect(scene, visitor).connection_lost(None)
    before = resident()
    held = [connect(scene, visitor) for _ in range(STRANGERS)]
    cost = resident() - before
    for connection in held:
        connection.connection_lost(None)
    assert cost / STRANGERS < BYTES_EACH
