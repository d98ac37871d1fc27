"""After the last answer of a connection: who is given time to read it, and whose connection is closed at once."""

from dataclasses import replace
from pathlib import Path

import pytest

from gatekeeper.proxy.client.connection import LINGER_SECONDS
from gatekeeper.proxy.client.http1_stream import FIRST_FLIGHT_BYTES
from gatekeeper.refusal.answer import RefusalPages
from tests.proxy.scene import OK, SWITCHED, UPGRADE, Scene, get, request


def test_after_the_last_answer_the_client_may_take_its_time_to_read_it(scene: Scene) -> None:
    """RFC 9112, 9.6: closing at once, with bytes unread, would reset the connection and destroy the answer."""
    nobody = scene.visitor()
    nobody.send(get("/"))
    assert nobody.was_sent_away
    assert not nobody.is_gone
    nobody.send(b"x" * 10_000)
    assert not nobody.is_gone
    scene.loop.advance(LINGER_SECONDS)
    assert nobody.is_gone


@pytest.mark.parametrize("let_in", [True, False])
@pytest.mark.parametrize("head", [get("/", "Connection: close"), b"GET / HTTP/1.0\r\nHost: app.example.com\r\n\r\n"])
def test_who_sends_no_further_request_is_not_waited_for(scene: Scene, head: bytes, *, let_in: bool) -> None:
    """RFC 9112, 9.3: such a client may send nothing that would make the kernel reset the connection."""
    visitor = scene.visitor(scene.files.alice if let_in else None)
    visitor.send(head)
    if let_in:
        scene.app.last.send(OK)
    assert visitor.read().startswith(b"HTTP/1.1 200 " if let_in else b"HTTP/1.1 403 ")
    assert visitor.said_goodbye
    assert visitor.is_gone


@pytest.mark.parametrize(
    "sent",
    [
        request("POST", "/", "Connection: close", "Content-Length: 10", body=b"x" * 9),
        get("/", "Connection: close") + b"G",
        b"GET / HTTP/1.0\r\nwrong\r\n\r\n",
    ],
)
def test_who_has_more_to_send_is_waited_for(scene: Scene, sent: bytes) -> None:
    """RFC 9112, 9.6: whatever it has said about further requests."""
    nobody = scene.visitor()
    nobody.send(sent)
    assert nobody.was_sent_away
    assert not nobody.is_gone
    nobody.send(b"x")
    assert nobody.read().startswith(b"HTTP/1.1 40")
    assert not nobody.is_gone


@pytest.mark.parametrize(
    "pieces",
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no", b"k"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 14600\r\n\r\n" + bytes(14_600),),
    ],
    ids=["streamed", "long"],
)
def test_who_may_not_have_read_a_long_answer_is_waited_for(scene: Scene, pieces: tuple[bytes, ...]) -> None:
    """Its close_notify, which may come before it has read everything, would make the kernel reset the connection."""
    alice = scene.alice()
    alice.send(get("/", "Connection: close"))
    for piece in pieces:
        scene.app.last.send(piece)
    assert alice.read().startswith(b"HTTP/1.1 200 OK")
    assert alice.said_goodbye
    assert not alice.is_gone


def test_who_may_not_have_read_a_long_page_is_waited_for(scene: Scene, tmp_path: Path) -> None:
    """One of the operator's."""
    (tmp_path / "page.html").write_text("x" * FIRST_FLIGHT_BYTES)
    scene.proxy.snapshot = replace(scene.snapshot, pages=RefusalPages(template=tmp_path / "page.html"))
    scene.app.refuses = ConnectionRefusedError(111, "Connection refused")
    alice = scene.alice()
    alice.send(get("/", "Connection: close", "Accept: text/html"))
    assert alice.read().startswith(b"HTTP/1.1 502 ")
    assert alice.said_goodbye
    assert not alice.is_gone


def test_who_may_still_speak_in_a_tunnel_is_waited_for(scene: Scene) -> None:
    """RFC 9112, 9.6: its request said that it is the last one, but its tunnel has not ended on its side."""
    alice = scene.alice()
    alice.send(UPGRADE.replace(b"Connection: Upgrade", b"Connection: Upgrade, close"))
    scene.app.last.send(SWITCHED)
    scene.app.last.send(b"bye")
    scene.app.last.close()
    assert alice.read().endswith(b"bye")
    assert alice.said_goodbye
    assert not alice.is_gone


def test_after_the_last_answer_the_connection_ends_with_the_client(scene: Scene) -> None:
    """Who closes is not waited for."""
    nobody = scene.visitor()
    nobody.send(get("/"))
    nobody.leave()
    assert nobody.is_gone
