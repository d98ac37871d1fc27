"""A client's connection, as transcripts: when it ends, and what its client still gets."""

import gc
import weakref

import pytest

from gatekeeper.proxy.client.connection import LINGER_LIMIT_SECONDS, LINGER_SECONDS
from tests.proxy.scene import OK, Scene, Visitor, get, request

# -- the connection's own timeouts


def test_a_handshake_that_is_not_done_in_time_ends_the_connection(scene: Scene) -> None:
    """timeouts.handshake, 10 s, from the connection on; single bytes do not prolong it."""
    silent, slow = scene.connect(), scene.connect()
    for byte in b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc":  # how a ClientHello begins
        scene.loop.advance(1)
        slow.send_raw(bytes((byte,)))
    assert not silent.is_gone
    assert not slow.is_gone
    scene.loop.advance(1)
    assert silent.is_gone
    assert slow.is_gone
    assert scene.proxy.metrics.handshakes == {"failed": 2}


def test_a_head_that_does_not_arrive_in_time_is_answered_with_408(scene: Scene) -> None:
    """timeouts.request_header, 10 s, from the first byte to the last; single bytes do not prolong it."""
    alice = scene.alice()
    scene.loop.advance(60)
    for byte in b"GET / HTT":
        alice.send(bytes((byte,)))
        scene.loop.advance(1)
    assert alice.read() == b""
    scene.loop.advance(1)
    assert alice.read().startswith(b"HTTP/1.1 408 ")
    assert alice.was_sent_away
    assert scene.statuses == [408]


def test_a_pipelined_head_that_never_ends_is_answered_with_408(scene: Scene) -> None:
    """The time for a head that began early runs from its turn."""
    alice = scene.alice()
    alice.send(get("/1") + b"GET /2 HT")
    scene.loop.advance(30)
    assert scene.serve(alice) == OK
    scene.loop.advance(9)
    assert alice.read() == b""
    scene.loop.advance(1)
    assert alice.read().startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("requests", [0, 1])
def test_an_idle_connection_is_closed(scene: Scene, requests: int) -> None:
    """timeouts.idle, 75 s, after the handshake as after a request; a proper goodbye, no answer."""
    alice = scene.alice()
    for _ in range(requests):
        alice.send(get("/"))
        scene.serve(alice)
    scene.loop.advance(74)
    assert not alice.was_sent_away
    scene.loop.advance(1)
    assert alice.was_sent_away
    assert alice.read() == b""
    assert alice.said_goodbye
    scene.loop.advance(LINGER_SECONDS)
    assert alice.is_gone


# -- the end


def upload(scene: Scene) -> Visitor:
    """A client that is refused at once, and has a long body still to send."""
    mallory = scene.visitor()
    mallory.send(request("POST", "/", "Content-Length: 1000000"))
    assert mallory.read().startswith(b"HTTP/1.1 403 ")
    assert mallory.was_sent_away
    return mallory


def test_a_refused_upload_is_read_on_while_bytes_come(scene: Scene) -> None:
    """RFC 9112, 9.6: a client that writes first and reads then sees the 403 and not a reset. As nginx: five seconds
    without a byte end it.
    """
    mallory = upload(scene)
    for _ in range(5):
        scene.loop.advance(LINGER_SECONDS - 0.1)
        mallory.send(b"more of the body")
        assert not mallory.is_gone
    scene.loop.advance(LINGER_SECONDS - 0.1)
    assert not mallory.is_gone
    scene.loop.advance(0.1)
    assert mallory.is_gone


def test_a_refused_upload_is_not_read_for_ever(scene: Scene) -> None:
    """Thirty seconds in all, however busily the client writes."""
    mallory = upload(scene)
    for _ in range(int(LINGER_LIMIT_SECONDS) - 1):
        scene.loop.advance(1)
        mallory.send(b"more of the body")
    assert not mallory.is_gone
    scene.loop.advance(1)
    assert mallory.is_gone


def test_a_client_that_does_not_take_its_answer_is_not_read_for_longer(scene: Scene) -> None:
    """What it still sends is no sign that it reads: only ``stream_idle`` holds for an answer that is on its way."""
    mallory = scene.visitor()
    mallory.transport.peer_stalls()
    mallory.send(request("POST", "/", "Content-Length: 1000000"))
    idle = scene.snapshot.timeouts.stream_idle
    for _ in range(6):
        scene.loop.advance(idle / 6)
        if not mallory.is_gone:
            mallory.send(b"more of the body")
    assert mallory.is_gone


def test_a_slow_reader_gets_the_whole_of_a_last_answer(scene: Scene) -> None:
    """What waits to be sent when the connection ends is sent while the client takes some of it in stream_idle."""
    alice = scene.alice()
    alice.send(get("/", "Connection: close"))
    alice.transport.peer_stalls()
    scene.app.last.send(b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + b"x" * 200_000)
    for _ in range(20):
        scene.loop.advance(50)
        assert not alice.is_gone
        alice.transport.peer_takes(10_100)
    answer = alice.read()
    assert len(answer) > 200_000
    assert alice.said_goodbye


def test_who_takes_nothing_of_a_last_answer_is_cut_off(scene: Scene) -> None:
    """A client that stopped reading cannot hold the gate's memory for ever."""
    alice = scene.alice()
    alice.send(get("/", "Connection: close"))
    alice.transport.peer_stalls()
    scene.app.last.send(b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + b"x" * 200_000)
    scene.loop.advance(121)
    assert alice.is_gone


@pytest.mark.parametrize("ending", ["goodbye", "garbage", "plain"])
def test_who_ends_the_connection_without_reading_is_cut_off_too(scene: Scene, ending: str) -> None:
    """Nor by a goodbye, or by bytes that are no TLS, while answers wait to be sent."""
    alice = scene.alice()
    alice.send(get("/"))
    alice.transport.peer_stalls()
    scene.app.last.send(b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + b"x" * 200_000)
    if ending == "goodbye":
        alice.say_goodbye()
    else:
        alice.send_raw(b"GET / HTTP/1.1\r\n\r\n" if ending == "plain" else b"\x17\x03\x03\x00\x05wrong")
    scene.loop.advance(121)
    assert alice.is_gone


def test_a_goodbye_is_answered_and_ends_the_connection(scene: Scene) -> None:
    """RFC 8446, 6.1: close_notify."""
    alice = scene.alice()
    alice.say_goodbye()
    assert alice.read() == b""
    assert alice.said_goodbye
    assert alice.is_gone


def test_broken_tls_ends_the_connection_with_an_alert(scene: Scene) -> None:
    """The other side learns why; a bare reset tells nothing."""
    stranger = scene.connect()
    stranger.send_raw(b"\x16\x03\x01\x00\x05hello")
    assert bytes(stranger.transport.peer_got[:2]) == b"\x15\x03"  # an alert record
    assert stranger.is_gone
    assert scene.proxy.metrics.handshakes == {"failed": 1}


def test_broken_tls_in_the_middle_of_an_exchange_tells_the_app(scene: Scene) -> None:
    """A connection that was tampered with is over, and so is its request."""
    alice = scene.alice()
    alice.send(get("/"))
    alice.transport.peer_stalls()
    scene.app.last.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
    alice.send_raw(b"\x17\x03\x03\x00\x20" + b"x" * 32)
    assert scene.app.last.is_gone
    alice.transport.peer_takes()
    assert alice.is_gone


def test_plain_http_gets_a_plain_answer(scene: Scene) -> None:
    """Somebody forgot the s of https; silence would not tell them."""
    stranger = scene.connect()
    stranger.send_raw(b"GET / HTTP/1.1\r\nHost: app.example.com\r\n\r\n")
    answer = bytes(stranger.transport.peer_got)
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"https://app.example.com/" in answer
    assert stranger.is_gone


def test_plain_http_gets_a_page_with_the_right_link(scene: Scene) -> None:
    """A browser; the number on the page is in the log."""
    stranger = scene.connect()
    stranger.send_raw(b"GET /a?b=<c> HTTP/1.1\r\nHost: app.example.com:8443\r\nAccept: text/html\r\n\r\n")
    head, _, body = bytes(stranger.transport.peer_got).partition(b"\r\n\r\n")
    assert b"\r\nContent-Type: text/html; charset=utf-8\r\n" in head
    assert b'<a href="https://app.example.com:8443/a?b=&lt;c&gt;">' in body
    (record,) = scene.log.records
    assert record["request_id"][:8].encode() in body
    assert record["status"] == 400


@pytest.mark.parametrize("host", ["a b", "x@evil.example.org", "app.example.com/x"])
def test_plain_http_with_a_wrong_host_gets_no_link(scene: Scene, host: str) -> None:
    """The page would otherwise lead where somebody else wants it to."""
    stranger = scene.connect()
    stranger.send_raw(f"GET / HTTP/1.1\r\nHost: {host}\r\nAccept: text/html\r\n\r\n".encode())
    body = bytes(stranger.transport.peer_got).partition(b"\r\n\r\n")[2]
    assert b"This port speaks HTTPS" in body
    assert b'href="https:' not in body


def test_a_client_that_leaves_during_the_handshake_is_counted(scene: Scene) -> None:
    """Port scanners and health checks of load balancers; one line at most."""
    scene.connect().leave()
    assert scene.proxy.metrics.handshakes == {"failed": 1}
    assert not scene.proxy.connections


# -- draining


def test_draining_sends_idle_clients_away_and_lets_exchanges_end(scene: Scene) -> None:
    """What is under way ends with Connection: close."""
    idle, alice = scene.alice(), scene.alice()
    alice.send(get("/"))
    scene.loop.create_task(scene.proxy.drain(30))
    scene.loop.settle()
    assert not idle.was_sent_away
    scene.loop.advance(1)
    assert idle.was_sent_away
    assert not alice.was_sent_away
    assert b"\r\nConnection: close\r\n" in scene.serve(alice)
    assert alice.was_sent_away


def test_a_response_that_had_begun_before_draining_ends_its_connection_too(scene: Scene) -> None:
    """Its head promised keep-alive, but a connection may be closed between two requests at any time."""
    alice = scene.alice()
    alice.send(get("/"))
    scene.app.last.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha")
    scene.loop.create_task(scene.proxy.drain(30))
    scene.loop.settle()
    scene.app.last.send(b"lf")
    assert alice.read().endswith(b"half")
    scene.loop.advance(1)
    assert alice.was_sent_away


def test_a_request_that_was_on_its_way_when_draining_began_is_answered(scene: Scene) -> None:
    """A connection that looks idle may have a request in the network."""
    alice = scene.alice()
    scene.loop.create_task(scene.proxy.drain(30))
    scene.loop.advance(0.5)
    alice.send(get("/"))
    assert b"\r\nConnection: close\r\n" in scene.serve(alice)
    assert alice.was_sent_away


def test_a_request_that_had_begun_before_draining_is_still_answered(scene: Scene) -> None:
    """Half a head is a request under way."""
    alice = scene.alice()
    alice.send(b"GET / HTTP/1.1\r\nHo")
    scene.loop.create_task(scene.proxy.drain(30))
    scene.loop.settle()
    alice.send(b"st: app.example.com\r\n\r\n")
    assert b"\r\nConnection: close\r\n" in scene.serve(alice)


def test_what_is_left_at_the_end_of_draining_is_cut(scene: Scene) -> None:
    """timeouts.drain."""
    alice = scene.alice()
    alice.send(get("/"))
    drained = scene.loop.create_task(scene.proxy.drain(30))
    scene.loop.advance(29)
    assert not alice.is_gone
    scene.loop.advance(1)
    assert alice.is_gone
    assert drained.done()


def test_a_closed_connection_is_freed_at_once(scene: Scene) -> None:
    """OpenSSL keeps 50 KiB and more for it: that must not wait for the garbage collector."""
    alice = scene.alice()
    alice.send(get())
    scene.serve(alice)
    alice.leave()
    assert alice.is_gone
    left = weakref.ref(alice.connection.tls._ssl)
    gc.collect()
    gc.disable()
    try:
        del alice.connection, alice.transport
        assert left() is None
    finally:
        gc.enable()
