"""Response heads, and the gate's own responses."""

import pytest

from gatekeeper.errors import MessageError
from gatekeeper.wire.framing import ChunkedBody, Framing, LengthBody, UntilCloseBody
from gatekeeper.wire.response import (
    MAX_HEAD_BYTES,
    ResponseHead,
    framing_line,
    incomplete_response,
    own_response,
    read_response,
    with_date,
)
from gatekeeper.wire.rules import MessageRule


def read(*lines: bytes, start: bytes = b"HTTP/1.1 200 OK") -> ResponseHead:
    return read_response(b"".join(line + b"\r\n" for line in (start, *lines)) + b"\r\n")


def test_a_head_is_read_whole() -> None:
    """What the proxy has to know, and ready-made bytes for the client."""
    head = read(b"content-length: 007", b"X:  y ", b"Connection: keep-alive")
    assert (head.status, head.framing, head.length) == (200, Framing.LENGTH, 7)
    assert head.fields == b"HTTP/1.1 200 OK\r\nX: y\r\n"
    assert head.wire_head == b"HTTP/1.1 200 OK\r\nX: y\r\nContent-Length: 7\r\n\r\n"
    assert head.reusable
    assert not head.upgrade


def test_a_head_may_have_no_lines_and_no_reason() -> None:
    """RFC 9112, 4: a client must get the space behind the status."""
    head = read(start=b"HTTP/1.1 204")
    assert head.wire_head == b"HTTP/1.1 204 \r\n\r\n"


@pytest.mark.parametrize(
    ("start", "lines", "reusable"),
    [
        (b"HTTP/1.1 200 OK", (), True),
        (b"HTTP/1.1 200 OK", (b"Connection: close",), False),
        (b"HTTP/1.0 200 OK", (), False),
        (b"HTTP/1.0 200 OK", (b"Connection: Keep-Alive",), True),
        (b"HTTP/1.1 204 No Content", (b"Content-Length: 0",), True),
        (b"HTTP/1.1 204 No Content", (b"Content-Length: 5",), False),
        (b"HTTP/1.1 204 No Content", (b"Transfer-Encoding: chunked",), False),
        (b"HTTP/1.1 304 Not Modified", (b"Content-Length: 5",), True),
        (b"HTTP/1.1 304 Not Modified", (b"Transfer-Encoding: chunked",), False),
    ],
)
def test_a_connection_is_used_again_only_where_nothing_can_follow(
    start: bytes, lines: tuple[bytes, ...], reusable: bool
) -> None:
    """A body that must not be there could still come, and be taken for the next response."""
    assert read(*lines, start=start).reusable is reusable


@pytest.mark.parametrize(
    ("method", "start", "lines", "body"),
    [
        (b"GET", b"HTTP/1.1 200 OK", (b"Content-Length: 5",), LengthBody),
        (b"GET", b"HTTP/1.1 200 OK", (b"Content-Length: 0",), None),
        (b"GET", b"HTTP/1.1 200 OK", (b"Transfer-Encoding: chunked",), ChunkedBody),
        (b"GET", b"HTTP/1.1 200 OK", (), UntilCloseBody),
        (b"HEAD", b"HTTP/1.1 200 OK", (b"Content-Length: 5",), None),
        (b"HEAD", b"HTTP/1.1 200 OK", (), None),
        (b"GET", b"HTTP/1.1 204 No Content", (b"Content-Length: 5",), None),
        (b"GET", b"HTTP/1.1 304 Not Modified", (b"Content-Length: 5",), None),
        (b"GET", b"HTTP/1.1 103 Early Hints", (b"Content-Length: 5",), None),
    ],
)
def test_the_body_follows_method_status_and_framing(
    method: bytes, start: bytes, lines: tuple[bytes, ...], body: type | None
) -> None:
    """RFC 9112, 6.3, in its order."""
    got = read(*lines, start=start).body(method)
    assert (type(got) if got is not None else None) is body


@pytest.mark.parametrize(
    ("lines", "rule"),
    [
        ((b"Content-Length: 5", b"Transfer-Encoding: chunked"), MessageRule.RESPONSE_CODING),
        ((b"Transfer-Encoding: gzip",), MessageRule.RESPONSE_CODING),
        ((b"Content-Length: 5, 5",), MessageRule.RESPONSE_LENGTH),
        ((b"Content-Length: 5", b"Content-Length: 5"), MessageRule.RESPONSE_LENGTH),
        ((b"Connection: a b",), MessageRule.RESPONSE_CONNECTION),
        ((b"X : y",), MessageRule.RESPONSE_FIELD_LINE),
        ((b"X: " + b"a" * MAX_HEAD_BYTES,), MessageRule.RESPONSE_HEAD_TOO_LARGE),
    ],
)
def test_what_no_client_should_see_is_refused(lines: tuple[bytes, ...], rule: MessageRule) -> None:
    """The rest of it is in the corpus."""
    with pytest.raises(MessageError) as caught:
        read(*lines)
    assert (caught.value.status, caught.value.detail) == (502, rule.sentence)


def test_llhttp_has_a_say() -> None:
    """A 101 whose Upgrade is not named in Connection breaks no rule here; the second judge does not take it."""
    with pytest.raises(MessageError):
        read(b"Upgrade: websocket", start=b"HTTP/1.1 101 Switching Protocols")


@pytest.mark.parametrize("held", [b"", b"H", b"HTTP/1.", b"HTTP/1.1 200 OK\r", b"HTTP/1.1 200 OK\r\nX: y\r\n\r"])
def test_what_may_become_right_is_waited_for(held: bytes) -> None:
    """Every beginning of a good head."""
    incomplete_response(held)


@pytest.mark.parametrize(
    ("held", "rule"),
    [
        (b"h", MessageRule.RESPONSE_STATUS_LINE),
        (b"HTTP/2", MessageRule.RESPONSE_STATUS_LINE),
        (b"\x15\x03", MessageRule.RESPONSE_STATUS_LINE),
        (b"HTTP/1.1 200 OK\n", MessageRule.RESPONSE_STATUS_LINE),
        (b"HTTP/1.1 200\x00\r\n", MessageRule.RESPONSE_STATUS_LINE),
        (b"HTTP/1.1 200 OK\r\nX: y\n", MessageRule.RESPONSE_FIELD_LINE),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * MAX_HEAD_BYTES, MessageRule.RESPONSE_HEAD_TOO_LARGE),
    ],
)
def test_what_can_never_become_right_is_refused_at_once(held: bytes, rule: MessageRule) -> None:
    """Not only when the time is up."""
    with pytest.raises(MessageError) as caught:
        incomplete_response(held)
    assert caught.value.detail == rule.sentence


def test_the_protocol_of_a_switch_is_told() -> None:
    """RFC 9110, 7.8: where Connection names Upgrade, and Upgrade one protocol."""
    start = b"HTTP/1.1 101 Switching Protocols"
    assert read(b"Connection: upgrade", b"Upgrade: WebSocket", start=start).upgrade == b"websocket"
    assert read(b"Connection: upgrade", b"Upgrade: SPDY/3.1", start=start).upgrade == b"SPDY/3.1"
    assert not read(b"Connection: upgrade", b"Upgrade: tcp, h2c", start=start).upgrade


@pytest.mark.parametrize(
    ("framing", "status", "line"),
    [
        (Framing.LENGTH, 200, b"Content-Length: 5\r\n"),
        (Framing.LENGTH, 304, b"Content-Length: 5\r\n"),
        (Framing.LENGTH, 204, b""),
        (Framing.LENGTH, 103, b""),
        (Framing.CHUNKED, 200, b"Transfer-Encoding: chunked\r\n"),
        (Framing.CHUNKED, 304, b""),
        (Framing.UNTIL_CLOSE, 200, b"Transfer-Encoding: chunked\r\n"),
    ],
)
def test_the_client_is_told_where_the_body_ends(framing: Framing, status: int, line: bytes) -> None:
    """RFC 9110, 8.6; RFC 9112, 6.1: not where there can be none."""
    assert framing_line(framing, 5, status) == line


def test_cached_and_fresh_reading_say_the_same() -> None:
    """The second time it is the same object; a longer head is read anew and says the same."""
    assert read(b"X: cached") is read(b"X: cached")
    long = (b"X: y", b"Y: " + b"z" * 5000)
    assert read(*long) is not read(*long)
    assert read(*long) == read(*long)


def test_the_gates_own_response_is_complete() -> None:
    """Status, Date (RFC 9110, 6.6.1), headers, length, body."""
    response = own_response(404, (("X", "y"),), b"no", method=b"GET", close=True, now=784111777.9)
    head = b"HTTP/1.1 404 Not Found\r\nX: y\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
    assert response == head + b"Content-Length: 2\r\nConnection: close\r\n\r\nno"


def test_head_gets_the_length_and_no_body() -> None:
    """RFC 9110, 9.3.2."""
    response = own_response(404, (), b"no", method=b"HEAD", close=False, now=0.0)
    assert response.endswith(b"\r\nContent-Length: 2\r\n\r\n")


@pytest.mark.parametrize("value", ["a\r\nSet-Cookie: b", "a\n", "\x00", "\x7f"])
def test_the_gates_own_headers_cannot_be_broken_out_of(value: str) -> None:
    """That would be a bug of the gate, and is treated as one."""
    with pytest.raises(ValueError, match="control character"):
        own_response(404, (("X", value),), b"", method=b"GET", close=True, now=0.0)


def test_a_response_without_a_date_gets_one() -> None:
    """RFC 9110, 6.6.1: who forwards it MUST add it. Once for all responses of a second."""
    head = read(b"Content-Length: 2", b"X: y")
    dated = with_date(head, 784111777.9)
    assert dated.fields == b"HTTP/1.1 200 OK\r\nX: y\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
    assert dated.wire_head == dated.fields + b"Content-Length: 2\r\n\r\n"
    assert dated.content_length == 2
    assert not dated.undated
    assert with_date(head, 784111777.0) is dated
    assert b"08:49:38" in with_date(head, 784111778.0).fields


@pytest.mark.parametrize(
    ("start", "lines"),
    [
        (b"HTTP/1.1 200 OK", (b"date: yesterday",)),  # whatever it says, it is the app's
        (b"HTTP/1.1 103 Early Hints", (b"Link: </a.css>",)),  # interim responses need none
        (b"HTTP/1.1 101 Switching Protocols", (b"Connection: upgrade", b"Upgrade: websocket")),
    ],
)
def test_no_second_date_is_added(start: bytes, lines: tuple[bytes, ...]) -> None:
    """Nor one to what is no final response."""
    assert read(*lines, start=start).undated == b""
