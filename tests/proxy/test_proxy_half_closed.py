"""A client that says close_notify sends no more, but still listens (RFC 8446, 6.1)."""

from collections.abc import Callable

import pytest

from gatekeeper.proxy.client.connection import LINGER_SECONDS
from tests.proxy.scene import CUT, OK, SWITCHED, UPGRADE, Scene, Visitor, get, request

POST = request("POST", "/", "Content-Length: 4", body=b"body")


def say_last(alice: Visitor, plaintext: bytes) -> None:
    """The requests and the goodbye, in one packet."""
    alice.tls.write(plaintext)
    alice.say_goodbye()


@pytest.mark.parametrize("answered", [b"", CUT])
def test_the_answer_still_comes(scene: Scene, answered: bytes) -> None:
    """Whether or not it had begun; then the gate says goodbye as well, and waits for the end only so long."""
    alice = scene.alice()
    alice.send(get("/"))
    if answered:
        scene.app.last.send(answered)
    alice.say_goodbye()
    assert not alice.was_sent_away
    rest = scene.serve(alice, b" done." if answered else OK)
    assert rest.endswith(b" done." if answered else b"\r\nConnection: close\r\n\r\nok")
    assert alice.said_goodbye
    assert alice.was_sent_away
    assert scene.statuses == [200]
    scene.loop.advance(LINGER_SECONDS + 1)
    assert alice.is_gone


@pytest.mark.parametrize(
    "asked", [get("/"), POST, request("POST", "/", "Transfer-Encoding: chunked", body=b"0\r\n\r\n")]
)
def test_the_goodbye_may_come_before_the_app_was_reached(scene: Scene, asked: bytes) -> None:
    """A body that came whole waits with its request."""
    scene.app.hangs = True
    alice = scene.alice()
    say_last(alice, asked)
    scene.app.recover()
    assert b"\r\nConnection: close\r\n" in scene.serve(alice)
    assert alice.was_sent_away


@pytest.mark.parametrize("body", [b"bod", b"broken\r\n"])
def test_a_body_that_will_never_be_whole_is_not_waited_for(scene: Scene, body: bytes) -> None:
    """Before the app was reached."""
    scene.app.hangs = True
    alice = scene.alice()
    framing = "Content-Length: 4" if body == b"bod" else "Transfer-Encoding: chunked"
    say_last(alice, request("POST", "/", framing, body=body))
    assert alice.is_gone
    scene.app.recover()
    assert scene.app.connections == []
    assert scene.statuses == [499]


@pytest.mark.parametrize("first", [get("/1"), POST])
@pytest.mark.parametrize("apart", [True, False])
def test_every_whole_request_is_answered_in_order(scene: Scene, first: bytes, apart: bool) -> None:
    """Only the last answer says that it is the last: behind the others, more may follow."""
    alice = scene.alice()
    if apart:
        alice.send(first + get("/2") + get("/3"))
        alice.say_goodbye()
    else:
        say_last(alice, first + get("/2") + get("/3"))
    answers = [scene.serve(alice) for _ in range(3)]
    assert [b"\r\nConnection: close\r\n" in answer for answer in answers] == [False, False, True]
    assert alice.was_sent_away
    assert scene.statuses == [200, 200, 200]


@pytest.mark.parametrize(("behind", "statuses"), [(b"GET /half HT", [200]), (POST[:-1], [200, 499]), (b"\r\n", [200])])
def test_what_is_not_whole_is_not_waited_for(scene: Scene, behind: bytes, statuses: list[int]) -> None:
    """The connection ends at once behind the last answer."""
    alice = scene.alice()
    say_last(alice, get("/") + behind)
    assert scene.serve(alice).endswith(b"ok")
    assert alice.said_goodbye
    assert alice.is_gone
    assert scene.statuses == statuses
    assert scene.busy == 0


def test_answers_of_the_gates_own_come_too(make_scene: Callable[..., Scene]) -> None:
    """No app is asked, and there is nothing to wait for."""
    scene = make_scene(routes=[{"path": "/app/*"}])
    alice = scene.alice()
    say_last(alice, get("/app/1") + get("/nothing"))
    assert scene.serve(alice).count(b"HTTP/1.1 404 ") == 1
    assert alice.is_gone
    assert scene.statuses == [200, 404]


def test_a_slow_client_gets_what_it_asked_for_before(scene: Scene) -> None:
    """A request that waits until earlier answers are read is answered then."""
    alice = scene.alice()
    alice.send(get("/1"))
    alice.transport.peer_stalls()
    say_last(alice, get("/2"))
    scene.app.last.send(b"HTTP/1.1 200 OK\r\nContent-Length: 400000\r\n\r\n" + b"x" * 400_000)
    assert scene.statuses == [200]
    alice.transport.peer_takes()
    assert b"\r\nConnection: close\r\n" in scene.serve(alice)
    assert scene.statuses == [200, 200]
    assert alice.was_sent_away


def test_a_slow_client_gets_every_answer_of_the_gates_own(make_scene: Callable[..., Scene]) -> None:
    """As it reads them: the goodbye came long before the last one was written."""
    scene = make_scene(routes=[{"path": "/app/*"}])
    alice = scene.alice()
    alice.transport.peer_stalls()
    say_last(alice, get("/nothing") * 1500)
    assert 0 < len(scene.statuses) < 1500
    alice.transport.peer_takes()
    assert alice.read().count(b"HTTP/1.1 404 ") == 1500
    assert alice.said_goodbye
    assert alice.is_gone


@pytest.mark.parametrize("way", ["leave", "reset"])
def test_who_goes_behind_the_goodbye_takes_the_work_with_it(scene: Scene, way: str) -> None:
    """The end of the TCP connection says that nobody listens any more."""
    alice = scene.alice()
    alice.send(get("/"))
    alice.say_goodbye()
    getattr(alice, way)()
    assert scene.app.last.is_gone
    assert alice.is_gone
    assert scene.statuses == [499]
    assert scene.busy == 0


def test_what_comes_behind_the_goodbye_is_ignored(scene: Scene) -> None:
    """Even if it is no TLS."""
    alice = scene.alice()
    alice.send(get("/"))
    alice.say_goodbye()
    alice.send_raw(b"what?" * 1000)
    assert scene.serve(alice).endswith(b"ok")
    assert scene.statuses == [200]


def test_an_app_that_does_not_answer_is_waited_for_as_long_as_ever(scene: Scene) -> None:
    """Then the client is told, and the connection ends."""
    alice = scene.alice()
    alice.send(get("/"))
    alice.say_goodbye()
    scene.loop.advance(61)
    answer = alice.read()
    assert answer.startswith(b"HTTP/1.1 504 ")
    assert b"\r\nConnection: close\r\n" in answer
    assert alice.was_sent_away


def test_a_request_whose_kept_connection_died_is_still_sent_again(scene: Scene) -> None:
    """To the app it is the request that it was."""
    alice = scene.alice()
    alice.send(get("/1"))
    scene.serve(alice)
    alice.send(get("/2"))
    asked = scene.app.last.read()
    alice.say_goodbye()
    scene.app.last.close()
    assert scene.app.last.read() == asked[asked.index(b"GET /2 ") :]
    assert scene.serve(alice).endswith(b"ok")


def test_a_websocket_needs_both_directions(scene: Scene) -> None:
    """A handshake with a goodbye behind it opens no tunnel."""
    alice = scene.alice()
    alice.send(UPGRADE)
    alice.say_goodbye()
    assert scene.app.last.is_gone
    assert alice.is_gone
    assert scene.statuses == [499]


def test_a_tunnel_ends_with_the_goodbye(scene: Scene) -> None:
    """A close frame is what a WebSocket says before it."""
    alice = scene.alice()
    alice.send(UPGRADE)
    scene.app.last.send(SWITCHED)
    alice.say_goodbye()
    assert scene.app.last.is_gone
    assert alice.is_gone
