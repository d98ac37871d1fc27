"""Server-sent events, long polling and uploads: each byte goes on as it arrives, for nobody waits."""

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import web

from tests.app import App
from tests.gate_process import Gate
from tests.visitors import Visitors

COUNT = 5
ASK = b"GET /events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"


def read_until(connection: ssl.SSLSocket, wanted: bytes) -> bytes:
    """Read up to what is wanted; a gate that kept it back would let this run into the socket's timeout."""
    data = b""
    while wanted not in data:
        piece = connection.recv(65536)
        assert piece, data
        data += piece
    return data


class Events:
    """Says the next event only when it is told that the last one has arrived."""

    def __init__(self, prepare: Callable[[web.StreamResponse], None]) -> None:
        self._prepare = prepare
        self.arrived = asyncio.Semaphore(0)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        self._prepare(response)
        await response.prepare(request)
        for number in range(COUNT):
            await response.write(b"data: %d\n\n" % number)
            await self.arrived.acquire()
        return response


def chunked(response: web.StreamResponse) -> None:
    response.enable_chunked_encoding()


def counted(response: web.StreamResponse) -> None:
    response.content_length = COUNT * len("data: 0\n\n")


@pytest.mark.parametrize("prepare", [chunked, counted])
def test_events_arrive_one_by_one(
    folder: Path, visitors: Visitors, prepare: Callable[[web.StreamResponse], None]
) -> None:
    """However the response is framed."""
    events = Events(prepare)
    with (
        App(events.answer) as app,
        Gate(folder, app.url) as gate,
        gate.connect(visitors.context("alice")) as connection,
    ):
        connection.sendall(ASK)
        for number in range(COUNT):
            read_until(connection, b"data: %d\n\n" % number)

            async def go_on() -> None:
                events.arrived.release()

            app.run(go_on())


def test_the_head_of_a_long_poll_arrives_before_its_answer(folder: Path, visitors: Visitors) -> None:
    """EventSource calls it open then."""
    done = asyncio.Event()

    async def poll(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"")
        await done.wait()
        await response.write(b"news")
        return response

    with App(poll) as app, Gate(folder, app.url) as gate, gate.connect(visitors.context("alice")) as connection:
        connection.sendall(ASK)
        assert read_until(connection, b"\r\n\r\n").startswith(b"HTTP/1.1 200 ")

        async def finish() -> None:
            done.set()

        app.run(finish())
        read_until(connection, b"news")


def test_an_upload_reaches_the_app_as_it_is_sent(folder: Path, visitors: Visitors) -> None:
    """The app sees each part, and says so, before the next one is sent."""

    async def count(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        async for piece in request.content.iter_any():
            await response.write(b"got %b;" % piece)
        return response

    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    with App(count) as app, Gate(folder, app.url) as gate, gate.connect(visitors.context("alice")) as connection:
        connection.sendall(head)
        for number in range(COUNT):
            connection.sendall(b"3\r\np%02d\r\n" % number)
            read_until(connection, b"got p%02d;" % number)
        connection.sendall(b"0\r\n\r\n")
