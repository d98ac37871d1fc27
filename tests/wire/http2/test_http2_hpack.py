"""HPACK: the examples of RFC 7541, appendix C, and python-hyper's hpack as the other opinion."""

import hpack
import pytest
from hpack.huffman_constants import REQUEST_CODES_LENGTH
from hpack.table import HeaderTable
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from gatekeeper.errors import HTTP2Error
from gatekeeper.wire.http2 import huffman
from gatekeeper.wire.http2.encode import encode_integer
from gatekeeper.wire.http2.fields import KnownFields
from gatekeeper.wire.http2.frames import ErrorCode
from gatekeeper.wire.http2.hpack import EMPTY, STATIC_FIELDS, Table, decode, find_path, read_integer

Fields = list[tuple[bytes, bytes]]


def read(table: Table, block: bytes) -> tuple[Fields, Table]:
    fields, table = decode(table, block)
    return [(field.name, field.value) for field in fields], table


def dynamic(table: Table) -> Fields:
    return [(field.name, field.value) for field in table.fields]


FIRST = [(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"www.example.com")]
SECOND = [*FIRST, (b"cache-control", b"no-cache")]
THIRD = [
    (b":method", b"GET"),
    (b":scheme", b"https"),
    (b":path", b"/index.html"),
    (b":authority", b"www.example.com"),
    (b"custom-key", b"custom-value"),
]
REQUESTS = {
    "C.3": (
        "828684410f7777772e6578616d706c652e636f6d",
        "828684be58086e6f2d6361636865",
        "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
    ),
    "C.4": (
        "828684418cf1e3c2e5f23a6ba0ab90f4ff",
        "828684be5886a8eb10649cbf",
        "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
    ),
}


@pytest.mark.parametrize("section", REQUESTS)
def test_the_requests_of_the_rfc_are_read(section: str) -> None:
    """RFC 7541, C.3 without and C.4 with the Huffman code: fields and tables."""
    table = EMPTY
    for block, fields in zip(REQUESTS[section], [FIRST, SECOND, THIRD], strict=True):
        found, table = read(table, bytes.fromhex(block))
        assert found == fields
    assert dynamic(table) == [
        (b"custom-key", b"custom-value"),
        (b"cache-control", b"no-cache"),
        (b":authority", b"www.example.com"),
    ]
    assert table.size == 164


RESPONSES = {
    "C.5": [
        "4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d546e1768747470733a2f2f"
        "7777772e6578616d706c652e636f6d",
        "4803333037c1c0bf",
        "88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153444a4b48514b42"
        "5a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31",
    ],
    "C.6": [
        "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3",
        "4883640effc1c0bf",
        "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af270"
        "87f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
    ],
}


@pytest.mark.parametrize("section", RESPONSES)
def test_the_responses_of_the_rfc_are_read_with_evictions(section: str) -> None:
    """RFC 7541, C.5 and C.6: the table holds 256 bytes only."""
    table = Table((), 0, 256)
    for block in RESPONSES[section]:
        found, table = read(table, bytes.fromhex(block))
    date = b"Mon, 21 Oct 2013 20:13:22 GMT"
    cookie = b"foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"
    assert found == [
        (b":status", b"200"),
        (b"cache-control", b"private"),
        (b"date", date),
        (b"location", b"https://www.example.com"),
        (b"content-encoding", b"gzip"),
        (b"set-cookie", cookie),
    ]
    assert dynamic(table) == [(b"set-cookie", cookie), (b"content-encoding", b"gzip"), (b"date", date)]
    assert table.size == 215


@pytest.mark.parametrize(("block", "value", "mask"), [("0a", 10, 31), ("1f9a0a", 1337, 31), ("2a", 42, 255)])
def test_the_integers_of_the_rfc(block: str, value: int, mask: int) -> None:
    """RFC 7541, C.1, both ways."""
    assert read_integer(bytes.fromhex(block), 0, mask) == (value, len(block) // 2)
    assert encode_integer(value, mask, 0) == bytes.fromhex(block)


def test_the_static_table_and_the_huffman_code_are_those_of_the_rfc() -> None:
    """RFC 7541, appendices A and B, as hpack has them."""
    assert [(field.name, field.value) for field in STATIC_FIELDS[1:]] == list(HeaderTable.STATIC_TABLE)
    assert list(huffman.LENGTHS) == REQUEST_CODES_LENGTH


BROKEN = {
    "index 0": "80",
    "an index behind the tables": "be",
    "a name's index behind the tables": "7e01" + "61",
    "an endless integer": "ff" + "ff" * 5 + "01",
    "an integer without its end": "ff80",
    "a string behind the block": "40056162",
    "a literal without its value": "400161",
    "a resize behind a field": "8220",
    "a table of more than 4,096 bytes": "3fe21f",
    "padding that is not all ones": "0085" + "a8eb10649c" + "00",
    "eight bits of padding": "0082" + "1fff" + "00",
    "EOS in a string": "0084" + "ffffffff" + "00",
}


@pytest.mark.parametrize("block", BROKEN.values(), ids=BROKEN)
def test_a_broken_block_is_a_compression_error(block: str) -> None:
    """RFC 9113, 4.3."""
    with pytest.raises(HTTP2Error) as caught:
        decode(EMPTY, bytes.fromhex(block))
    assert caught.value.code == ErrorCode.COMPRESSION_ERROR


def test_a_table_of_another_connection_does_not_change() -> None:
    """Tables are shared: reading makes another one."""
    _, table = read(EMPTY, bytes.fromhex("4001610162"))
    assert dynamic(table) == [(b"a", b"b")]
    read(table, bytes.fromhex("20"))
    read(table, bytes.fromhex("4001630164"))
    assert (dynamic(table), dynamic(EMPTY)) == ([(b"a", b"b")], [])


def test_an_entry_larger_than_the_table_empties_it() -> None:
    """RFC 7541, 4.4."""
    _, table = read(EMPTY, bytes.fromhex("4001610162"))
    found, table = read(table, b"\x40\x01c\x7f\xa1\x1f" + b"v" * 4128)
    assert (len(found), dynamic(table), table.size) == (1, [], 0)


PATHS = {
    "without indexing": ("82 87 04 01 61 be", (3, 5)),
    "never indexed": ("14 02 61 62", (1, 4)),
    "Huffman": ("82 04 83 60 75 99", (2, 6)),
    "by index": ("82 87 84", (0, 0)),
    "into the table": ("82 44 01 61", (0, 0)),
    "by a name of its own": ("82 00 05 3a 70 61 74 68 01 61", (0, 0)),
    "another field": ("82 0f 01 01 61", (0, 0)),
    "behind a literal": ("01 01 61 04 01 61", (0, 0)),
    "behind a size": ("20 82 04 01 61", (0, 0)),
    "behind an index of two bytes": ("ff 00 04 01 61", (0, 0)),
    "a long one": ("04 7f 00" + "61" * 127, (0, 0)),
    "a longer one than there is": ("82 04 02 61", (0, 0)),
    "no length": ("82 04", (0, 0)),
    "nothing": ("", (0, 0)),
}


@pytest.mark.parametrize(("block", "found"), PATHS.values(), ids=PATHS)
def test_a_path_is_found_where_it_goes_into_no_table(block: str, found: tuple[int, int]) -> None:
    """RFC 7541, 6.2.2 and 6.2.3; only where nothing but whole references precede it."""
    assert find_path(bytes.fromhex(block)) == found


def test_known_fields_are_one_object() -> None:
    """Wherever they come from; but not those of which each is new."""
    known = KnownFields()
    first, table = decode(EMPTY, b"\x40\x01a\x01b", known)
    second, _ = decode(EMPTY, b"\x00\x01a\x01b", known)
    third, _ = decode(table, b"\xbe", known)
    assert first[0] is second[0] is third[0]
    for literal in (b"\x00\x06cookie\x01a", b"\x04\x02/a", b"\x00\x01A\x01b", b"\x00\x01a\x7f\x81\x03" + b"b" * 512):
        one, two = (decode(EMPTY, literal, known)[0][0] for _ in range(2))
        assert one is not two
        assert (one.name, one.value, one.kind) == (two.name, two.value, two.kind)
    assert list(known) == [(b"a", b"b")]


def test_a_known_literal_is_found_by_its_bytes() -> None:
    """And does to the table what its first bits say (RFC 7541, 6.2.1 to 6.2.3)."""
    known = KnownFields()
    for first, entries in ((0x40, 1), (0x00, 0), (0x10, 0)):
        block = bytes((first,)) + b"\x01a\x01b"
        (read_once,), _ = decode(EMPTY, block, known)
        assert known.literals[block] is read_once
        (found,), table = decode(EMPTY, block, known)
        assert found is read_once
        assert len(table.fields) == entries


def test_a_literal_with_a_name_of_the_dynamic_table_is_not_found_by_its_bytes() -> None:
    """They mean something else under another table."""
    known = KnownFields()
    for name in (b"a", b"c"):
        _, table = decode(EMPTY, b"\x40\x01" + name + b"\x01b", known)
        (field,), _ = decode(table, b"\x0f\x2f\x01x", known)
        assert (field.name, field.value) == (name, b"x")
        assert b"\x0f\x2f\x01x" not in known.literals


@pytest.mark.parametrize("cut", range(1, 5))
def test_a_known_literal_that_is_cut_is_an_error(cut: int) -> None:
    """RFC 9113, 4.3."""
    known = KnownFields()
    block = b"\x40\x01a\x01b"
    decode(EMPTY, block, known)
    with pytest.raises(HTTP2Error, match="HPACK"):
        decode(EMPTY, block[:cut], known)


NAMES = st.sampled_from([b":path", b"cookie", b"accept", b"x-a", b"x-" + b"n" * 200, b"content-length"])
VALUES = st.one_of(st.binary(max_size=40), st.sampled_from([b"", b"gzip, deflate", b"v" * 3000]))
LISTS = st.lists(st.tuples(NAMES, VALUES), max_size=12)


@seed(1)
@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(LISTS, st.booleans(), st.one_of(st.none(), st.integers(0, 4096))), max_size=8))
def test_whatever_hpack_encodes_is_read_as_hpack_reads_it(blocks: list[tuple[Fields, bool, int | None]]) -> None:
    """Blocks of one connection, with tables that grow and shrink."""
    encoder, table = hpack.Encoder(), EMPTY
    for fields, with_huffman, size in blocks:
        if size is not None:
            encoder.header_table_size = size
        block = encoder.encode(fields, huffman=with_huffman)
        found, table = read(table, block)
        assert found == fields
        assert dynamic(table) == list(encoder.header_table.dynamic_entries)


@seed(2)
@settings(max_examples=400, deadline=None)
@given(LISTS, st.data())
def test_mutated_blocks_are_read_as_hpack_reads_them_or_not_at_all(fields: Fields, data: st.DataObject) -> None:
    """What one takes and the other rejects is smuggling in waiting."""
    encoder = hpack.Encoder()
    block = bytearray(encoder.encode(fields, huffman=data.draw(st.booleans())))
    known = KnownFields()
    decode(EMPTY, bytes(block), known)
    for _ in range(data.draw(st.integers(1, 3))):
        if block:
            block[data.draw(st.integers(0, len(block) - 1))] = data.draw(st.integers(0, 255))
    try:
        expected: Fields | None = [tuple(field) for field in hpack.Decoder(2**30).decode(bytes(block), raw=True)]  # type: ignore[misc]
    except hpack.HPACKError:
        expected = None
    try:
        found: Fields | None = read(EMPTY, bytes(block))[0]
    except HTTP2Error:
        found = None
    if found is not None:
        assert found == expected
    try:
        again: Fields | None = [(field.name, field.value) for field in decode(EMPTY, bytes(block), known)[0]]
    except HTTP2Error:
        again = None
    assert again == found
