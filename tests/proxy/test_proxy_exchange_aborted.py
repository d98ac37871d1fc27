"""An exchange that the client, the app or the network breaks off, as transcripts; and which requests are sent again."""

import pytest

from gatekeeper.wire.rules import MessageRule
from tests.proxy.scene import CUT, OK, SWITCHED, Scene, get, request, undated

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


@pytest.mark.parametrize(("way", "cause"), [("close", "."), ("reset", ": [Errno 104] Connection reset by peer")])
def test_the_log_says_that_a_response_is_incomplete(scene: Scene, way: str, cause: str) -> None:
    """Status and bytes alone would look like those of a whole one."""
    alice = scene.alice()
    alice.send(get("/"))
    scene.serve(alice, CUT)
    getattr(scene.app.last, way)()
    record = scene.log.records[-1]
    assert (record["status"], record["bytes"]) == (200, 4)
    assert record["detail"] == f"The response is incomplete{cause}"


def test_the_log_says_that_a_response_stopped(scene: Scene) -> None:
    """The app sends no more of it, and keeps the connection."""
    alice = scene.alice()
    alice.send(get("/"))
    scene.serve(alice, CUT)
    scene.loop.advance(61)
    assert scene.log.records[-1]["detail"] == "The response stopped."


def test_the_log_says_that_a_response_was_not_read(scene: Scene) -> None:
    """The client is to blame, and not the app."""
    alice = scene.alice()
    alice.send(get("/"))
    alice.transport.peer_stalls()
    scene.serve(alice, CUT)
    scene.loop.advance(121)
    assert scene.log.records[-1]["detail"] == "The client did not read the response in time."


def test_the_log_says_nothing_of_a_whole_response(scene: Scene) -> None:
    """A detail is a failure."""
    alice = scene.alice()
    alice.send(get("/"))
    scene.serve(alice)
    assert "detail" not in scene.log.records[-1]


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
    assert scene.log.records[-1]["detail"].endswith(MessageRule.CHUNK_SIZE.sentence)
    assert not alice.said_goodbye
    assert alice.is_gone
    assert scene.app.last.is_gone


@pytest.mark.parametrize(
    ("response", "rule"),
    [
        (b"garbage\r\n\r\n", MessageRule.RESPONSE_STATUS_LINE),
        (b"HTTP/1.1 000 None\r\n\r\n", MessageRule.RESPONSE_STATUS_LINE),
        (b"HTTP/1.1 200 OK\nContent-Length: 0\n\n", MessageRule.RESPONSE_STATUS_LINE),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", MessageRule.RESPONSE_LENGTH),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000, MessageRule.RESPONSE_HEAD_TOO_LARGE),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", MessageRule.RESPONSE_HEAD_TOO_LARGE),
        (SWITCHED, MessageRule.RESPONSE_SWITCH),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n" * 17, MessageRule.RESPONSE_INTERIM),
    ],
)
def test_an_answer_that_is_none_is_answered_for_with_502(scene: Scene, response: bytes, rule: MessageRule) -> None:
    """The client is not told what was wrong, the log is."""
    alice = scene.alice()
    alice.send(get("/"))
    answer = scene.serve(alice, response)
    assert answer.count(b"HTTP/1.1 502 ") == 1
    assert b"HTTP/1.1 200 " not in answer
    assert b"HTTP/1.1 101 " not in answer
    assert b'"detail": "The app\'s response cannot be passed on."' in answer
    assert rule.sentence.encode() not in answer
    assert scene.app.last.is_gone
    assert scene.statuses == [502]
    assert scene.log.records[0]["detail"] == f"The app's response cannot be passed on: {rule.sentence}"


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
    """RFC 9110, 9.2.2: neither what is not idempotent, nor a body, which is gone. The log says why."""
    alice = scene.alice()
    alice.send(get("/"))
    scene.serve(alice)
    alice.send(again)
    scene.app.last.close()
    assert alice.read().startswith(b"HTTP/1.1 502 ")
    assert len(scene.app.connections) == 1
    assert scene.log.records[-1]["detail"] == "The app closed the connection without an answer."


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
