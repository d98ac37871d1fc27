"""Repairing response heads: each kind of sloppiness, and what is not repaired."""

import pytest

from gatekeeper.errors import MessageError
from gatekeeper.wire.lenient import repaired_head, split_head
from gatekeeper.wire.response import MAX_HEAD_BYTES, read_response
from gatekeeper.wire.rules import MessageRule

START = b"HTTP/1.1 200 OK\r\n"
CLOSE = b"Connection: close\r\n\r\n"


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r\r\n"])
@pytest.mark.parametrize("blank", [b"\n", b"\r\n", b"\r\r\n"])
def test_a_head_ends_at_the_first_blank_line(line_end: bytes, blank: bytes) -> None:
    """Whatever ends its lines; a byte less, and it is incomplete."""
    head = b"HTTP/1.0 200 OK\r\nServer: x" + line_end + blank
    assert split_head(head + b"\n\nbody") == (head, b"\n\nbody")
    assert split_head(head[:-1]) is None
    assert repaired_head(head) == b"HTTP/1.0 200 OK\r\nServer: x\r\n" + CLOSE


def test_empty_lines_before_a_head_are_skipped() -> None:
    """They do not end it."""
    head = b"\r\n\n\r\n" + START + b"\r\n"
    assert split_head(head + b"body") == (head, b"body")
    assert split_head(b"\r\n\r\n\r\n") is None
    assert repaired_head(head) == START + CLOSE


@pytest.mark.parametrize("data", [b"<html>", b"\r\nICY 200", b"HTTP/2", b"HTP", b"\x00"])
def test_what_cannot_become_a_head_is_refused_at_once(data: bytes) -> None:
    """Nobody waits for its blank line."""
    with pytest.raises(MessageError, match=MessageRule.RESPONSE_STATUS_LINE.sentence):
        split_head(data)


@pytest.mark.parametrize("end", [b"", b"\n\nbody"])
def test_a_head_has_the_usual_limit(end: bytes) -> None:
    """Complete or not."""
    with pytest.raises(MessageError, match=MessageRule.RESPONSE_HEAD_TOO_LARGE.sentence):
        split_head(START + b"X: " + b"x" * MAX_HEAD_BYTES + end)


@pytest.mark.parametrize(
    ("sent", "line"),
    [
        (b"HTTP/1.1 200", b"HTTP/1.1 200 "),
        (b"http/1.1 200 OK", b"HTTP/1.1 200 OK"),
        (b"HTTP/1.1  200\t OK", b"HTTP/1.1 200 OK"),
        (b"HTTP/1.0 200 O\x07K\x00", b"HTTP/1.0 200 O K "),
    ],
)
def test_a_status_line_is_written_anew(sent: bytes, line: bytes) -> None:
    """RFC 9112, 4, with white space as in 3."""
    assert repaired_head(sent + b"\n\n") == line + b"\r\n" + CLOSE


@pytest.mark.parametrize(
    "line", [b"HTTP/1.1 20 OK", b"HTTP/1.1 2000 OK", b"HTTP/1.1200 OK", b"HTTP/1.2 200 OK", b"200 OK"]
)
def test_a_line_without_a_status_is_not_repaired(line: bytes) -> None:
    """Nobody knows what it means."""
    with pytest.raises(MessageError, match=MessageRule.RESPONSE_STATUS_LINE.sentence):
        repaired_head(line + b"\r\n\r\n")


@pytest.mark.parametrize(
    ("sent", "fields"),
    [
        (b"X: a\x01b\x7fc\x00", b"X: a b c\r\n"),
        (b"X: a\rb", b"X: a b\r\n"),
        (b"X \t: a", b"X: a\r\n"),
        (b"X:a\n\t b\n  c", b"X: a b c\r\n"),
        (b"  folded\nX: a", b"X: a\r\n"),
        (b"no field\nX: a", b"X: a\r\n"),
        (b"bad name: x\nX: a", b"X: a\r\n"),
        (b": x\nX: a", b"X: a\r\n"),
        (b"Set-Cookie: a=\xe9\nSet-Cookie: b", b"Set-Cookie: a=\xe9\r\nSet-Cookie: b\r\n"),
    ],
)
def test_fields_are_cleaned(sent: bytes, fields: bytes) -> None:
    """RFC 9110, 5.5 and RFC 9112, 5.1 and 5.2; what is no field is left out, the rest stays in its order."""
    repaired = repaired_head(START + sent + b"\n\n")
    assert repaired == START + fields + CLOSE
    assert read_response(repaired).status == 200


@pytest.mark.parametrize(
    ("sent", "framing"),
    [
        (b"Content-Length: 5\nTransfer-Encoding: chunked", b"Transfer-Encoding: chunked\r\n"),
        (b"Transfer-Encoding: Chunked\nContent-Length: x", b"Transfer-Encoding: chunked\r\n"),
        (b"Transfer-Encoding: identity, chunked", b"Transfer-Encoding: chunked\r\n"),
        (b"Transfer-Encoding: identity\nContent-Length: 5", b"Content-Length: 5\r\n"),
        (b"Content-Length: 5\nContent-Length: 5", b"Content-Length: 5\r\n"),
        (b"Content-Length: 5, 05", b"Content-Length: 5\r\n"),
        (b"Content-Length: 5 \x00", b"Content-Length: 5\r\n"),
        (b"Content-Length : 5", b"Content-Length: 5\r\n"),
        (b"Content-Length: -1", b""),
        (b"Content-Length:", b""),
        (b"Content-Length: 1000000000000000000", b""),
    ],
)
def test_one_framing_is_left(sent: bytes, framing: bytes) -> None:
    """RFC 9112, 6.3: chunks before a length; what is no length is none, and the body ends with the connection."""
    repaired = repaired_head(START + sent + b"\n\n")
    assert repaired == START + framing + CLOSE
    assert not read_response(repaired).reusable


@pytest.mark.parametrize(
    ("sent", "rule"),
    [
        (b"Content-Length: 5\nContent-Length: 6", MessageRule.RESPONSE_LENGTH),
        (b"Content-Length: 5, 6", MessageRule.RESPONSE_LENGTH),
        (b"Content-Length: 5\nContent-Length: -1", MessageRule.RESPONSE_LENGTH),
        (b"Transfer-Encoding: gzip, chunked", MessageRule.RESPONSE_CODING),
        (b"Transfer-Encoding: chunked, chunked", MessageRule.RESPONSE_CODING),
        (b"Transfer-Encoding: gzip\nContent-Length: 5", MessageRule.RESPONSE_CODING),
    ],
)
def test_a_contradiction_is_not_repaired(sent: bytes, rule: MessageRule) -> None:
    """RFC 9112, 6.3 (3, 5): whichever was chosen, somebody could have meant the other."""
    with pytest.raises(MessageError, match=rule.sentence):
        repaired_head(START + sent + b"\r\n\r\n")


def test_chunks_make_it_http_1_1() -> None:
    """RFC 9112, 6.1: the strict reader knows none in HTTP/1.0."""
    assert repaired_head(b"HTTP/1.0 200 OK\nTransfer-Encoding: chunked\n\n").startswith(b"HTTP/1.1 200 OK\r\n")


def test_the_options_of_connection_stay_and_close_is_added() -> None:
    """Fields that they name do not pass, and a switch stays one."""
    head = b'HTTP/1.1 101 Switching\nConnection: Upgrade, x-hop, no token!?"\nUpgrade: websocket\nX-Hop: 1\n\n'
    repaired = repaired_head(head)
    assert repaired.endswith(b"\r\nConnection: upgrade, x-hop, close\r\n\r\n")
    read = read_response(repaired)
    assert (read.upgrade, read.reusable) == (b"websocket", False)
    assert b"X-Hop" not in read.fields
