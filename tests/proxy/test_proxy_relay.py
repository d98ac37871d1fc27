"""What both directions of an exchange have in common: backpressure, timeouts, and the table of states."""

from functools import partial
from itertools import product

import pytest

from gatekeeper.proxy.deadline import Timeout
from gatekeeper.proxy.exchange import Exchange
from gatekeeper.proxy.states import TRANSITIONS, State
from gatekeeper.wire.response import read_response
from tests.proxy.scene import MIB, OK, SWITCHED, UPGRADE, AppConnection, Scene, Visitor, get, request


def send_until_held(sender: Visitor | AppConnection) -> int:
    """Send "x" until the gate reads no more; the number of bytes."""
    sent = 0
    while not sender.transport.peer_is_held:
        sender.send(b"x" * 65536)
        sent += 65536
    return sent


# -- back-pressure


def test_a_slow_client_holds_the_app(scene: Scene) -> None:
    """The gate keeps a bounded part of a response in memory; the rest stays with the app."""
    alice = scene.alice()
    alice.send(get("/"))
    alice.transport.peer_stalls()
    scene.app.last.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10485760\r\n\r\n")
    sent = send_until_held(scene.app.last)
    assert alice.transport.get_write_buffer_size() < MIB // 2
    alice.transport.peer_takes()
    assert not scene.app.last.transport.peer_is_held
    while sent < 10 * MIB:
        scene.app.last.send(b"x" * 65536)
        sent += 65536
    assert alice.read().count(b"x") == 10 * MIB
    assert scene.statuses == [200]


def test_a_slow_app_holds_the_client(scene: Scene) -> None:
    """The gate keeps a bounded part of a request body in memory; the rest stays with the client."""
    alice = scene.alice()
    alice.send(request("POST", "/", f"Content-Length: {10 * MIB}"))
    app = scene.app.last
    app.read()
    app.transport.peer_stalls()
    sent = send_until_held(alice)
    assert app.transport.get_write_buffer_size() < MIB // 2
    app.transport.peer_takes()
    assert not alice.transport.peer_is_held
    while sent < 10 * MIB:
        alice.send(b"x" * 65536)
        sent += 65536
    assert app.read().count(b"x") == 10 * MIB
    assert scene.serve(alice) == OK


def test_a_client_is_held_while_the_app_is_being_connected_to(scene: Scene) -> None:
    """Its body has nowhere to go yet."""
    scene.app.hangs = True
    alice = scene.alice()
    alice.send(request("POST", "/", "Content-Length: 6", body=b"ab"))
    assert alice.transport.peer_is_held
    alice.send(b"cd")
    scene.app.recover()
    assert not alice.transport.peer_is_held
    alice.send(b"ef")
    assert scene.app.last.read().endswith(b"\r\n\r\nabcdef")


def test_a_body_that_outgrows_the_buffer_while_the_app_is_being_connected_to_goes_on(scene: Scene) -> None:
    """More than the client may send ahead came with the head: that reason to hold it ends with the other one."""
    scene.app.hangs = True
    alice = scene.alice()
    alice.send(request("POST", "/", "Content-Length: 100000", body=b"a" * 99_000))
    assert alice.transport.peer_is_held
    scene.app.recover()
    assert not alice.transport.peer_is_held
    alice.send(b"a" * 1_000)
    assert scene.app.last.read().count(b"a" * 1_000) == 100
    assert scene.serve(alice) == OK


def test_both_ways_of_a_tunnel_are_held_by_themselves(scene: Scene) -> None:
    """A client that does not read can still speak, and an app too."""
    alice = scene.alice()
    alice.send(UPGRADE)
    app = scene.app.last
    app.send(SWITCHED)
    app.read()
    alice.transport.peer_stalls()
    send_until_held(app)
    alice.send(b"still here")
    assert app.read() == b"still here"
    app.transport.peer_stalls()
    send_until_held(alice)
    alice.transport.peer_takes()
    assert not app.transport.peer_is_held
    assert alice.transport.peer_is_held
    app.transport.peer_takes()
    assert not alice.transport.peer_is_held


def test_an_app_that_answered_without_reading_its_request_is_not_kept(scene: Scene) -> None:
    """The rest of the body still waits to be sent to it: no next request may stand behind that."""
    alice = scene.alice()
    alice.send(request("POST", "/", "Content-Length: 400000"))
    app = scene.app.last
    app.transport.peer_stalls()
    alice.send(b"x" * 400_000)
    alice_answer = scene.serve(alice)
    assert alice_answer.startswith(b"HTTP/1.1 200 OK")
    assert app.is_gone
    assert scene.busy == 0


def test_the_next_request_is_read_after_an_app_that_did_not_read_the_last_one(scene: Scene) -> None:
    """That one is no reason any more to hold the client."""
    alice = scene.alice()
    alice.send(request("POST", "/", "Content-Length: 400000"))
    scene.app.last.transport.peer_stalls()
    alice.send(b"x" * 400_000)
    assert alice.transport.peer_is_held
    scene.serve(alice)
    assert not alice.transport.peer_is_held
    alice.send(get("/next"))
    assert scene.serve(alice) == OK


# -- timeouts


def test_an_app_that_cannot_be_reached_in_time_is_answered_for_with_504(scene: Scene) -> None:
    """timeouts.connect, 5 s."""
    scene.app.hangs = True
    alice = scene.alice()
    alice.send(get("/"))
    scene.loop.advance(4.5)
    assert alice.read() == b""
    scene.loop.advance(0.5)
    assert alice.read().startswith(b"HTTP/1.1 504 ")
    scene.app.recover()
    assert scene.app.connections == []
    assert scene.busy == 0


def test_an_app_that_does_not_answer_in_time_is_answered_for_with_504(scene: Scene) -> None:
    """timeouts.response_header, 60 s, after the whole request was sent."""
    alice = scene.alice()
    alice.send(request("POST", "/", "Content-Length: 4", body=b"ha"))
    scene.loop.advance(30)
    alice.send(b"lf")
    scene.loop.advance(59)
    assert alice.read() == b""
    scene.loop.advance(1)
    assert alice.read().startswith(b"HTTP/1.1 504 ")
    assert scene.app.last.is_gone


def test_interim_responses_do_not_prolong_the_time_for_the_answer(scene: Scene) -> None:
    """Or an app could hold a connection for ever."""
    alice = scene.alice()
    alice.send(get("/"))
    for _ in range(5):
        scene.loop.advance(10)
        scene.app.last.send(b"HTTP/1.1 103 Early Hints\r\n\r\n")
    scene.loop.advance(10)
    assert b"HTTP/1.1 504 " in alice.read()


def test_a_body_that_stops_is_answered_with_408(scene: Scene) -> None:
    """timeouts.stream_idle, 60 s, in which not one byte came; single bytes do prolong it."""
    alice = scene.alice()
    alice.send(request("POST", "/", "Content-Length: 10"))
    for _ in range(3):
        scene.loop.advance(59)
        alice.send(b"x")
    scene.loop.advance(59)
    assert alice.read() == b""
    scene.loop.advance(1)
    assert alice.read().startswith(b"HTTP/1.1 408 ")
    assert alice.was_sent_away
    assert scene.app.last.is_gone


def test_a_body_that_the_app_does_not_take_is_answered_for_with_504(scene: Scene) -> None:
    """The client would send, but is held: that the body does not arrive is not its fault."""
    alice = scene.alice()
    alice.send(request("POST", "/", f"Content-Length: {MIB}"))
    scene.app.last.transport.peer_stalls()
    send_until_held(alice)
    scene.loop.advance(120)
    assert alice.read().startswith(b"HTTP/1.1 504 ")
    assert scene.app.last.is_gone


def test_a_body_that_the_app_takes_slowly_is_not_idle(scene: Scene) -> None:
    """Bytes move, though none comes from the client, who is held."""
    alice = scene.alice()
    alice.send(request("POST", "/", f"Content-Length: {MIB}"))
    app = scene.app.last
    app.transport.peer_stalls()
    sent = send_until_held(alice)
    for _ in range(10):
        scene.loop.advance(40)
        app.transport.peer_takes(1000)
    assert alice.read() == b""
    assert not app.is_gone
    app.transport.peer_takes()
    alice.send(b"x" * (MIB - sent))
    assert scene.serve(alice) == OK


def test_a_response_that_stops_is_cut(scene: Scene) -> None:
    """timeouts.stream_idle, 60 s; single bytes do prolong it."""
    alice = scene.alice()
    alice.send(get("/"))
    scene.app.last.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
    for _ in range(3):
        scene.loop.advance(59)
        scene.app.last.send(b"x")
    scene.loop.advance(59)
    assert not alice.is_gone
    scene.loop.advance(1)
    assert alice.is_gone
    assert alice.read().endswith(b"\r\n\r\nxxx")
    assert not alice.said_goodbye
    assert scene.app.last.is_gone


def test_a_response_that_the_client_takes_slowly_is_not_idle(scene: Scene) -> None:
    """Bytes move, though none comes from the app, which is held."""
    alice = scene.alice()
    alice.send(get("/"))
    alice.transport.peer_stalls()
    app = scene.app.last
    app.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n")
    sent = send_until_held(app)
    for _ in range(10):
        scene.loop.advance(40)
        alice.transport.peer_takes(1000)
    assert not alice.is_gone
    alice.transport.peer_takes()
    app.send(b"x" * (MIB - sent))
    assert alice.read().count(b"x") == MIB


def test_a_client_that_takes_nothing_is_cut_off(scene: Scene) -> None:
    """It cannot hold the app and the gate's memory for ever: two periods at most."""
    alice = scene.alice()
    alice.send(get("/"))
    alice.transport.peer_stalls()
    app = scene.app.last
    app.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n")
    send_until_held(app)
    scene.loop.advance(126)
    assert alice.is_gone
    assert app.is_gone


def test_an_idle_tunnel_is_closed(scene: Scene) -> None:
    """timeouts.tunnel_idle, 1 h; a byte in either direction prolongs it."""
    alice = scene.alice()
    alice.send(UPGRADE)
    scene.app.last.send(SWITCHED)
    scene.loop.advance(3599)
    alice.send(b"ping")
    scene.loop.advance(3599)
    scene.app.last.send(b"pong")
    scene.loop.advance(3599)
    assert not alice.was_sent_away
    scene.loop.advance(1)
    assert alice.was_sent_away
    assert scene.app.last.is_gone
    assert scene.statuses == [101]


# -- the table


@pytest.mark.parametrize(("here", "there"), list(product(State, State)))
def test_no_exchange_leaves_the_table(scene: Scene, here: State, there: State) -> None:
    """TRANSITIONS: an illegal move is a bug, and raises."""
    alice = scene.alice()
    alice.send(get("/"))
    exchange = alice.connection._codec.stream.handler
    assert isinstance(exchange, Exchange)
    exchange.state = here
    if there in TRANSITIONS[here]:
        exchange._move(there)
        assert exchange.state is there
    else:
        with pytest.raises(AssertionError, match="cannot go from"):
            exchange._move(there)
    exchange.state = State.WAITING


@pytest.mark.parametrize("here", list(State))
def test_the_short_ways_keep_to_the_table_too(scene: Scene, here: State) -> None:
    """A request is sent, and a whole response passed on, without `_move`: only from where the table has them."""
    alice = scene.alice()
    alice.send(get("/"))
    exchange = alice.connection._codec.stream.handler
    assert isinstance(exchange, Exchange)
    upstream = exchange.upstream
    assert upstream is not None
    whole = read_response(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    for there, move in (
        (State.WAITING, partial(exchange.connected, upstream)),
        (State.ENDED, partial(exchange.response_whole, whole, b"", b"")),
    ):
        exchange.state, exchange.upstream = here, upstream
        if here is (State.CONNECTING if there is State.WAITING else State.WAITING):
            assert there in TRANSITIONS[here]
            move()
            assert exchange.state is there
        else:
            with pytest.raises(AssertionError, match="cannot go from"):
                move()
    exchange.state = State.ENDED
    upstream.reset()


def test_every_wait_has_its_time(scene: Scene) -> None:
    """Each timeout that a connection can run into is one that it waits for; connecting is the pool's."""
    fields = set(type(scene.snapshot.settings.timeouts).model_fields)
    waits = {wait.value for wait in Timeout}
    assert fields - {"connect", "drain", "drain_delay", "hang"} <= waits
