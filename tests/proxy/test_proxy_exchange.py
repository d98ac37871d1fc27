"""One request and its response, as transcripts: the client on one side, the app on the other."""

import re
from collections.abc import Callable

import pytest

from gatekeeper.proxy.upstream.http1 import MAX_INTERIM_RESPONSES
from tests.proxy.scene import OK, Scene, get, request, undated

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
