"""Header blocks: what lines mean together. `test_wire_request.py` and the corpus judge them as parts of heads."""

from collections.abc import Callable
from functools import partial
from itertools import product
from types import SimpleNamespace

import httptools

from gatekeeper.errors import MessageError
from gatekeeper.wire.block import Block, read_block, read_cookie, with_length
from gatekeeper.wire.cache import Cache
from gatekeeper.wire.foreign import BUILT_IN
from gatekeeper.wire.framing import LENGTH
from gatekeeper.wire.headers import read_request_field


def block(*lines: bytes) -> Block:
    fields = Cache(partial(read_request_field, BUILT_IN), 0, -1)
    return read_block(fields, BUILT_IN, 100, b"".join(line + b"\r\n" for line in lines) + b"\r\n")


def test_an_expectation_is_seen_and_passed_on() -> None:
    """RFC 9110, 10.1.1."""
    assert block(b"Host: x", b"Expect: 100-Continue").expects_continue
    assert not block(b"Host: x").expects_continue


def test_fields_named_in_connection_do_not_pass() -> None:
    """RFC 9110, 7.6.1, in any case; Host and framing are written anew."""
    read = block(b"Host: x", b"Connection: close, x-hop", b"X-Hop: 1", b"X-HOP: 2", b"X-Hope: 3")
    assert read.forward == b"Host: x\r\nX-Hope: 3\r\n"


def test_a_body_that_is_there_has_a_length() -> None:
    """Instead of chunks; nothing is expected any more, and everything else stays as it is."""
    lines = (b"Host: x", b"EXPECT: 100-continue", b"X-Expect: 1", b"Transfer-Encoding: chunked")
    whole = with_length(block(*lines), 7)
    assert whole.forward == b"Host: x\r\nX-Expect: 1\r\nContent-Length: 7\r\n"
    assert (whole.framing, whole.length, whole.expects_continue) == (LENGTH, 7, False)
    whole = with_length(block(b"Expect: 100-continue", b"Content-Length: 07"), 7)
    assert whole.forward == b"Content-Length: 7\r\n"
    assert (whole.framing, whole.length, whole.expects_continue) == (LENGTH, 7, False)


def test_llhttp_takes_the_same_cookies() -> None:
    """So it need not be asked: every two bytes, which are the first, the last and the middle of a value."""
    for value in (bytes(pair) for pair in product(range(256), repeat=2)):
        for line in (b"Cookie: " + value, b"Cookie: a" + value + b"b"):
            assert is_taken(read_cookie, line) == is_taken(ask_llhttp, line), line


def is_taken(read: Callable[[bytes], object], line: bytes) -> bool:
    try:
        read(line)
    except (MessageError, httptools.HttpParserError):
        return False
    return True


def ask_llhttp(line: bytes) -> None:
    """Read a request with this line; what comes behind it must be read as another one."""
    lines: list[bytes] = []
    judge = SimpleNamespace(on_header=lambda name, _value: lines.append(name))
    httptools.HttpRequestParser(judge).feed_data(b"GET / HTTP/1.1\r\n" + line + b"\r\nX: y\r\n\r\n")
    if lines != [b"Cookie", b"X"]:
        raise httptools.HttpParserError
