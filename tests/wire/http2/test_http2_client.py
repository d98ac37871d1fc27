"""The client's half: requests to apps, with python-hyper's h2 as the app."""

import h2.config
import h2.connection
import h2.events
import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from gatekeeper.wire.http2.client import ASSUMED_STREAMS, ResponseStream
from gatekeeper.wire.http2.frames import (
    DATA,
    END_STREAM,
    GOAWAY,
    MAX_STREAM_ID,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    ErrorCode,
    settings_frame,
)
from gatekeeper.wire.request import HeadLimits, RequestHead, RequestReader
from tests.wire.http2.peers import Caller, Owner, frame, headers

OK = ((b":status", b"200"), (b"content-length", b"2"))


def request(text: bytes = b"GET /a?b HTTP/1.1\r\nHost: app.example\r\nAccept: x\r\n\r\n") -> RequestHead:
    line, _, block = text.partition(b"\r\n")
    return RequestReader(HeadLimits()).read(line, block, cache=True)


def asked(text: bytes | None = None, *, end: bool = True) -> Caller:
    """A caller that has asked for something on stream 1, of an app that has said hello."""
    caller = Caller()
    caller.receive(settings_frame(()))
    head = request(text) if text else request()
    stream = caller.connection.open(Owner(caller.told, 1), head, b"X-SSL-Client-Verify: SUCCESS\r\n", end=end)
    assert stream.id == 1
    caller.sent()
    return caller


def test_a_request_reaches_an_app_whole() -> None:
    """As h2 reads it: pseudo-header fields first, nothing about the connection, te for the trailers."""
    caller = Caller()
    app = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
    app.initiate_connection()
    head = request(b"PUT /a?b HTTP/1.1\r\nHost: x.example\r\nAccept: y\r\nCookie: z\r\nContent-Length: 4\r\n\r\n")
    stream = caller.connection.open(Owner(caller.told, 1), head, b"X-Request-Id: 1\r\n", end=False)
    stream.send_content(b"body")
    stream.send_end(b"x-t: 1\r\n")
    events = app.receive_data(caller.sent())
    (found,) = [event for event in events if isinstance(event, h2.events.RequestReceived)]
    assert found.headers == [
        (b":method", b"PUT"),
        (b":scheme", b"http"),
        (b":path", b"/a?b"),
        (b":authority", b"x.example"),
        (b"accept", b"y"),
        (b"content-length", b"4"),
        (b"x-request-id", b"1"),
        (b"te", b"trailers"),
        (b"cookie", b"z"),  # h2 joins cookies at the end
    ]
    assert [event.data for event in events if isinstance(event, h2.events.DataReceived)] == [b"body"]
    assert [event.headers for event in events if isinstance(event, h2.events.TrailersReceived)] == [[(b"x-t", b"1")]]


def test_a_response_is_told() -> None:
    """Interim ones first, then head, content, end."""
    caller = asked()
    caller.receive(
        headers(1, [(b":status", b"103"), (b"link", b"</a>")], flags=0)
        + headers(1, OK, flags=0)
        + frame(DATA, 0, 1, b"h")
        + frame(DATA, END_STREAM, 1, b"i")
    )
    assert (
        caller.told
        == [
            (0, "capacity", True),
            (1, "interim", 103),
            (1, "response", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", False),
            (1, "content", b"h"),
            (1, "content", b"i"),
            (1, "end", b""),
        ][1:]
    )


def test_trailers_only_pass_as_such() -> None:
    """gRPC: HEADERS with END_STREAM."""
    caller = asked()
    caller.receive(headers(1, [(b":status", b"200"), (b"grpc-status", b"7")]))
    assert [told[:2] for told in caller.told] == [(1, "response")]
    assert caller.told[0][3] is True


def test_trailers_behind_a_body_are_told() -> None:
    """RFC 9113, 8.1."""
    caller = asked()
    caller.receive(headers(1, [(b":status", b"200")], flags=0) + headers(1, [(b"grpc-status", b"0")]))
    assert caller.told[-1] == (1, "end", b"grpc-status: 0\r\n")


@pytest.mark.parametrize("status", [b"204", b"304"])
def test_a_response_that_has_no_body_may_tell_a_length(status: bytes) -> None:
    """RFC 9110, 8.6, for 304; content is a stream error."""
    caller = asked()
    caller.receive(headers(1, [(b":status", status)], flags=0) + frame(DATA, 1, 1, b"x"))
    assert caller.told[-1] == (1, "reset", ErrorCode.PROTOCOL_ERROR)


def test_the_answer_to_head_keeps_its_length() -> None:
    """RFC 9110, 9.3.2."""
    caller = asked(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
    caller.receive(headers(1, OK))
    assert caller.told == [(1, "response", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", True)]


MALFORMED = {
    "no status": ([(b"x", b"y")], 1),
    "a status of two digits": ([(b":status", b"20")], 1),
    "a status twice": ([(b":status", b"200"), (b":status", b"200")], 1),
    "another pseudo-header field": ([(b":status", b"200"), (b":path", b"/")], 1),
    "upper case": ([(b":status", b"200"), (b"X", b"y")], 1),
    "a line end": ([(b":status", b"200"), (b"x", b"a\r\nb")], 1),
    "connection": ([(b":status", b"200"), (b"connection", b"close")], 1),
    "transfer-encoding": ([(b":status", b"200"), (b"transfer-encoding", b"chunked")], 1),
    "101": ([(b":status", b"101")], 0),
    "an interim one as the last": ([(b":status", b"100")], 1),
    "two lengths": ([*OK, (b"content-length", b"3")], 0),
    "a length and no body": (OK, 1),
}


@pytest.mark.parametrize(("fields", "flags"), MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_response_is_seen_by_no_client(fields: list[tuple[bytes, bytes]], flags: int) -> None:
    """RFC 9113, 8.1.1: 502, and the stream is reset."""
    caller = asked()
    assert caller.receive(headers(1, fields, flags)) == [(RST_STREAM, 0, 1, b"\0\0\0\x01")]
    assert [told[:2] for told in caller.told] == [(1, "malformed")]
    assert caller.failure is None


def test_a_body_that_is_cut_is_no_end() -> None:
    """RFC 9113, 8.1.1."""
    caller = asked()
    caller.receive(headers(1, OK, flags=0) + frame(DATA, END_STREAM, 1, b"h"))
    assert caller.told[-1] == (1, "reset", ErrorCode.PROTOCOL_ERROR)


def test_the_app_says_how_many_it_takes() -> None:
    """RFC 9113, 5.1.2."""
    caller = Caller()
    assert caller.connection.max_streams == ASSUMED_STREAMS
    caller.receive(settings_frame([(3, 1)]))
    assert caller.connection.can_open
    stream = caller.connection.open(Owner(caller.told, 1), request(), end=True)
    assert not caller.connection.can_open
    caller.receive(headers(1, [(b":status", b"204")]))
    stream.finished()
    assert caller.connection.can_open
    assert caller.told[-1] == (0, "capacity", True)


def test_requests_above_goaway_may_be_repeated() -> None:
    """RFC 9113, 6.8; those below go on."""
    caller = asked()
    caller.connection.open(Owner(caller.told, 3), request(), end=True)
    caller.receive(frame(GOAWAY, 0, 0, b"\0\0\0\x01" + bytes(4)))
    assert caller.told == [(3, "reset", ErrorCode.REFUSED_STREAM), (0, "going away", 1, 0)]
    assert not caller.connection.can_open
    caller.receive(headers(1, [(b":status", b"204")]))
    assert caller.told[-1][:2] == (1, "response")


def test_a_cancelled_request_is_reset_and_its_answer_ignored() -> None:
    """RFC 9113, 5.1; the table goes on."""
    caller = asked()
    stream = caller.connection.streams[1]
    stream.reset()
    stream.finished()
    assert [kind for kind, *_ in caller.receive(headers(1, OK, flags=0) + frame(DATA, 1, 1, b"hi"))] == [RST_STREAM]
    assert caller.failure is None
    assert [told for told in caller.told if told[0] == 1] == []


@pytest.mark.parametrize("end", [0, END_STREAM])
@pytest.mark.parametrize("before", [b"", headers(1, [(b":status", b"103")], flags=0)], ids=["nothing", "interim"])
@pytest.mark.parametrize("content", [b"", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_content_without_a_head_is_an_error_of_the_stream(end: int, before: bytes, content: bytes) -> None:
    """RFC 9113, 8.1: nobody is told of the content, which a client would read as the response that it lacks."""
    caller = asked()
    sent = caller.receive(before + frame(DATA, end, 1, content))
    assert sent == [(RST_STREAM, 0, 1, b"\0\0\0\x01")]
    assert [told[1:] for told in caller.told if told[1] != "interim"] == [("reset", ErrorCode.PROTOCOL_ERROR)]
    assert caller.failure is None


def test_any_number_of_cancelled_requests_may_still_be_answered() -> None:
    """RFC 9113, 5.1: what comes on streams that we reset is ignored; visitors may cancel thousands of calls at once."""
    caller = Caller()
    caller.receive(settings_frame([(3, 5000)]))
    streams = [caller.connection.open(Owner(caller.told, 1), request(), end=True) for _ in range(2000)]
    for stream in streams:
        stream.reset()
        stream.finished()
    for stream in streams:
        caller.receive(headers(stream.id, OK, flags=0) + frame(DATA, END_STREAM, stream.id, b"hi"))
    assert caller.failure is None
    assert [told for told in caller.told if told[0]] == []


PROTOCOL_ERRORS = {
    "the first frame is no SETTINGS": frame(GOAWAY, 0, 0, bytes(8)),
    "a response to nothing": settings_frame(()) + headers(1, OK),
    "a stream of the server's": settings_frame(()) + headers(2, OK),
    "a push": settings_frame(()) + frame(PUSH_PROMISE, 4, 1, b"\0\0\0\x02\x88"),
    "a server that wants pushes": settings_frame([(2, 1)]),
}


@pytest.mark.parametrize("data", PROTOCOL_ERRORS.values(), ids=PROTOCOL_ERRORS)
def test_an_app_that_breaks_the_rules_loses_the_connection(data: bytes) -> None:
    """RFC 9113, 5.4.1."""
    caller = Caller()
    caller.receive(data)
    assert caller.failure is not None
    assert caller.failure.code == ErrorCode.PROTOCOL_ERROR


def test_what_is_said_first() -> None:
    """RFC 9113, 3.4: preface, SETTINGS without push, the connection's window."""
    data = Caller().sent()
    assert data.startswith(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x12" + bytes((SETTINGS,)))
    assert bytes((0, 2, 0, 0, 0, 0)) in data
    assert data.endswith(frame(WINDOW_UPDATE, 0, 0, (1024 * 1024 - 65_535).to_bytes(4)))


class App:
    """An app by h2: it takes what comes, and answers each upload with its own content when that has ended."""

    def __init__(self, answers: dict[int, bytes]) -> None:
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        self.h2.initiate_connection()
        self.answers = answers
        self.got = dict.fromkeys(answers, b"")
        self._ended: list[int] = []

    def receive(self, data: bytes) -> None:
        for event in self.h2.receive_data(data):
            if isinstance(event, h2.events.DataReceived):
                self.got[event.stream_id] += event.data
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.RequestReceived):
                self.h2.send_headers(event.stream_id, [(":status", "200")])
            elif isinstance(event, h2.events.StreamEnded):
                self._ended.append(event.stream_id)

    def sent(self) -> bytes:
        for stream_id in list(self._ended):
            answer = self.answers[stream_id]
            room = min(self.h2.local_flow_control_window(stream_id), 16384)
            self.answers[stream_id] = answer[room:]
            self.h2.send_data(stream_id, answer[:room], end_stream=len(answer) <= room)
            if len(answer) <= room:
                self._ended.remove(stream_id)
        return self.h2.data_to_send()


@seed(6)
@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.binary(max_size=70_000), st.binary(max_size=70_000)), min_size=1, max_size=4),
    st.integers(1, 40_000),
)
def test_bodies_of_any_size_pass_both_ways_with_h2(bodies: list[tuple[bytes, bytes]], step: int) -> None:
    """Several streams at once, in pieces of any size; nothing is lost, doubled or mixed."""
    caller = Caller()
    streams: list[ResponseStream] = []
    for upload, _ in bodies:
        owner = Owner(caller.told, 2 * len(streams) + 1)
        stream = caller.connection.open(owner, request(b"PUT / HTTP/1.1\r\nHost: x\r\n\r\n"), end=False)
        stream.send_content(upload)
        stream.send_end()
        streams.append(stream)
    app = App({stream.id: down for stream, (_, down) in zip(streams, bodies, strict=True)})
    for _ in range(100):
        data = caller.sent()
        for at in range(0, len(data), step):
            app.receive(data[at : at + step])
        answer = app.sent()
        caller.connection.receive(answer, 0.0)
        for stream in streams:
            stream.consumed(stream.held)
        if not data and not answer:
            break
    assert caller.failure is None
    assert app.got == {stream.id: upload for stream, (upload, _) in zip(streams, bodies, strict=True)}
    for stream, (_, down) in zip(streams, bodies, strict=True):
        told = [one for one in caller.told if one[:2] == (stream.id, "content")]
        assert b"".join(one[2] for one in told if isinstance(one[2], bytes)) == down
        assert caller.told.count((stream.id, "end", b"")) == 1


@pytest.mark.parametrize(("last", "opens"), [(MAX_STREAM_ID - 2, True), (MAX_STREAM_ID, False)])
def test_a_connection_whose_numbers_are_used_up_takes_no_request(last: int, opens: bool) -> None:
    """RFC 9113, 5.1.1: the next request needs another connection."""
    caller = asked()
    caller.connection.last_stream_id = last
    assert caller.connection.can_open is opens
