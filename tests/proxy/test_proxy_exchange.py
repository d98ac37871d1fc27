"""One request and its response, as transcripts: the client on one side, the app on the other."""

import re
from collections.abc import Callable

import pytest

from gatekeeper.proxy.upstream.http1 import MAX_INTERIM_RESPONSES
from tests.proxy.scene import OK, Scene, get, request, undated

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
