"""Where bodies end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeeper.errors import MessageError
from gatekeeper.wire.framing import (
    MAX_EXTENSION_BYTES,
    MAX_LINE,
    MAX_TRAILER_BYTES,
    Body,
    ChunkedBody,
    LengthBody,
    UntilCloseBody,
    chunk,
    last_chunk,
)
from gatekeeper.wire.rules import MessageRule


def feed_each(body: Body, pieces: list[bytes]) -> tuple[bytes, bytes | None]:
    """All content, and what is behind the body; what comes after its end goes there."""
    content, behind = b"", None
    for piece in pieces:
        if behind is None:
            got, behind = body.feed(piece)
            content += got
        else:
            behind += piece
    return content, behind


def broken(data: bytes) -> str:
    with pytest.raises(MessageError) as caught:
        ChunkedBody().feed(data)
    return caught.value.detail


def test_a_length_is_counted() -> None:
    """Up to the byte, over any number of reads."""
    body = LengthBody(5)
    assert body.feed(b"") == (b"", None)
    assert body.feed(b"he") == (b"he", None)
    assert body.feed(b"lloGET") == (b"llo", b"GET")


def test_a_length_that_ends_with_a_read_leaves_nothing() -> None:
    """b"" behind the body is not the same as None."""
    assert LengthBody(5).feed(b"hello") == (b"hello", b"")


def test_a_body_until_the_end_never_ends_by_itself() -> None:
    """Whoever reads the connection knows when."""
    assert UntilCloseBody().feed(b"0\r\n\r\n") == (b"0\r\n\r\n", None)


def test_chunks_are_taken_apart() -> None:
    """Sizes in either case and with zeros before, content with anything in it, the rest untouched."""
    body = ChunkedBody()
    assert body.feed(b"00a\r\n0123\r\n6789\r\nB;x=y\r\n0\r\n\r\nabcdef\r\n0\r\n\r\nGET") == (
        b"0123\r\n67890\r\n\r\nabcdef",
        b"GET",
    )
    assert body.trailers == b""


def test_trailers_are_kept_as_far_as_they_may_pass() -> None:
    """As lines, ready to be written."""
    body = ChunkedBody(frozenset({b"x-device"}))
    body.feed(b"0\r\nX-Sum:  1 \r\nContent-Length: 5\r\nx_y: 1\r\nX.Device: 1\r\nZ:\r\n\r\n")
    assert body.trailers == b"X-Sum: 1\r\nZ: \r\n"


@pytest.mark.parametrize(
    "size", [b"", b"+5", b"-1", b" 5", b"5 ", b"5\t", b"0x5", b"5g", b"5_0", b"f" * 16, b"5 ;a", b";"]
)
def test_a_size_is_hexadecimal_digits(size: bytes) -> None:
    """Nothing else, though int(size, 16) would take half of these."""
    assert broken(size + b"\r\nhello\r\n") == MessageRule.CHUNK_SIZE.sentence


@pytest.mark.parametrize(
    "data",
    [
        b"5\nhello\r\n",
        b"\n",
        b"\n\r",
        b"5\r\nhello\n",
        b"5\r\nhell\r\n0\r\n\r\n",  # the CR is content, and a bare LF follows
        b"5\r\nhelloX",
        b"5\r\nhello!\r\n",
        b"5\r\nhello\rX",
        b"0\r\n\n",
    ],
)
def test_lines_end_in_crlf_and_chunks_where_they_say(data: bytes) -> None:
    """One byte more or less is another message."""
    assert broken(data) == MessageRule.CHUNK_END.sentence


@pytest.mark.parametrize(
    ("data", "rule"), [(b"5\rX", MessageRule.CHUNK_SIZE), (b"0\r\nX: a\rb", MessageRule.FIELD_LINE)]
)
def test_a_bare_cr_is_refused_before_its_line_ends(data: bytes, rule: MessageRule) -> None:
    """No byte that may follow can mend it."""
    assert broken(data) == rule.sentence


def test_extensions_are_bounded_in_one_line_and_in_all() -> None:
    """CVE-2023-39326: they keep a server busy and carry nothing."""
    assert broken(b"1;" + b"a" * MAX_LINE + b"\r\n") == MessageRule.CHUNK_EXTENSIONS.sentence
    assert broken(b"1;" + b"a" * MAX_LINE) == MessageRule.CHUNK_EXTENSIONS.sentence
    one = b"1;" + b"a" * 99 + b"\r\nx\r\n"
    fitting = MAX_EXTENSION_BYTES // 100
    assert ChunkedBody().feed(one * fitting) == (b"x" * fitting, None)
    assert broken(one * (fitting + 1)) == MessageRule.CHUNK_EXTENSIONS.sentence


def test_trailers_are_bounded() -> None:
    """In one line and in all."""
    assert broken(b"0\r\nX: " + b"a" * MAX_LINE) == MessageRule.TRAILERS_TOO_LARGE.sentence
    line = b"X: " + b"a" * 95 + b"\r\n"
    fitting = MAX_TRAILER_BYTES // 100
    assert ChunkedBody().feed(b"0\r\n" + line * fitting) == (b"", None)
    assert broken(b"0\r\n" + line * (fitting + 1)) == MessageRule.TRAILERS_TOO_LARGE.sentence


def test_an_empty_chunk_is_not_written() -> None:
    """It would end the body."""
    assert chunk(b"") == b""
    assert chunk(b"x" * 26) == b"1a\r\n" + b"x" * 26 + b"\r\n"
    assert last_chunk(b"X: y\r\n") == b"0\r\nX: y\r\n\r\n"


@st.composite
def chunked_and_cuts(draw: st.DrawFn) -> tuple[list[bytes], list[bytes]]:
    """Contents of chunks, and their encoding cut somewhere."""
    contents = draw(st.lists(st.binary(min_size=1, max_size=20), max_size=5))
    encoded = b"".join(map(chunk, contents)) + last_chunk(b"X: y\r\n") + b"behind"
    cuts = sorted(draw(st.lists(st.integers(0, len(encoded)), max_size=8)))
    return contents, [encoded[start:end] for start, end in zip([0, *cuts], [*cuts, len(encoded)], strict=True)]


@given(chunked_and_cuts())
def test_how_a_body_is_split_makes_no_difference(case: tuple[list[bytes], list[bytes]]) -> None:
    """What `chunk` and `last_chunk` write is what `ChunkedBody` reads, in any pieces."""
    contents, pieces = case
    body = ChunkedBody()
    assert feed_each(body, pieces) == (b"".join(contents), b"behind")
    assert body.trailers == b"X: y\r\n"


@given(st.lists(st.binary(max_size=9)), st.integers(1, 40))
def test_a_length_never_takes_more_or_less(pieces: list[bytes], length: int) -> None:
    """Content and what is behind are what came, and the content is never longer than it should be."""
    content, behind = feed_each(LengthBody(length), pieces)
    assert content + (behind or b"") == b"".join(pieces)
    assert len(content) == length if behind is not None else len(content) < length


def test_a_lenient_reader_takes_a_bare_lf() -> None:
    """At the end of any line, however the body is cut; trailers are dropped, whatever they are."""
    sent = b"2\nok\r\n3 \r\nyes\n0\nno field\nX: y\n\nrest"
    for size in (1, 2, 5, len(sent)):
        body, content, rest = ChunkedBody(padded=True, lenient=True), b"", None
        for start in range(0, len(sent), size):
            piece, rest = body.feed(sent[start : start + size])
            content += piece
            if rest is not None:
                break
        assert content == b"okyes"
        assert rest == sent[len(sent) - 4 :][: len(rest or b"")]
        assert body.trailers == b""


@pytest.mark.parametrize("sent", [b"2\nok!\n", b"x\n", b"-1\n", b"0x2\n", b"\n2\nok", b"2\nok2\n"])
def test_a_lenient_reader_takes_no_other_size(sent: bytes) -> None:
    """What is no size, and content that does not end where its size says."""
    with pytest.raises(MessageError):
        ChunkedBody(padded=True, lenient=True).feed(sent)


@pytest.mark.parametrize(
    ("sent", "lacks_only_its_end"),
    [(b"", False), (b"2\r\nok\r\n", False), (b"0", False), (b"0\r\n", True), (b"0\r\n\r", True), (b"0\r\nX", False)],
)
def test_whether_only_the_end_of_a_body_is_missing(sent: bytes, lacks_only_its_end: bool) -> None:
    """Behind the last chunk, and not within a trailer."""
    body = ChunkedBody()
    body.feed(sent)
    assert body.lacks_only_its_end is lacks_only_its_end
