"""One request and its response, as transcripts: the client on one side, the app on the other."""

import re
from collections.abc import Callable
from functools import partial
from itertools import product

import pytest

from gatekeeper.proxy.deadline import Timeout
from gatekeeper.proxy.exchange import Exchange
from gatekeeper.proxy.states import TRANSITIONS, State
from gatekeeper.proxy.upstream.http1 import MAX_INTERIM_RESPONSES
from gatekeeper.wire.response import read_response
from tests.proxy.scene import MIB, OK, Scene, get, request, undated

UPGRADE = get(
    "/ws", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: a2V5"
)
SWITCHED = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n"
)
CUT = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"

# -- bodies


def test_a_body_of_known_length_is_streamed_to_the_app(scene: Scene) -> None:
    """Each piece goes on as it arrives."""
    alice = scene.alice()
    alice.send(request("POST", "/", "Content-Length: 6", body=b"ab"))
    head, _, body = scene.app.last.read().partition(b"\r\n\r\n")
    assert head.count(b"\r\nContent-Length: 6\r\n") == 1
    assert body == b"ab"
    for piece in (b"cd", b"ef"):
        alice.send(piece)
        assert scene.app.last.read() == piece


def test_a_chunked_body_is_taken_apart_and_written_anew(scene: Scene) -> None:
    """RFC 9112, 7.1: extensions end here, trailers go on."""
    alice = scene.alice()
    alice.send(request("POST", "/", "Transfer-Encoding: chunked", body=b"003;name=value\r\nabc\r\n"))
    head, _, body = scene.app.last.read().partition(b"\r\n\r\n")
    assert head.count(b"Transfer-Encoding: chunked") == 1
    assert body == b"3\r\nabc\r\n"
    alice.send(b"0\r\nX-Checksum: 1\r\n\r\n")
    assert scene.app.last.read() == b"0\r\nX-Checksum: 1\r\n\r\n"
    assert scene.serve(alice) == OK


def test_trailers_cannot_carry_what_only_the_gate_may_say(scene: Scene) -> None:
    """RFC 9110, 6.5.1: an app that merges trailers into headers must not find an identity there."""
    alice = scene.alice()
    body = b"0\r\nX-SSL-Client-Verify: SUCCESS\r\nx_ssl_client_s_dn: CN=root\r\nContent-Length: 5\r\nX-Fine: 1\r\n\r\n"
    alice.send(request("POST", "/", "Transfer-Encoding: chunked", body=body))
    assert scene.app.last.read().endswith(b"\r\n\r\n0\r\nX-Fine: 1\r\n\r\n")


def test_a_broken_chunk_is_answered_with_400_and_cuts_the_app_off(scene: Scene) -> None:
    """The app must not take what came until then for the whole."""
    alice = scene.alice()
    alice.send(request("POST", "/", "Transfer-Encoding: chunked", body=b"3\r\nabc\r\n"))
    alice.send(b"zz\r\n")
    assert alice.read().startswith(b"HTTP/1.1 400 ")
    assert alice.was_sent_away
    assert scene.app.last.is_gone


@pytest.mark.parametrize("framing", ["Content-Length: 2000", "Transfer-Encoding: chunked"])
def test_a_body_above_the_limit_is_answered_with_413(make_scene: Callable[..., Scene], framing: str) -> None:
    """limits.request_body: by its announced length before the app hears of it, or when too much has come."""
    scene = make_scene(limits={"request_body": "1000B"})
    alice = scene.alice()
    alice.send(request("POST", "/", framing, body=b"7d0\r\n" + b"x" * 2000))
    assert alice.read().startswith(b"HTTP/1.1 413 ")
    assert alice.was_sent_away
    assert [connection.is_gone for connection in scene.app.connections] == ([True] if "chunked" in framing else [])


def test_a_body_that_comes_whole_may_be_too_large_too(make_scene: Callable[..., Scene]) -> None:
    """With its end in the same packet, so that no further piece could show it."""
    scene = make_scene(limits={"request_body": "1000B"})
    alice = scene.alice()
    alice.send(request("POST", "/", "Transfer-Encoding: chunked", body=b"3e9\r\n" + b"x" * 1001 + b"\r\n0\r\n\r\n"))
    assert alice.read().startswith(b"HTTP/1.1 413 ")
    assert scene.app.last.is_gone
    assert b"x" not in scene.app.last.read().partition(b"\r\n\r\n")[2]


def test_a_response_of_known_length_is_streamed_to_the_client(scene: Scene) -> None:
    """The head goes on as it was, and each piece as it arrives."""
    alice = scene.alice()
    alice.send(get("/"))
    assert undated(scene.serve(alice, b"HTTP/1.1 200 Fine\r\nX-A: 1\r\nContent-Length: 4\r\n\r\nab")) == (
        b"HTTP/1.1 200 Fine\r\nX-A: 1\r\nContent-Length: 4\r\n\r\nab"
    )
    assert scene.serve(alice, b"cd") == b"cd"
    assert scene.statuses == [200]
    assert scene.log.records[0]["bytes"] == 4


def test_a_chunked_response_is_written_anew_with_its_trailers(scene: Scene) -> None:
    """For an HTTP/1.1 client."""
    alice = scene.alice()
    alice.send(get("/"))
    answer = scene.serve(alice, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x\r\na\r\n")
    assert undated(answer) == b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n"
    assert scene.serve(alice, b"0\r\nX-Sum: 1\r\n\r\n") == b"0\r\nX-Sum: 1\r\n\r\n"
    alice.send(get("/2"))
    assert len(scene.app.connections) == 1


def test_an_http_10_client_gets_a_chunked_response_without_chunks(scene: Scene) -> None:
    """RFC 9112, 7: it could not read them; the end of the connection is the end of the body."""
    alice = scene.alice()
    alice.send(b"GET / HTTP/1.0\r\nHost: app.example.com\r\nConnection: keep-alive\r\n\r\n")
    answer = scene.serve(alice, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n")
    assert undated(answer) == b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nab"
    assert alice.said_goodbye


def test_a_response_that_ends_with_the_connection_is_chunked_for_the_client(scene: Scene) -> None:
    """So that the client can tell the end from an accident, and its connection goes on."""
    alice = scene.alice()
    alice.send(get("/"))
    assert undated(scene.serve(alice, b"HTTP/1.0 200 OK\r\n\r\nab")) == (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n"
    )
    scene.app.last.close()
    assert alice.read() == b"0\r\n\r\n"
    assert not alice.was_sent_away
    alice.send(get("/2"))
    assert len(scene.app.connections) == 2


def test_an_http_10_client_gets_a_response_that_ends_with_the_connection_as_it_is(scene: Scene) -> None:
    """Close for close."""
    alice = scene.alice()
    alice.send(b"GET / HTTP/1.0\r\nHost: app.example.com\r\n\r\n")
    assert scene.serve(alice, b"HTTP/1.0 200 OK\r\n\r\nab").endswith(b"\r\n\r\nab")
    scene.app.last.close()
    assert alice.read() == b""
    assert alice.said_goodbye
    assert scene.statuses == [200]


@pytest.mark.parametrize(
    ("method", "response"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", b'HTTP/1.1 304 Not Modified\r\nETag: "1"\r\n\r\n'),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n"),
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ],
)
def test_responses_without_a_body_end_with_their_head(scene: Scene, method: str, response: bytes) -> None:
    """RFC 9112, 6.3: HEAD, 204, 304; whatever their Content-Length says, the connections go on."""
    alice = scene.alice()
    for _ in range(2):
        alice.send(request(method, "/"))
        assert undated(scene.serve(alice, response)) == response
    assert len(scene.app.connections) == 1
    assert scene.statuses == [int(response[9:12])] * 2


@pytest.mark.parametrize("end", [b"Content-Length: 2\r\n\r\nok", b"Transfer-Encoding: chunked\r\n\r\n"])
def test_a_response_without_a_date_gets_one(scene: Scene, end: bytes) -> None:
    """RFC 9110, 6.6.1: once, whatever becomes of its body."""
    alice = scene.alice()
    alice.send(get())
    got = scene.serve(alice, b"HTTP/1.1 200 OK\r\n" + end)
    assert len(re.findall(rb"\r\nDate: ..., .. ... .... ..:..:.. GMT\r\n", got)) == 1


def test_bytes_behind_a_response_close_the_apps_connection(scene: Scene) -> None:
    """They must not become the answer to somebody else's request."""
    alice = scene.alice()
    alice.send(get("/1"))
    assert scene.serve(alice, OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil") == OK
    assert scene.app.last.is_gone
    alice.send(get("/2"))
    assert scene.serve(alice) == OK
    assert len(scene.app.connections) == 2


def test_bytes_on_a_kept_connection_close_it(scene: Scene) -> None:
    """Nobody asked, so there is no one they could be for."""
    alice = scene.alice()
    alice.send(get("/1"))
    scene.serve(alice)
    scene.app.last.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
    assert scene.app.last.is_gone
    assert alice.read() == b""


# -- interim responses


def test_interim_responses_are_passed_on(scene: Scene) -> None:
    """RFC 9110, 15.2: 103 Early Hints, as they come and before the answer."""
    alice = scene.alice()
    alice.send(get("/"))
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
    assert scene.serve(alice, hints) == hints
    assert scene.serve(alice, hints + OK) == hints + OK
    assert scene.statuses == [200]


def test_an_http_10_client_gets_no_interim_responses(scene: Scene) -> None:
    """RFC 9110, 15.2: HTTP/1.0 did not know them."""
    alice = scene.alice()
    alice.send(b"GET / HTTP/1.0\r\nHost: app.example.com\r\n\r\n")
    assert scene.serve(alice, b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK).startswith(b"HTTP/1.1 200 OK\r\n")


def test_an_app_that_never_comes_to_the_point_is_answered_for(scene: Scene) -> None:
    """Endless interim responses would hold a connection for ever."""
    alice = scene.alice()
    alice.send(get("/"))
    scene.app.last.send(b"HTTP/1.1 103 Early Hints\r\n\r\n" * (MAX_INTERIM_RESPONSES + 1))
    answer = alice.read()
    assert answer.count(b" 103 ") == MAX_INTERIM_RESPONSES
    assert b"HTTP/1.1 502 " in answer
    assert scene.app.last.is_gone


# -- Expect: 100-continue


def test_an_expectation_goes_to_the_app_and_its_100_comes_back(scene: Scene) -> None:
    """RFC 9110, 10.1.1: the body is sent only after the app wants it."""
    alice = scene.alice()
    alice.send(request("POST", "/", "Expect: 100-continue", "Content-Length: 4"))
    assert b"\r\nExpect: 100-continue\r\n" in scene.app.last.read()
    assert scene.serve(alice, b"HTTP/1.1 100 Continue\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    alice.send(b"body")
    assert scene.app.last.read() == b"body"
    assert scene.serve(alice) == OK


def test_a_final_answer_instead_of_the_100_ends_the_connection(scene: Scene) -> None:
    """The client may or may not send the body now, so nobody knows where the next request would begin."""
    alice = scene.alice()
    alice.send(request("POST", "/", "Expect: 100-continue", "Content-Length: 4"))
    answer = scene.serve(alice, b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
    assert undated(answer) == b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    assert alice.was_sent_away
    assert scene.app.last.is_gone


def test_a_client_need_not_wait_for_the_100(scene: Scene) -> None:
    """RFC 9110, 10.1.1: it may send the body after a while, or at once."""
    alice = scene.alice()
    alice.send(request("POST", "/", "Expect: 100-continue", "Content-Length: 4", body=b"body"))
    assert scene.app.last.read().endswith(b"\r\n\r\nbody")
    assert scene.serve(alice) == OK
    assert not alice.was_sent_away


def test_a_100_that_nobody_asked_for_is_not_passed_on(scene: Scene) -> None:
    """Many clients take it for the answer."""
    alice = scene.alice()
    alice.send(request("POST", "/", "Content-Length: 2", body=b"hi"))
    assert scene.serve(alice, b"HTTP/1.1 100 Continue\r\n\r\n") == b""
    assert scene.serve(alice) == OK


# -- early responses


def test_an_answer_may_come_while_the_body_is_still_sent(scene: Scene) -> None:
    """RFC 9112, 9.5: it is passed on, the connection ends, and the rest of the body is thrown away."""
    alice = scene.alice()
    alice.send(request("POST", "/", "Content-Length: 1000000", body=b"x" * 1000))
    answer = scene.serve(alice, b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
    assert undated(answer) == b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno"
    assert scene.app.last.is_gone
    for _ in range(3):
        alice.send(b"x" * 1000)
    assert not alice.is_gone
    assert scene.statuses == [413]


def test_an_early_answer_may_end_after_the_body(scene: Scene) -> None:
    """Both directions at once: an echo."""
    alice = scene.alice()
    alice.send(request("POST", "/", "Content-Length: 4", body=b"ab"))
    assert scene.serve(alice, b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab").endswith(b"ab")
    alice.send(b"cd")
    assert scene.app.last.read().endswith(b"abcd")
    assert scene.serve(alice, b"cd") == b"cd"
    assert alice.said_goodbye
    assert scene.busy == 0


# -- aborts


@pytest.mark.parametrize("way", ["leave", "reset"])
@pytest.mark.parametrize("answered", [b"", CUT])
def test_a_client_that_goes_takes_the_apps_work_with_it(scene: Scene, way: str, answered: bytes) -> None:
    """The app is told by closing, before the answer and within it; the log says 499 or the status that was sent."""
    alice = scene.alice()
    alice.send(get("/"))
    if answered:
        scene.app.last.send(answered)
    getattr(alice, way)()
    assert scene.app.last.is_gone
    assert alice.is_gone
    assert scene.statuses == [200 if answered else 499]
    assert scene.busy == 0


@pytest.mark.parametrize("way", ["leave", "reset", "say_goodbye"])
def test_a_client_that_goes_within_its_body_is_not_waited_for(scene: Scene, way: str) -> None:
    """The app sees the end of the connection where the body should go on."""
    alice = scene.alice()
    alice.send(request("POST", "/", "Content-Length: 10", body=b"half"))
    getattr(alice, way)()
    assert scene.app.last.is_gone
    assert scene.statuses == [499]


def test_a_client_that_goes_before_the_app_was_reached_ends_the_attempt(scene: Scene) -> None:
    """No connection is left over, busy or idle."""
    scene.app.hangs = True
    alice = scene.alice()
    alice.send(get("/"))
    alice.leave()
    scene.app.recover()
    assert scene.app.connections == []
    assert scene.busy == 0
    assert scene.statuses == [499]


def test_an_app_that_closes_without_an_answer_is_answered_for_with_502(scene: Scene) -> None:
    """The client's connection goes on."""
    alice = scene.alice()
    alice.send(get("/"))
    scene.app.last.close()
    assert alice.read().startswith(b"HTTP/1.1 502 ")
    assert not alice.was_sent_away
    assert scene.statuses == [502]


def test_an_app_that_closes_within_its_head_is_answered_for_with_502(scene: Scene) -> None:
    """Half a head is no answer, and the request was carried out, so it is not sent again either."""
    alice = scene.alice()
    alice.send(get("/"))
    scene.serve(alice)
    alice.send(get("/2"))
    scene.app.last.send(b"HTTP/1.1 200 OK\r\nConte")
    scene.app.last.close()
    assert alice.read().startswith(b"HTTP/1.1 502 ")
    assert len(scene.app.connections) == 1


@pytest.mark.parametrize("way", ["close", "reset"])
@pytest.mark.parametrize(
    "response", [CUT, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"], ids=["length", "chunked"]
)
def test_a_truncated_response_looks_truncated_to_the_client(scene: Scene, way: str, response: bytes) -> None:
    """The connection is cut without a TLS goodbye, and a chunked body has no last chunk."""
    alice = scene.alice()
    alice.send(get("/"))
    assert undated(scene.serve(alice, response)) == response
    getattr(scene.app.last, way)()
    assert alice.read() == b""
    assert not alice.said_goodbye
    assert alice.is_gone


def test_a_response_that_a_reset_ends_is_not_complete(scene: Scene) -> None:
    """Only a proper close ends a body that lasts until the connection closes."""
    alice = scene.alice()
    alice.send(get("/"))
    scene.serve(alice, b"HTTP/1.0 200 OK\r\n\r\nhalf")
    scene.app.last.reset()
    assert alice.read() == b""
    assert not alice.said_goodbye
    assert alice.is_gone


def test_a_malformed_chunk_of_the_app_cuts_the_response(scene: Scene) -> None:
    """Its head was passed on already, so cutting is the only way to say that something is wrong."""
    alice = scene.alice()
    alice.send(get("/"))
    scene.serve(alice, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    scene.app.last.send(b"zz\r\n")
    assert not alice.said_goodbye
    assert alice.is_gone
    assert scene.app.last.is_gone


@pytest.mark.parametrize(
    "response",
    [
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000,
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    ],
)
def test_an_answer_that_is_none_is_answered_for_with_502(scene: Scene, response: bytes) -> None:
    """The client sees nothing of it."""
    alice = scene.alice()
    alice.send(get("/"))
    answer = scene.serve(alice, response)
    assert answer.startswith(b"HTTP/1.1 502 ")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert scene.app.last.is_gone
    assert scene.statuses == [502]


def test_an_app_that_cannot_be_reached_is_answered_for_with_502(scene: Scene) -> None:
    """The client's connection goes on, and the next request tries anew."""
    scene.app.refuses = ConnectionRefusedError(111, "Connection refused")
    alice = scene.alice()
    alice.send(get("/"))
    assert alice.read().startswith(b"HTTP/1.1 502 ")
    scene.app.refuses = None
    alice.send(get("/"))
    assert scene.serve(alice) == OK
    assert scene.busy == 0


def test_a_request_behind_one_that_waits_for_the_app_keeps_its_order(scene: Scene) -> None:
    """What came with the first request, and what comes while the app is being connected to, is one request."""
    scene.app.hangs = True
    alice = scene.alice()
    alice.send(get("/1") + b"GET /2 HTT")
    alice.send(b"P/1.1\r\nHost: app.example.com\r\n\r\n")
    scene.app.recover()
    assert scene.serve(alice) == OK
    assert scene.app.last.read().count(b"GET /2 HTTP/1.1\r\n") == 1


def test_a_request_behind_one_that_did_not_reach_the_app_is_answered_too(scene: Scene) -> None:
    """A 502 keeps the connection, and with it what came at once with the request."""
    scene.app.refuses = ConnectionRefusedError(111, "Connection refused")
    alice = scene.alice()
    alice.send(get("/1") + get("/2"))
    assert alice.read().count(b"HTTP/1.1 502 ") == 2


def test_a_body_for_an_app_that_cannot_be_reached_ends_the_connection(scene: Scene) -> None:
    """The rest of the body is on its way, and nobody wants it."""
    scene.app.refuses = ConnectionRefusedError(111, "Connection refused")
    alice = scene.alice()
    alice.send(request("POST", "/", "Content-Length: 10", body=b"half"))
    assert alice.read().startswith(b"HTTP/1.1 502 ")
    assert alice.was_sent_away


# -- once more


@pytest.mark.parametrize("way", ["close", "reset"])
@pytest.mark.parametrize("lines", [(), ("Content-Length: 0",)])
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "DELETE", "PUT"])
def test_an_idempotent_request_on_a_kept_connection_that_died_is_sent_again(
    scene: Scene, method: str, lines: tuple[str, ...], way: str
) -> None:
    """RFC 9112, 9.3.1: the app closed it just when it was used again. Once, on a fresh connection."""
    alice = scene.alice()
    alice.send(get("/"))
    scene.serve(alice)
    alice.send(request(method, "/again", *lines))
    first = scene.app.last.read()
    getattr(scene.app.last, way)()
    assert len(scene.app.connections) == 2
    assert first.endswith(scene.app.last.read())
    scene.app.last.close()
    assert alice.read().startswith(b"HTTP/1.1 502 ")
    assert len(scene.app.connections) == 2
    assert scene.busy == 0


@pytest.mark.parametrize(
    "again", [request("POST", "/"), request("PATCH", "/"), request("PUT", "/", "Content-Length: 2", body=b"hi")]
)
def test_what_may_have_been_carried_out_is_not_sent_again(scene: Scene, again: bytes) -> None:
    """RFC 9110, 9.2.2: neither what is not idempotent, nor a body, which is gone."""
    alice = scene.alice()
    alice.send(get("/"))
    scene.serve(alice)
    alice.send(again)
    scene.app.last.close()
    assert alice.read().startswith(b"HTTP/1.1 502 ")
    assert len(scene.app.connections) == 1


def test_a_kept_connection_that_the_app_closed_is_not_used(scene: Scene) -> None:
    """Seen in time, it costs nobody anything: POST too."""
    alice = scene.alice()
    alice.send(get("/"))
    scene.serve(alice)
    scene.app.last.close()
    alice.send(request("POST", "/", "Content-Length: 2", body=b"hi"))
    assert len(scene.app.connections) == 2
    assert scene.serve(alice) == OK


def test_a_connection_that_dies_before_it_is_used_does_not_leave_the_client_waiting(scene: Scene) -> None:
    """An app that accepts and closes at once, before the request was written."""
    scene.app.dies_at_once = True
    alice = scene.alice()
    alice.send(get("/"))
    assert alice.read().startswith(b"HTTP/1.1 502 ")
    assert scene.busy == 0


# -- the tunnel


def test_a_websocket_handshake_opens_a_tunnel(scene: Scene) -> None:
    """RFC 6455, 4: the 101 comes back, then bytes go both ways, whatever they are."""
    alice = scene.alice()
    alice.send(UPGRADE)
    asked = scene.app.last.read()
    assert b"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" in asked
    assert b"\r\nSec-WebSocket-Key: a2V5\r\n" in asked
    answer = scene.serve(alice, SWITCHED + b"\x81\x05hello")
    assert answer.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert b"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" in answer
    assert b"\r\nSec-WebSocket-Accept: x\r\n" in answer
    assert answer.endswith(b"\r\n\r\n\x81\x05hello")
    alice.send(b"GET /not-a-request HTTP/1.1\r\n\r\n")
    assert scene.app.last.read() == b"GET /not-a-request HTTP/1.1\r\n\r\n"
    assert scene.serve(alice, b"\x00\xff\r\n") == b"\x00\xff\r\n"
    assert scene.log.records == []


def test_what_a_client_sends_ahead_of_the_101_goes_into_the_tunnel(scene: Scene) -> None:
    """Not into the next request, and however much it is."""
    alice = scene.alice()
    alice.send(UPGRADE + b"first")
    alice.send(b"x" * 100_000)
    assert alice.transport.peer_is_held
    scene.app.last.read()
    scene.app.last.send(SWITCHED)
    assert scene.app.last.read() == b"first" + b"x" * 100_000
    assert not alice.transport.peer_is_held
    alice.send(b"more")
    assert scene.app.last.read() == b"more"


@pytest.mark.parametrize("way", ["close", "reset"])
def test_the_app_ends_a_tunnel(scene: Scene, way: str) -> None:
    """What it said last still reaches the client."""
    alice = scene.alice()
    alice.send(UPGRADE)
    scene.app.last.send(SWITCHED)
    scene.app.last.send(b"bye")
    getattr(scene.app.last, way)()
    assert alice.read().endswith(b"bye")
    assert alice.was_sent_away
    assert scene.statuses == [101]
    assert scene.log.records[0]["bytes"] == 3


@pytest.mark.parametrize("way", ["leave", "reset", "say_goodbye"])
def test_the_client_ends_a_tunnel(scene: Scene, way: str) -> None:
    """The app is told by closing."""
    alice = scene.alice()
    alice.send(UPGRADE)
    scene.app.last.send(SWITCHED)
    getattr(alice, way)()
    assert scene.app.last.is_gone
    assert scene.statuses == [101]
    assert scene.busy == 0


def test_what_the_client_said_last_in_a_tunnel_still_reaches_the_app(scene: Scene) -> None:
    """A WebSocket's close frame, in the same packet as the end of the connection."""
    alice = scene.alice()
    alice.send(UPGRADE)
    scene.app.last.send(SWITCHED)
    scene.app.last.read()
    scene.app.last.transport.peer_stalls()
    alice.send(b"\x88\x80mask")
    alice.leave()
    scene.app.last.transport.peer_takes()
    assert scene.app.last.read() == b"\x88\x80mask"
    assert scene.app.last.is_gone


def test_an_upgrade_may_be_declined(scene: Scene) -> None:
    """Then it was a request like any other, and the connection goes on."""
    alice = scene.alice()
    alice.send(UPGRADE)
    assert scene.serve(alice) == OK
    alice.send(get("/2"))
    assert scene.serve(alice) == OK
    assert len(scene.app.connections) == 1


def test_other_upgrades_are_ignored(scene: Scene) -> None:
    """RFC 9110, 7.8: h2c would take the app's side of the connection out of the gate's sight."""
    alice = scene.alice()
    alice.send(get("/", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk"))
    asked = scene.app.last.read().lower()
    assert b"upgrade" not in asked
    assert b"http2-settings" not in asked


# -- back-pressure


def test_a_slow_client_holds_the_app(scene: Scene) -> None:
    """The gate keeps a bounded part of a response in memory; the rest stays with the app."""
    alice = scene.alice()
    alice.send(get("/"))
    alice.transport.peer_stalls()
    scene.app.last.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10485760\r\n\r\n")
    sent = 0
    while not scene.app.last.transport.peer_is_held:
        scene.app.last.send(b"x" * 65536)
        sent += 65536
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
    sent = 0
    while not alice.transport.peer_is_held:
        alice.send(b"x" * 65536)
        sent += 65536
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
    while not app.transport.peer_is_held:
        app.send(b"x" * 65536)
    alice.send(b"still here")
    assert app.read() == b"still here"
    app.transport.peer_stalls()
    while not alice.transport.peer_is_held:
        alice.send(b"y" * 65536)
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
    while not alice.transport.peer_is_held:
        alice.send(b"x" * 65536)
    scene.loop.advance(120)
    assert alice.read().startswith(b"HTTP/1.1 504 ")
    assert scene.app.last.is_gone


def test_a_body_that_the_app_takes_slowly_is_not_idle(scene: Scene) -> None:
    """Bytes move, though none comes from the client, who is held."""
    alice = scene.alice()
    alice.send(request("POST", "/", f"Content-Length: {MIB}"))
    app = scene.app.last
    app.transport.peer_stalls()
    sent = 0
    while not alice.transport.peer_is_held:
        alice.send(b"x" * 65536)
        sent += 65536
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
    sent = 0
    while not app.transport.peer_is_held:
        app.send(b"x" * 65536)
        sent += 65536
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
    while not app.transport.peer_is_held:
        app.send(b"x" * 65536)
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


# -- trusted proxies


@pytest.fixture
def behind_a_proxy(make_scene: Callable[..., Scene]) -> Scene:
    return make_scene(server={"trusted_proxies": ["192.0.2.0/24"]})


def test_a_trusted_proxy_is_believed_and_appended_to(behind_a_proxy: Scene) -> None:
    """server.trusted_proxies: what it says of whom it forwards for, and its own address behind."""
    proxy = behind_a_proxy.alice()
    proxy.send(
        get(
            "/",
            "X-Forwarded-For: 198.51.100.1",
            "X-Forwarded-Proto: http",
            "X-Forwarded-Host: www.example.com",
            "X-Request-Id: abc-123",
            'Forwarded: for="[2001:db8::1]"',
        )
    )
    asked = behind_a_proxy.app.last.read()
    assert b"\r\nX-Forwarded-For: 198.51.100.1, 192.0.2.7\r\n" in asked
    assert b"\r\nX-Real-IP: 198.51.100.1\r\n" in asked
    assert b"\r\nX-Forwarded-Proto: http\r\n" in asked
    assert b"\r\nX-Forwarded-Host: www.example.com\r\n" in asked
    assert b"\r\nX-Request-Id: abc-123\r\n" in asked
    assert b'\r\nForwarded: for="[2001:db8::1]", for=192.0.2.7;proto=https\r\n' in asked
    behind_a_proxy.serve(proxy)
    assert behind_a_proxy.log.records[0]["request_id"] == "abc-123"


def test_a_cookie_passes_through_both_proxies(behind_a_proxy: Scene) -> None:
    """It is read apart from the other lines."""
    alice = behind_a_proxy.alice()
    alice.send(get("/", "Cookie: a=b"))
    assert b"\r\nCookie: a=b\r\n" in behind_a_proxy.app.last.read()


def test_a_trusted_proxy_that_says_nothing_is_the_client(behind_a_proxy: Scene) -> None:
    """Nothing is made up."""
    proxy = behind_a_proxy.alice()
    proxy.send(get("/"))
    asked = behind_a_proxy.app.last.read()
    assert b"\r\nX-Forwarded-For: 192.0.2.7\r\n" in asked
    assert b"\r\nX-Real-IP: 192.0.2.7\r\n" in asked
    assert b"\r\nX-Forwarded-Proto: https\r\n" in asked
    assert b"\r\nX-Forwarded-Host: app.example.com\r\n" in asked
    assert b"\r\nForwarded:" not in asked


def test_identity_headers_of_a_trusted_proxy_are_not_believed(behind_a_proxy: Scene) -> None:
    """Trusted to speak of addresses, not of certificates: those the gate sees itself."""
    proxy = behind_a_proxy.alice()
    proxy.send(get("/", "X-SSL-Client-S-DN: CN=root", "X-Forwarded-User: root", "X-Forwarded-Client-Cert: Hash=1"))
    asked = behind_a_proxy.app.last.read()
    assert b"root" not in asked
    assert b"Hash=1" not in asked


def test_an_unusable_request_id_is_replaced(behind_a_proxy: Scene) -> None:
    """It stands in logs and in headers: a bounded length, and no character that means something there."""
    proxy = behind_a_proxy.alice()
    proxy.send(get("/", 'X-Request-Id: a"b c'))
    asked = behind_a_proxy.app.last.read()
    assert b'a"b' not in asked
    assert b"\r\nX-Request-Id: " in asked


def test_others_than_the_trusted_are_not_believed(behind_a_proxy: Scene) -> None:
    """The list is of addresses, and this is none of them."""
    stranger = behind_a_proxy.visitor(behind_a_proxy.files.alice, address=("203.0.113.9", 5))
    stranger.send(get("/", "X-Forwarded-For: 198.51.100.1"))
    assert b"\r\nX-Forwarded-For: 203.0.113.9\r\n" in behind_a_proxy.app.last.read()


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
