"""Field blocks that are sent, read by python-hyper's hpack."""

import hpack
import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from gatekeeper.wire.http2.encode import (
    NO_TABLE,
    encode_field,
    encode_lines,
    encode_request,
    encode_response,
    encode_switch,
)
from gatekeeper.wire.request import HeadLimits, RequestReader
from gatekeeper.wire.response import read_response

Fields = list[tuple[bytes, bytes]]
NAMES = st.sampled_from([b":path", b"cookie", b"accept", b"x-a", b"x-" + b"n" * 200, b"content-length"])
VALUES = st.one_of(st.binary(max_size=40), st.sampled_from([b"", b"gzip, deflate", b"v" * 3000]))
LISTS = st.lists(st.tuples(NAMES, VALUES), max_size=12)


def read(block: bytes) -> Fields:
    return [tuple(field) for field in hpack.Decoder(2**30).decode(block, raw=True)]  # type: ignore[misc]


@seed(3)
@settings(max_examples=100, deadline=None)
@given(LISTS)
def test_what_is_encoded_is_read_by_hpack_and_leaves_no_trace_in_its_table(fields: Fields) -> None:
    """A peer that allows no table takes it too."""
    decoder = hpack.Decoder(2**30)
    decoder.max_allowed_table_size = 0
    block = NO_TABLE + b"".join(encode_field(name, value) for name, value in fields)
    assert [tuple(field) for field in decoder.decode(block, raw=True)] == fields
    assert not decoder.header_table.dynamic_entries


@pytest.mark.parametrize("name", [b"authorization", b"cookie", b"proxy-authorization", b"set-cookie"])
def test_secrets_are_never_indexed(name: bytes) -> None:
    """RFC 7541, 7.1.3: by nobody on the way."""
    (field,) = hpack.Decoder().decode(encode_field(name, b"secret"), raw=True)
    assert isinstance(field, hpack.NeverIndexedHeaderTuple)


def test_lines_become_fields_without_those_about_the_connection() -> None:
    """RFC 9113, 8.2 and 8.2.2: names in lower case, values without white space around them."""
    dropped = b"Connection: x\r\nKeep-Alive: 1\r\nTransfer-Encoding: chunked\r\nUpgrade: h\r\nHost: a\r\nTE: b\r\n"
    lines = dropped + b"X-A:  b \r\n"
    assert read(encode_lines(lines)) == [(b"x-a", b"b")]
    assert encode_lines(b"") == b""


def test_a_response_tells_its_length_as_in_http1() -> None:
    """RFC 9113, 8.1.1; further lines stand behind its own."""
    head = read_response(b"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\nServer: x\r\n\r\n")
    fields = [(b":status", b"404"), (b"server", b"x"), (b"content-length", b"5")]
    assert read(encode_response(head)) == fields
    assert read(encode_response(head, b"X-More: y\r\n")) == [*fields, (b"x-more", b"y")]


def test_a_response_is_encoded_once() -> None:
    """And further lines do not stay in it."""
    head = read_response(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
    with_more = encode_response(head, b"X-More: y\r\n")
    assert head.hpack == encode_response(head)
    assert with_more.startswith(head.hpack)
    assert encode_response(head) is head.hpack


def test_a_switch_is_a_200_without_the_proof() -> None:
    """RFC 8441, 5: HTTP/2 has its own way to say that a tunnel was meant."""
    head = read_response(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Accept: x\r\nSec-WebSocket-Protocol: chat\r\n\r\n"
    )
    assert read(encode_switch(head)) == [(b":status", b"200"), (b"sec-websocket-protocol", b"chat")]


def test_a_request_has_its_pseudo_header_fields_first() -> None:
    """RFC 9113, 8.3.1; te: trailers is said of this hop, whatever the client said of its own."""
    text = b"GET /a HTTP/1.1\r\nHost: app.example\r\nTE: gzip\r\nAccept: */*\r\nCookie: a=1\r\n\r\n"
    head = RequestReader(HeadLimits()).cached[text]
    assert read(encode_request(head, b"X-Real-IP: 192.0.2.7\r\n", request_id=b"1")) == [
        (b":method", b"GET"),
        (b":scheme", b"http"),
        (b":path", b"/a"),
        (b":authority", b"app.example"),
        (b"accept", b"*/*"),
        (b"cookie", b"a=1"),
        (b"x-real-ip", b"192.0.2.7"),
        (b"x-request-id", b"1"),
        (b"te", b"trailers"),
    ]


def test_a_request_without_a_host_has_the_authority_of_its_app() -> None:
    """HTTP/1.0 needs none."""
    head = RequestReader(HeadLimits()).cached[b"GET / HTTP/1.0\r\n\r\n"]
    fields = dict(read(encode_request(head, authority=b"127.0.0.1:8000", scheme=b"https")))
    assert (fields[b":authority"], fields[b":scheme"]) == (b"127.0.0.1:8000", b"https")
