"""gatekeeper.admin.connection: one request, one answer, the end; bytes in and out of a real socket."""

import asyncio
import socket

import pytest

from gatekeeper.admin.connection import AdminAnswer, AdminConnection
from gatekeeper.wire.request import RequestHead
from tests.gate_process import PATIENCE


async def _say_target(head: RequestHead) -> AdminAnswer:
    return AdminAnswer(head.target, "text/plain")


async def _fail(_head: RequestHead) -> AdminAnswer:
    raise ZeroDivisionError


def play(sent: bytes, answerer: object = _say_target) -> bytes:
    """What somebody reads until the end who sends this."""

    async def talk() -> bytes:
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        ours, theirs = socket.socketpair()
        with ours, theirs:
            connection = AdminConnection(answerer, loop, PATIENCE, lambda _: ended.set())  # type: ignore[arg-type]
            await loop.connect_accepted_socket(lambda: connection, theirs)
            reader, writer = await asyncio.open_connection(sock=ours)
            writer.write(sent)
            got = await reader.read()
            writer.close()
            await ended.wait()
            return got

    return asyncio.run(asyncio.wait_for(talk(), PATIENCE))


def test_the_answer_is_whole_and_the_last_one() -> None:
    """RFC 9112, 9.6: Connection: close, and the end; a second request is not read."""
    head, _, body = play(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert {b"Connection: close", b"Content-Length: 2", b"Cache-Control: no-store"} <= set(head.split(b"\r\n"))
    assert body == b"/a"


def test_what_comes_while_it_is_answered_is_not_read() -> None:
    """A second request would have a second answer, after the end of the connection was announced."""
    asked = []

    async def talk() -> bytes:
        loop, ended = asyncio.get_running_loop(), asyncio.Event()

        async def answer(head: RequestHead) -> AdminAnswer:
            asked.append(head.target)
            if len(asked) == 1:
                connection.data_received(b"GET /b HTTP/1.1\r\nHost: x\r\n\r\n")
            return AdminAnswer(head.target, "text/plain")

        ours, theirs = socket.socketpair()
        with ours, theirs:
            connection = AdminConnection(answer, loop, PATIENCE, lambda _: ended.set())
            await loop.connect_accepted_socket(lambda: connection, theirs)
            reader, writer = await asyncio.open_connection(sock=ours)
            writer.write(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
            got = await reader.read()
            writer.close()
            await ended.wait()
            return got

    assert asyncio.run(asyncio.wait_for(talk(), PATIENCE)).count(b"HTTP/1.1 200 OK") == 1
    assert asked == [b"/a"]


def test_head_gets_no_body() -> None:
    """RFC 9110, 9.3.2."""
    got = play(b"HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"\r\nContent-Length: 2\r\n" in got
    assert got.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),
        (b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
        (b"GET /" + b"a" * 9000, b"414"),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 17_000, b"431"),
        (b"\x16\x03\x01\x00\x05hello\r\n\r\n", b"400"),
    ],
)
def test_what_cannot_be_read_is_answered_too(sent: bytes, status: bytes) -> None:
    """By the rules that hold for visitors; the limits of the head are smaller."""
    assert play(sent).startswith(b"HTTP/1.1 " + status + b" ")


def test_a_bug_is_an_answer_and_a_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """500 without the reason, which the log has."""
    got = play(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", _fail)
    assert got.startswith(b"HTTP/1.1 500 ")
    assert b"ZeroDivision" not in got
    assert "ZeroDivisionError" in caplog.text


def test_http_1_0_needs_no_host() -> None:
    """As `gatekeeper healthcheck` and simple probes ask."""
    assert play(b"GET /a HTTP/1.0\r\n\r\n").endswith(b"\r\n\r\n/a")
