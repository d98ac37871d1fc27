"""Requests that differ from one before in their path alone: of those only the path is read and judged."""

import hpack
import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from gatekeeper.errors import HTTP2Error
from gatekeeper.wire.http2.hpack import EMPTY, Table
from gatekeeper.wire.http2.requests import CACHED_PATHS, BlockReader, RejectedRequest
from gatekeeper.wire.request import HeadLimits, RequestHead, RequestReader
from tests.corpus.reading import requests
from tests.wire.http2.peers import GET, block


def primed(*, limits: HeadLimits | None = None) -> tuple[BlockReader, hpack.Encoder, Table]:
    """A reader that has seen two requests of a connection, by which it knows all of the third but its path."""
    encoder, reader, table = hpack.Encoder(), BlockReader(RequestReader(limits or HeadLimits())), EMPTY
    for path in (b"/a", b"/b"):
        head, table = reader.read(table, with_path(encoder, path), ended=True, cache=True)
        assert isinstance(head, RequestHead)
    assert len(reader._around) == 1
    return reader, encoder, table


def with_path(encoder: hpack.Encoder, path: bytes, **options: bool) -> bytes:
    """As browsers send it: the path in no table, all else in one."""
    field = hpack.NeverIndexedHeaderTuple(b":path", path)
    data: bytes = encoder.encode([*GET[:2], GET[3], field, (b"accept", b"*/*"), (b"cookie", b"id=1")], **options)
    return data


def outcome(read: RequestHead | RejectedRequest) -> tuple[object, ...]:
    """All that a request leads to."""
    if isinstance(read, RejectedRequest):
        return read.error.status, read.error.detail, read.head.method, read.head.target
    return read.method, read.target, read.minor, read.wire_head, read.cookie, read.closes, read.block.forward


TARGETS = sorted(
    {request.sent.partition(b"\r\n")[0].partition(b" ")[2].rpartition(b" ")[0] for request in requests()}
    | {b"", b"*", b"x", b"/#", b"/ ", b"/\xff", b"/\0", b"/a\r\nb: c", b"//", b"/a HTTP/1.1", b"/" + b"x" * 124}
)


@pytest.mark.parametrize("huffman", [True, False])
@pytest.mark.parametrize("path", TARGETS)
def test_a_new_path_is_judged_as_in_a_request_of_its_own(path: bytes, huffman: bool) -> None:
    """Where everything else was judged before; with every target in the corpus of HTTP/1.1."""
    reader, encoder, table = primed()
    data = with_path(encoder, path, huffman=huffman)
    known, one = reader.read(table, data, ended=True, cache=True)
    fresh, other = BlockReader(RequestReader(HeadLimits())).read(table, data, ended=True, cache=True)
    assert outcome(known) == outcome(fresh)
    assert one is other is table


@pytest.mark.parametrize("path", [b"/known", b"/no#fragment", b"/\x80", b""])
def test_a_path_that_another_visitor_sent_is_judged_anew(path: bytes) -> None:
    """Its string is known by its bytes; the other visitor's cookie, and so the table, is another."""
    reader, encoder, table = primed()
    reader.read(table, with_path(encoder, path), ended=True, cache=True)
    other, table = hpack.Encoder(), EMPTY
    fields = [*GET[:2], GET[3], (b":path", b""), (b"accept", b"*/*"), (b"cookie", b"id=2")]
    for asked in (b"/a", b"/b", path):
        fields[3] = hpack.NeverIndexedHeaderTuple(b":path", asked)
        data = other.encode(fields)
        before = table
        found, table = reader.read(before, data, ended=True, cache=True)
    fresh, _ = BlockReader(RequestReader(HeadLimits())).read(before, data, ended=True, cache=True)
    assert outcome(found) == outcome(fresh)


def test_known_paths_stay_few() -> None:
    """Whatever an admitted visitor asks for."""
    reader, encoder, table = primed()
    for number in range(CACHED_PATHS + 2):
        reader.read(table, with_path(encoder, b"/%d" % number), ended=True, cache=True)
    assert len(reader._paths) <= CACHED_PATHS


@pytest.mark.parametrize("limits", [HeadLimits(line=40), HeadLimits(head=300)], ids=["line", "list"])
def test_a_new_path_is_held_to_the_limits(limits: HeadLimits) -> None:
    """To the byte as in a request of its own: RFC 9112, 3 and RFC 9113, 6.5.2."""
    reader, encoder, table = primed(limits=limits)
    statuses = set()
    for size in range(1, 100):
        data = with_path(encoder, b"/" * size)
        known, _ = reader.read(table, data, ended=True, cache=True)
        fresh, _ = BlockReader(RequestReader(limits)).read(table, data, ended=True, cache=True)
        assert outcome(known) == outcome(fresh)
        statuses.add(known.error.status if isinstance(known, RejectedRequest) else 200)
    assert len(statuses) == 2


@pytest.mark.parametrize("first", [b"*", b"/a"])
@pytest.mark.parametrize("second", [b"*", b"/b"])
def test_a_star_is_no_path(first: bytes, second: bytes) -> None:
    """RFC 9112, 3.2.4: it is for OPTIONS alone, and none of it is taken over from a path."""
    blocks = [block((b":path", path), (b":method", b"OPTIONS"), GET[1], GET[3]) for path in (first, second)]
    reader, fresh = (BlockReader(RequestReader(HeadLimits())) for _ in range(2))
    reader.read(EMPTY, blocks[0], ended=True, cache=True)
    known, _ = reader.read(EMPTY, blocks[1], ended=True, cache=True)
    assert outcome(known) == outcome(fresh.read(EMPTY, blocks[1], ended=True, cache=True)[0])


def test_only_the_path_may_differ() -> None:
    """Another table, another end or another field, and the block is read as a whole."""
    reader, encoder, table = primed()
    data = with_path(encoder, b"/c")
    grown = encoder.encode([*GET[:2], GET[3], (b":path", b"/d"), (b"accept", b"text/html")])
    _, after = reader.read(table, grown, ended=True, cache=True)
    head, _ = reader.read(table, data, ended=False, cache=True)
    assert isinstance(head, RequestHead)
    assert b"chunked" in head.block.forward
    head, _ = reader.read(after, data, ended=True, cache=True)
    assert isinstance(head, RejectedRequest)


@seed(2)
@settings(max_examples=400)
@given(
    st.integers(0, 60),
    st.integers(0, 3),
    st.one_of(
        st.binary(max_size=4), st.sampled_from([b"\x82", b"\x87", b"\x04\x01/", b"\x14\x02/a", b"\xbe", b"\xff"])
    ),
    st.booleans(),
)
def test_mutated_blocks_are_read_as_by_a_reader_that_knows_nothing(
    at: int, dropped: int, put: bytes, ended: bool
) -> None:
    """One edit in a block of which all but the path is known: the same request, the same refusal, the same error."""
    reader, encoder, table = primed()
    data = with_path(encoder, b"/other?query")
    data = data[:at] + put + data[at + dropped :]
    results: list[object] = []
    for one in (reader, BlockReader(RequestReader(HeadLimits()))):
        try:
            read, after = one.read(table, data, ended=ended, cache=True)
            results.append((outcome(read), [(field.name, field.value) for field in after.fields], after.limit))
        except HTTP2Error as error:
            results.append(error.code)
    assert results[0] == results[1]
