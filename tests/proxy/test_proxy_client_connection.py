"""A client's connection, as transcripts: which request is answered when, and what the app is told of the client."""

import ssl
from collections.abc import Callable

import pytest

from tests.proxy.scene import MIB, OK, Scene, get, request, undated

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


# -- keep-alive and pipelining


def test_a_connection_serves_one_request_after_the_other(scene: Scene) -> None:
    """RFC 9112, 9.3: HTTP/1.1 connections persist, on both sides of the gate."""
    alice = scene.alice()
    for target in ("/1", "/2", "/3"):
        alice.send(get(target))
        assert scene.app.last.read().startswith(b"GET %b HTTP/1.1\r\n" % target.encode())
        assert scene.serve(alice) == OK
    assert len(scene.app.connections) == 1
    assert scene.statuses == [200, 200, 200]


def test_pipelined_requests_are_answered_in_order_and_one_at_a_time(scene: Scene) -> None:
    """RFC 9112, 9.3.2: the second request reaches the app only when the first was answered."""
    alice = scene.alice()
    alice.send(get("/1") + get("/2") + get("/3"))
    for target in (b"/1", b"/2", b"/3"):
        asked = scene.app.last.read()
        assert asked.startswith(b"GET %b HTTP/1.1\r\n" % target)
        assert asked.count(b"HTTP/1.1\r\n") == 1
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" + target
        assert undated(scene.serve(alice, answer)) == answer


def test_a_pipelined_request_may_arrive_in_pieces(scene: Scene) -> None:
    """What came of it while the first was under way is not lost, and what comes after is put behind it."""
    alice = scene.alice()
    alice.send(get("/1") + b"GET /2 HTT")
    assert scene.serve(alice) == OK
    alice.send(b"P/1.1\r\nHost: app.example.com\r\n\r")
    alice.send(b"\n")
    assert scene.app.last.read().count(b"GET /2 HTTP/1.1\r\n") == 1


def test_a_body_ends_where_its_length_says_and_the_next_request_begins_there(scene: Scene) -> None:
    """RFC 9112, 6.2: content is counted, and what follows it in the same read is the next request."""
    alice = scene.alice()
    alice.send(request("POST", "/1", "Content-Length: 5", body=b"hello") + get("/2"))
    assert scene.app.last.read().endswith(b"\r\n\r\nhello")
    assert scene.serve(alice) == OK
    assert scene.app.last.read().startswith(b"GET /2 ")


def test_a_client_that_pipelines_without_end_is_held(scene: Scene) -> None:
    """At most a head of the largest size waits its turn; what is beyond stays in the client's kernel."""
    alice = scene.alice()
    alice.send(get("/1"))
    for _ in range(20):
        alice.send(get("/2", f"X-Filler: {'x' * 8000}"))
        if alice.transport.peer_is_held:
            break
    assert alice.transport.peer_is_held
    for _ in range(3):
        assert scene.serve(alice) == OK
    assert not alice.transport.peer_is_held


def test_a_client_that_does_not_read_its_answers_gets_no_further_ones(scene: Scene) -> None:
    """Pipelined answers would otherwise pile up in the gate's memory."""
    alice = scene.alice()
    alice.transport.peer_stalls()
    alice.send(get("/1") + get("/2"))
    body = b"x" * 600_000
    scene.app.last.read()
    scene.app.last.send(b"HTTP/1.1 200 OK\r\nContent-Length: 600000\r\n\r\n" + body)
    assert scene.app.last.read() == b""
    assert alice.transport.peer_is_held
    alice.transport.peer_takes()
    assert scene.app.last.read().startswith(b"GET /2 ")
    assert alice.read().endswith(body)


def test_thousands_of_requests_that_the_gate_answers_itself(make_scene: Callable[..., Scene]) -> None:
    """In one packet, and in order with one for the app: neither a stack nor a buffer overflows."""
    scene = make_scene(routes=[{"path": "/app/*"}])
    alice = scene.alice()
    alice.send(get("/nowhere") * 3000 + get("/app/1") + get("/nowhere") + get("/app/2", "Connection: close"))
    answer = scene.serve(alice)
    assert answer.count(b"HTTP/1.1 404 ") == 3001
    assert scene.serve(alice).startswith(b"HTTP/1.1 200 OK\r\n")
    assert scene.statuses == [404] * 3000 + [200, 404, 200]


def test_a_client_that_does_not_read_what_the_gate_says_itself_is_held(make_scene: Callable[..., Scene]) -> None:
    """Until it has read: its memory is not the gate's."""
    scene = make_scene(routes=[{"path": "/app/*"}])
    alice = scene.alice()
    alice.transport.peer_stalls()
    for _ in range(3000):
        alice.send(get("/nowhere"))
    assert alice.transport.peer_is_held
    assert alice.transport.get_write_buffer_size() < MIB // 2
    alice.transport.peer_takes()
    assert not alice.transport.peer_is_held
    assert alice.read().count(b"HTTP/1.1 404 ") == 3000


@pytest.mark.parametrize("let_in", [True, False])
def test_the_last_answer_and_the_goodbye_are_one_piece(scene: Scene, let_in: bool) -> None:
    """Whoever is told to connect anew, and whoever is refused, wakes once."""
    visitor = scene.visitor(scene.files.alice if let_in else None)
    before = visitor.transport.pieces
    visitor.send(get("/", "Connection: close"))
    if let_in:
        scene.app.last.send(OK)
    assert visitor.transport.pieces == before + 1
    assert visitor.read().startswith(b"HTTP/1.1 200 " if let_in else b"HTTP/1.1 403 ")
    assert visitor.said_goodbye


def test_connection_close_ends_the_connection_after_the_answer(scene: Scene) -> None:
    """RFC 9112, 9.6: the answer says so too, and what is pipelined behind it is not executed."""
    alice = scene.alice()
    alice.send(get("/1", "Connection: close") + get("/2"))
    answer = scene.serve(alice)
    assert b"\r\nConnection: close\r\n" in answer
    assert alice.said_goodbye
    assert alice.was_sent_away
    assert b"/2" not in scene.app.last.read()


def test_http_10_closes_by_default(scene: Scene) -> None:
    """RFC 9112, 9.3."""
    alice = scene.alice()
    alice.send(b"GET / HTTP/1.0\r\nHost: app.example.com\r\n\r\n")
    assert undated(scene.serve(alice)) == b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
    assert alice.was_sent_away


def test_http_10_keeps_alive_if_it_asks_for_it(scene: Scene) -> None:
    """RFC 9112, C.2.2: the answer has to say so."""
    alice = scene.alice()
    alice.send(b"GET / HTTP/1.0\r\nHost: app.example.com\r\nConnection: keep-alive\r\n\r\n")
    assert b"\r\nConnection: keep-alive\r\n" in scene.serve(alice)
    assert not alice.was_sent_away


def test_http_10_without_host_reaches_the_app_under_its_own_name(scene: Scene) -> None:
    """RFC 9112, 3.2: a request to an HTTP/1.1 server needs a Host."""
    alice = scene.alice()
    alice.send(b"GET / HTTP/1.0\r\n\r\n")
    assert b"\r\nHost: 127.0.0.1:8000\r\n" in scene.app.last.read()


def test_one_empty_line_before_a_request_is_ignored(scene: Scene) -> None:
    """RFC 9112, 2.2: some clients send a CRLF too much after a body."""
    alice = scene.alice()
    alice.send(b"\r\n" + get("/1"))
    assert scene.app.last.read().startswith(b"GET /1 ")


def test_an_empty_line_by_itself_is_no_request(scene: Scene) -> None:
    """Nothing is answered, and nothing breaks."""
    alice = scene.alice()
    alice.send(b"\r\n")
    alice.send(get("/1"))
    assert scene.app.last.read().startswith(b"GET /1 ")


def test_a_head_may_arrive_byte_by_byte(scene: Scene) -> None:
    """No state of the parser lives across reads but the bytes."""
    alice = scene.alice()
    for byte in request("POST", "/1", "Content-Length: 2", body=b"hi"):
        alice.send(bytes((byte,)))
    asked = scene.app.last.read()
    assert asked.startswith(b"POST /1 HTTP/1.1\r\n")
    assert asked.endswith(b"\r\n\r\nhi")


# -- requests that cannot be read


def test_a_bad_request_is_answered_and_ends_the_connection(scene: Scene) -> None:
    """Nobody knows where the next request would begin."""
    alice = scene.alice()
    alice.send(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + get("/2"))
    answer = alice.read()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"\r\nConnection: close\r\n" in answer
    assert alice.was_sent_away
    assert scene.app.attempts == []
    assert scene.statuses == [400]


def test_what_cannot_become_a_request_is_refused_before_its_end(scene: Scene) -> None:
    """A NUL is answered at once, not at the timeout."""
    alice = scene.alice()
    alice.send(b"GET / HTTP/1.1\r\nHost: a\x00")
    assert alice.read().startswith(b"HTTP/1.1 400 ")


def test_a_pipelined_bad_request_is_answered_after_its_turn_came(scene: Scene) -> None:
    """The good one before it gets its answer first."""
    alice = scene.alice()
    alice.send(get("/1") + b"broken\r\n\r\n")
    answer = scene.serve(alice)
    assert answer.startswith(OK)
    assert b"HTTP/1.1 400 " in answer
    assert alice.was_sent_away


# -- who stands there


def test_the_app_is_told_the_address(scene: Scene) -> None:
    """And nothing that the client says of itself."""
    alice = scene.alice()
    alice.send(
        get("/", "X-Forwarded-For: 10.0.0.1", "X-Real-IP: 10.0.0.1", "X-Request-Id: mine", "Forwarded: for=10.0.0.1")
    )
    asked = scene.app.last.read()
    assert b"\r\nX-Forwarded-For: 192.0.2.7\r\n" in asked
    assert b"\r\nX-Real-IP: 192.0.2.7\r\n" in asked
    assert b"\r\nX-Forwarded-Proto: https\r\n" in asked
    assert b"\r\nX-Forwarded-Host: app.example.com\r\n" in asked
    assert b"10.0.0.1" not in asked
    assert b"mine" not in asked


def test_a_visitor_by_a_unix_socket_has_no_address(scene: Scene) -> None:
    """ "unix", as nginx writes it."""
    local = scene.visitor(scene.files.alice, address="")
    local.send(get("/"))
    assert b"\r\nX-Forwarded-For: unix\r\n" in scene.app.last.read()


def test_every_request_has_an_id_of_its_own(scene: Scene) -> None:
    """The app gets the one that the log has."""
    alice = scene.alice()
    told = set()
    for _ in range(2):
        alice.send(get("/"))
        asked = scene.app.last.read()
        scene.serve(alice)
        told.add(asked.partition(b"X-Request-Id: ")[2].partition(b"\r\n")[0].decode())
    assert told == {record["request_id"] for record in scene.log.records}
    assert len(told) == 2
