"""Requests of HTTP/2 become requests of HTTP/1.1, or nothing."""

import re

import h11
import hpack
import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from gatekeeper.wire.http2.hpack import EMPTY
from gatekeeper.wire.http2.requests import MAX_COOKIES, BlockReader, RejectedRequest
from gatekeeper.wire.request import HeadLimits, RequestHead, RequestReader
from tests.wire.http2.peers import GET, POST, block

Fields = tuple[tuple[bytes, bytes], ...]


def read(*fields: tuple[bytes, bytes], ended: bool = True, limits: HeadLimits | None = None) -> RequestHead:
    head, _ = BlockReader(RequestReader(limits or HeadLimits())).read(EMPTY, block(*fields), ended=ended, cache=True)
    assert isinstance(head, RequestHead), head.error
    return head


def rejected(*fields: tuple[bytes, bytes], ended: bool = True, limits: HeadLimits | None = None) -> int:
    head, _ = BlockReader(RequestReader(limits or HeadLimits())).read(EMPTY, block(*fields), ended=ended, cache=True)
    assert isinstance(head, RejectedRequest)
    return head.error.status


def test_a_request_becomes_the_one_it_stands_for() -> None:
    """Host first, cookies joined, the te field dropped, no body where END_STREAM came with the head."""
    head = read(*GET, (b"cookie", b"a=1"), (b"accept", b"*/*"), (b"te", b"trailers"), (b"cookie", b"b=2"))
    assert (head.method, head.target, head.minor) == (b"GET", b"/", 1)
    assert head.block.forward == b"Host: app.example\r\naccept: */*\r\n"
    assert head.cookie == b"Cookie: a=1; b=2\r\n"
    assert head.body() is None


def test_all_cookies_are_one_field() -> None:
    """RFC 9113, 8.2.3: a client may split them as it likes, and limits.header_count is about fields."""
    head = read(*GET, (b"x", b"y"), *((b"cookie", b"a=1"),) * 700, limits=HeadLimits(count=3))
    assert head.cookie == b"Cookie: %b\r\n" % b"; ".join([b"a=1"] * 700)


def test_cookies_count_in_bytes_before_they_are_joined() -> None:
    """RFC 9113, 10.5.1: each counts 41 bytes of the 32 KiB here, although it is sent in one; joined, it has 5."""
    assert rejected(*GET, *((b"cookie", b"a=1"),) * 800) == 431


def test_cookies_have_a_bound_where_the_header_has_none_to_speak_of() -> None:
    """limits.request_header may be 16 MiB, which is 430,000 of them."""
    limits = HeadLimits(head=16 << 20)
    assert read(*GET, *((b"cookie", b"a"),) * MAX_COOKIES, limits=limits).cookie
    assert rejected(*GET, *((b"cookie", b"a"),) * (MAX_COOKIES + 1), limits=limits) == 431


def test_a_body_without_a_length_is_chunked() -> None:
    """RFC 9112, 6: the app must see where it ends, and that it did not."""
    assert read(*POST, ended=False).block.forward.endswith(b"\r\nTransfer-Encoding: chunked\r\n")


def test_a_length_is_kept() -> None:
    """RFC 9113, 8.1.1: it is the frames' business to hold the body to it."""
    head = read(*POST, (b"content-length", b"5"), ended=False)
    assert head.block.forward == b"Host: app.example\r\nContent-Length: 5\r\n"


def test_host_alone_is_taken() -> None:
    """RFC 9113, 8.3.1: from HTTP/1.1 by way of HAProxy or nghttpx."""
    assert read(*GET[:3], (b"host", b"x.example")).block.host == b"x.example"


def test_priority_passes() -> None:
    """RFC 9218, 5."""
    assert b"priority: u=1, i\r\n" in read(*GET, (b"priority", b"u=1, i")).block.forward


def test_a_websocket_is_an_upgrade() -> None:
    """RFC 8441, 5: without the key, which is for whoever forwards it to make."""
    method = (b":method", b"CONNECT")
    fields = (method, (b":protocol", b"websocket"), *GET[1:], (b"sec-websocket-version", b"13"))
    head = read(*fields, (b"sec-websocket-key", b"x"), ended=False)
    assert head.upgrade
    assert head.method == b"GET"
    assert head.block.forward == b"Host: app.example\r\nsec-websocket-version: 13\r\n"
    assert rejected(*fields, ended=True) == 400
    assert rejected(*fields, (b"content-length", b"1"), ended=False) == 400
    assert rejected(method, (b":protocol", b"connect-udp"), *GET[1:], ended=False) == 501
    assert rejected(GET[0], (b":protocol", b"websocket"), *GET[1:], ended=False) == 400


AUTHORITY = GET[3]
MALFORMED: dict[str, tuple[Fields, int]] = {
    "8.2.1 upper case": ((*GET, (b"X-A", b"b")), 400),
    "8.2.1 space in a name": ((*GET, (b"x a", b"b")), 400),
    "8.2.1 colon in a name": ((*GET, (b"x:", b"b")), 400),
    "8.2.1 no name": ((*GET, (b"", b"b")), 400),
    "8.2.1 line end in a name": ((*GET, (b"x\r\ny", b"b")), 400),
    "8.2.1 CR": ((*GET, (b"x", b"a\rb")), 400),
    "8.2.1 LF": ((*GET, (b"x", b"a\nb")), 400),
    "8.2.1 NUL": ((*GET, (b"x", b"a\0b")), 400),
    "9110 5.5 control": ((*GET, (b"x", b"a\x01b")), 400),
    "8.2.1 space in front": ((*GET, (b"x", b" a")), 400),
    "8.2.1 tab behind": ((*GET, (b"x", b"a\t")), 400),
    "8.2.1 line end in the path": ((*GET[:2], (b":path", b"/ HTTP/1.1\r\nx: y"), AUTHORITY), 400),
    "8.2.1 line end in the authority": ((*GET[:3], (b":authority", b"a\r\nx: y")), 400),
    "8.3 pseudo behind a field": ((*GET[:3], (b"x", b"y"), AUTHORITY), 400),
    "8.3 pseudo twice": ((*GET, AUTHORITY), 400),
    "8.3 unknown pseudo": ((*GET, (b":x", b"y")), 400),
    "8.3 status in a request": ((*GET, (b":status", b"200")), 400),
    "8.3.1 no method": (GET[1:], 400),
    "8.3.1 no scheme": ((GET[0], *GET[2:]), 400),
    "8.3.1 no path": ((*GET[:2], AUTHORITY), 400),
    "8.3.1 an empty path": ((*GET[:2], (b":path", b""), AUTHORITY), 400),
    "8.3.1 no slash": ((*GET[:2], (b":path", b"x"), AUTHORITY), 400),
    "8.3.1 an absolute path": ((*GET[:2], (b":path", b"https://app.example/"), AUTHORITY), 400),
    "8.3.1 star for GET": ((*GET[:2], (b":path", b"*"), AUTHORITY), 400),
    "8.3.1 space in the path": ((*GET[:2], (b":path", b"/a b"), AUTHORITY), 400),
    "8.3.1 fragment": ((*GET[:2], (b":path", b"/#a"), AUTHORITY), 400),
    "8.3.1 raw bytes in the path": ((*GET[:2], (b":path", b"/\xc3\xa4"), AUTHORITY), 400),
    "8.3.1 plain http": ((GET[0], (b":scheme", b"http"), *GET[2:]), 400),
    "8.3.1 method with a space": (((b":method", b"GET /"), *GET[1:]), 400),
    "8.3.1 no authority": (GET[:3], 400),
    "8.3.1 an empty authority": ((*GET[:3], (b":authority", b"")), 400),
    "8.3.1 userinfo": ((*GET[:3], (b":authority", b"a@app.example")), 400),
    "8.3.1 two hosts": ((*GET[:3], (b"host", b"a"), (b"host", b"a")), 400),
    "8.3.1 another host": ((*GET, (b"host", b"other.example")), 400),
    "8.3.1 the host in other letters": ((*GET, (b"host", b"App.example")), 400),
    "8.5 CONNECT": (((b":method", b"CONNECT"), AUTHORITY), 501),
    "8.5 CONNECT with a path": (((b":method", b"CONNECT"), *GET[1:]), 501),
    "TRACE": (((b":method", b"TRACE"), *GET[1:]), 501),
    "8441 4 a protocol without CONNECT": ((*GET, (b":protocol", b"websocket")), 400),
    "8.2.2 connection": ((*GET, (b"connection", b"close")), 400),
    "8.2.2 keep-alive": ((*GET, (b"keep-alive", b"1")), 400),
    "8.2.2 proxy-connection": ((*GET, (b"proxy-connection", b"close")), 400),
    "8.2.2 transfer-encoding": ((*GET, (b"transfer-encoding", b"chunked")), 400),
    "8.2.2 upgrade": ((*GET, (b"upgrade", b"websocket")), 400),
    "8.2.2 te": ((*GET, (b"te", b"gzip")), 400),
    "8.1.1 a length and no body": ((*POST, (b"content-length", b"1")), 400),
    "8.1.1 two lengths": ((*POST, (b"content-length", b"0"), (b"content-length", b"0")), 400),
    "8.1.1 a signed length": ((*POST, (b"content-length", b"+0")), 400),
    "9110 10.1.1 expectation": ((*GET, (b"expect", b"tea")), 417),
    "count": ((*GET, *((b"x", b"y"),) * 101), 431),
    "size": ((*GET, (b"x", b"y" * 33000)), 431),
    "size by overhead": ((*GET, *((b"cookie", b""),) * 256, *((b"x", b"y" * 290),) * 80), 431),
    "line": ((*GET[:2], (b":path", b"/" + b"a" * 9000), AUTHORITY), 414),
}


@pytest.mark.parametrize(("fields", "status"), MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_request_is_rejected(fields: Fields, status: int) -> None:
    """RFC 9113, 8.1.1; by sections."""
    assert rejected(*fields) == status


def test_a_rejected_request_is_told_for_the_log_in_visible_characters() -> None:
    """And so that a browser gets a page."""
    fields = (*GET[:2], (b":path", b"/a\r\nb\xff"), AUTHORITY, (b"accept", b"text/html"))
    head, _ = BlockReader(RequestReader(HeadLimits())).read(EMPTY, block(*fields), ended=True, cache=True)
    assert isinstance(head, RejectedRequest)
    assert head.head.block.get(b"accept") == b"text/html"
    assert re.fullmatch(rb"[ -~]*", head.head.method + head.head.target)


def test_a_table_lives_on_after_a_rejected_request() -> None:
    """Later blocks refer to what it inserted (RFC 9113, 10.5.1)."""
    encoder, reader = hpack.Encoder(), BlockReader(RequestReader(HeadLimits()))
    first, table = reader.read(EMPTY, encoder.encode([*GET, (b"X", b"y")]), ended=True, cache=True)
    assert isinstance(first, RejectedRequest)
    second, _ = reader.read(table, encoder.encode([*GET, (b"x-b", b"y")]), ended=True, cache=True)
    assert isinstance(second, RequestHead)


def test_cached_sections_keep_authority_and_end_apart() -> None:
    """The same bytes mean something else with another authority, or where a body follows."""
    reader = BlockReader(RequestReader(HeadLimits()))

    def ask(*fields: tuple[bytes, bytes], ended: bool = True) -> RequestHead | RejectedRequest:
        return reader.read(EMPTY, block(*fields), ended=ended, cache=True)[0]

    rest = (b"host", b"a.example")
    first = ask(*GET[:3], rest)
    assert isinstance(first, RequestHead)
    assert isinstance(ask(*GET[:3], (b":authority", b""), rest), RejectedRequest)
    assert isinstance(ask(*GET, rest), RejectedRequest)
    with_body = ask((b":method", b"POST"), *GET[1:3], rest, ended=False)
    assert isinstance(with_body, RequestHead)
    assert b"chunked" in with_body.block.forward
    again = ask(*GET[:3], rest)
    assert again is first


def test_cached_sections_keep_tunnels_apart() -> None:
    """RFC 8441, 5: the same fields mean something else where a protocol is named."""
    reader = BlockReader(RequestReader(HeadLimits()))
    tunnel = block((b":method", b"CONNECT"), (b":protocol", b"websocket"), *GET[1:], (b"sec-websocket-key", b"x"))
    request = block(*POST, (b"sec-websocket-key", b"x"))
    for data, upgrade in ((tunnel, True), (request, False), (tunnel, True)):
        reader._blocks.clear()
        head, _ = reader.read(EMPTY, data, ended=False, cache=True)
        assert isinstance(head, RequestHead)
        assert bool(head.upgrade) == upgrade
        assert (b"sec-websocket-key" in head.block.forward) != upgrade


def test_strangers_leave_nothing_behind() -> None:
    """Only admitted visitors may fill the caches."""
    reader = BlockReader(RequestReader(HeadLimits()))
    reader.read(EMPTY, block(*GET, (b"x", b"y")), ended=True, cache=False)
    assert not reader._blocks
    assert not reader._sections
    assert not reader._around
    assert not reader._paths
    assert not reader._fields


STRIPPED = frozenset({b"x-device"})
HOSTILE_NAMES = [
    *(b"client-cert", b"client_cert", b"client.cert", b"remote-user", b"remote_user", b"x-ssl-client-verify"),
    *(b"x_ssl_client_verify", b"x-forwarded-for", b"forwarded", b"x-device", b"x_device", b"x!device", b"gatekeeper-a"),
]
PIECES = st.sampled_from(
    [
        *HOSTILE_NAMES,
        *(name.upper() for name in HOSTILE_NAMES),
        *(b"\r\n", b": ", b" ", b"\0", b"cookie", b"host", b"x", b"content-length", b"transfer-encoding", b":path"),
        *(b"5", b"chunked", b"te", b"trailers", b"\t", b"app.example"),
    ]
)
TEXTS = st.one_of(PIECES, st.lists(PIECES, max_size=3).map(b"".join), st.binary(max_size=6))
SOME = st.lists(st.one_of(st.sampled_from(GET), st.tuples(TEXTS, TEXTS)), max_size=6)


@seed(5)
@settings(max_examples=600, deadline=None)
@given(SOME, st.booleans(), st.booleans(), st.booleans())
def test_what_comes_out_is_one_request_or_nothing(
    extra: list[tuple[bytes, bytes]], normal: bool, ended: bool, cache: bool
) -> None:
    """h11 reads the head as one request, and nobody sets what only the gate may say."""
    fields = [*GET, *extra] if normal else extra
    reader = BlockReader(RequestReader(HeadLimits(), STRIPPED))
    head, _ = reader.read(EMPTY, hpack.Encoder().encode(fields), ended=ended, cache=cache)
    if isinstance(head, RejectedRequest):
        return
    text = b"%b %b HTTP/1.1\r\n%b%b\r\n" % (head.method, head.target, head.block.forward, head.cookie)
    peer = h11.Connection(h11.SERVER)
    peer.receive_data(text)
    event = peer.next_event()
    assert isinstance(event, h11.Request)
    assert peer.trailing_data[0] == b""
    names = {re.sub(rb"[^0-9a-z]", b"-", name.lower()) for name, _ in event.headers}
    assert names.isdisjoint(re.sub(rb"[^0-9a-z]", b"-", name) for name in HOSTILE_NAMES)
    assert [name for name, _ in event.headers].count(b"host") == 1
    if head.wire_head:
        assert head.wire_head.startswith(b"%b %b HTTP/1.1\r\nHost: " % (head.method, head.target))


NAMES = st.sampled_from([b"accept", b"cookie", b"te", b"x-a", b"content-length", b"host", b"expect", b"user-agent"])
VALUES = st.sampled_from([b"1", b"0", b"trailers", b"app.example", b"100-continue", b"a=1", b"session=0123456789"])
LIMITS = st.sampled_from([HeadLimits(), HeadLimits(head=700), HeadLimits(line=40), HeadLimits(count=4)])
LISTS = st.lists(
    st.tuples(
        st.sampled_from([b"GET", b"POST"]),
        st.sampled_from([b"/", b"/other", b"/" + b"x" * 300]),
        st.lists(st.tuples(NAMES, VALUES), max_size=6),
        st.lists(st.binary(min_size=1, max_size=40).map(lambda value: value.hex().encode()), max_size=3),
        st.sampled_from([b"app.example", b"other.example"]),
        st.booleans(),
    ),
    min_size=1,
    max_size=8,
)


def told(read: RequestHead | RejectedRequest) -> tuple[object, ...]:
    """What the app would get: its lines, in any order, for a cookie that was read apart stands behind the others."""
    if isinstance(read, RejectedRequest):
        return ("rejected",)  # where two rules are broken, either may be named
    lines = read.wire_head or read.block.forward + read.block.forwarded_host + read.cookie
    return read.method, read.target, sorted(lines.removeprefix(b"GET %b HTTP/1.1\r\n" % read.target).split(b"\r\n"))


@seed(1)
@settings(max_examples=300)
@given(LISTS, LIMITS)
def test_what_is_cached_is_what_would_be_read(
    requests: list[tuple[bytes, bytes, list[tuple[bytes, bytes]], list[bytes], bytes, bool]], limits: HeadLimits
) -> None:
    """One table after the other, as python-hyper's encoder leads to them, read by a reader that caches and by one that
    does not.
    """
    encoder, caching = hpack.Encoder(), BlockReader(RequestReader(limits))
    tables = EMPTY, EMPTY
    for method, path, fields, cookies, authority, ended in requests:
        every = [(b":method", method), *GET[1:2], (b":path", path), (b":authority", authority), *fields]
        data = encoder.encode([*every, *((b"cookie", b"id=" + cookie) for cookie in cookies)])
        cached, one = caching.read(tables[0], data, ended=ended, cache=True)
        fresh, other = BlockReader(RequestReader(limits)).read(tables[1], data, ended=ended, cache=False)
        tables = one, other
        assert told(cached) == told(fresh)


def test_a_new_cookie_is_read_apart_and_not_kept() -> None:
    """What it is joined with is known, apart for each host; a block that nobody sends again takes no place from one
    that comes again.
    """
    encoder, reader = hpack.Encoder(), BlockReader(RequestReader(HeadLimits()))
    table = EMPTY
    for number, host in enumerate((b"a.example", b"b.example", b"a.example", b"b.example")):
        fields = [*GET[:3], (b":authority", host), (b"accept", b"*/*"), (b"cookie", b"id=%d" % number)]
        head, table = reader.read(table, encoder.encode(fields), ended=True, cache=True)
        assert isinstance(head, RequestHead)
        assert head.block.host == host
        assert head.cookie == b"Cookie: id=%d\r\n" % number
        assert head.wire_head.endswith(b"\r\nX-Forwarded-Host: %b\r\nCookie: id=%d\r\n" % (host, number))
    assert len(reader._blocks) == 0
    assert len(reader._sections) == 2
