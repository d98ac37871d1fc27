"""A client's connection, as transcripts: who is answered, in which order, and when the connection ends."""

import gc
import ssl
import weakref
from collections.abc import Callable

import pytest

from gatekeeper.proxy.client.connection import LINGER_LIMIT_SECONDS, LINGER_SECONDS
from tests.certificates import make_authority, make_client
from tests.proxy.scene import MIB, OK, Scene, Visitor, get, request, undated

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


# -- the verdict


@pytest.mark.parametrize("version", VERSIONS)
def test_without_a_certificate_nothing_reaches_the_app(scene: Scene, version: ssl.TLSVersion) -> None:
    """A 403 with the reason, for the log too; no connection to the app is even made."""
    nobody = scene.visitor(version=version)
    nobody.send(get("/"))
    answer = nobody.read()
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert b"\r\nGatekeeper-Reason: no_certificate\r\n" in answer
    assert b"\r\nConnection: close\r\n" in answer
    assert scene.app.attempts == []
    assert scene.log.records[0]["reason"] == "no_certificate"
    assert scene.proxy.metrics.refusals == {"no_certificate": 1}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_foreign_certificate_is_refused(scene: Scene, version: ssl.TLSVersion) -> None:
    """OpenSSL's errors are heeded: the handshake is done, but nobody is let in by that."""
    eve = scene.visitor(make_client("alice", make_authority("Home CA")), version=version)
    eve.send(get("/"))
    assert b"\r\nGatekeeper-Reason: untrusted_issuer\r\n" in eve.read()
    assert scene.app.attempts == []


def test_what_a_refused_visitor_pipelines_is_never_looked_at(scene: Scene) -> None:
    """One 403, and the connection ends."""
    nobody = scene.visitor()
    nobody.send(get("/1") + get("/2"))
    nobody.send(get("/3"))
    assert nobody.read().count(b"HTTP/1.1 403 ") == 1
    assert scene.statuses == [403]


def test_a_refused_visitor_gets_403_instead_of_100(scene: Scene) -> None:
    """RFC 9110, 10.1.1: a final status instead of the 100, so that the body is never sent."""
    nobody = scene.visitor()
    nobody.send(request("POST", "/", "Expect: 100-continue", "Content-Length: 1000000"))
    assert nobody.read().startswith(b"HTTP/1.1 403 ")
    assert nobody.said_goodbye


def test_a_refused_upgrade_is_answered_with_403(scene: Scene) -> None:
    """A WebSocket handshake is a request like any other."""
    nobody = scene.visitor()
    nobody.send(get("/ws", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="))
    assert nobody.read().startswith(b"HTTP/1.1 403 ")
    assert scene.app.attempts == []


def test_head_gets_a_403_without_body(scene: Scene) -> None:
    """RFC 9110, 9.3.2."""
    nobody = scene.visitor()
    nobody.send(request("HEAD", "/"))
    head, _, body = nobody.read().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 403 ")
    assert body == b""


def test_dates_are_judged_at_each_request(scene: Scene) -> None:
    """A certificate that expires while its connection is open is refused from that moment on."""
    alice = scene.visitor(make_client("alice", scene.files.authority))
    alice.send(get("/1"))
    assert scene.serve(alice) == OK
    scene.started += 31 * 86400
    alice.send(get("/2"))
    answer = alice.read()
    assert b"\r\nGatekeeper-Reason: expired\r\n" in answer
    assert alice.was_sent_away
    assert b"/2" not in scene.app.last.read()


def test_a_clock_that_is_set_back_has_everybody_judged_anew(scene: Scene) -> None:
    """To before the certificate's notBefore: the verdict from after it does not count."""
    alice = scene.alice()
    alice.send(get("/"))
    assert scene.serve(alice).startswith(b"HTTP/1.1 200 ")
    scene.started -= 400 * 86400
    alice.send(get("/"))
    assert alice.read().startswith(b"HTTP/1.1 403 ")
    assert scene.log.records[-1]["reason"] == "not_yet_valid"


def test_a_request_that_waited_for_its_turn_is_judged_when_its_turn_comes(scene: Scene) -> None:
    """Pipelining does not carry a verdict over."""
    alice = scene.visitor(make_client("alice", scene.files.authority))
    alice.send(get("/1") + get("/2"))
    scene.started += 31 * 86400
    answer = scene.serve(alice)
    assert answer.startswith(OK)
    assert b"\r\nGatekeeper-Reason: expired\r\n" in answer


def test_a_new_world_judges_anew(scene: Scene) -> None:
    """After a reload, open connections are judged by the new state, even where the old verdict still holds."""
    from dataclasses import replace

    from gatekeeper.gate.verdict import Policy

    nameless = scene.visitor(make_client(" ", scene.files.authority))
    scene.proxy.snapshot = replace(scene.snapshot, policy=Policy(require_common_name=False))
    nameless.send(get("/1"))
    assert scene.serve(nameless) == OK
    scene.proxy.snapshot = scene.snapshot
    nameless.send(get("/2"))
    assert b"\r\nGatekeeper-Reason: blank_name\r\n" in nameless.read()


def test_the_app_learns_who_is_there(scene: Scene) -> None:
    """The nginx preset, from the certificate and nothing else."""
    alice = scene.alice()
    alice.send(get("/", "X-SSL-Client-S-DN: CN=root", "x_ssl_client_verify: NONE"))
    asked = scene.app.last.read()
    assert b"\r\nX-SSL-Client-Verify: SUCCESS\r\n" in asked
    assert b"\r\nX-SSL-Client-S-DN: CN=alice\r\n" in asked
    assert b"root" not in asked
    assert b"x_ssl" not in asked


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


def test_after_the_last_answer_the_connection_ends_with_the_client(scene: Scene) -> None:
    """Who closes is not waited for."""
    nobody = scene.visitor()
    nobody.send(get("/"))
    nobody.leave()
    assert nobody.is_gone


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
