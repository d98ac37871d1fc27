"""Elements of DER and BER, byte by byte."""

import pytest

from gatekeeper.x509.der import (
    DERError,
    Element,
    boolean,
    children,
    content,
    dotted,
    element,
    elements,
    encode,
    integer,
    only,
    raw,
)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\x0c\x01a", Element(0x0C, 0, 2, 3, 3)),
        (b"\x0c\x81\x01a", Element(0x0C, 0, 3, 4, 4)),
        (b"\x0c\x84\0\0\0\x01a", Element(0x0C, 0, 6, 7, 7)),
        (b"\x30\x80\x0c\x01a\0\0", Element(0x30, 0, 2, 5, 7)),
        (b"\x30\x80\x30\x80\0\0\0\0", Element(0x30, 0, 2, 6, 8)),
        (b"\x9f\x81\x01\x01a", Element(0x9F8101, 0, 4, 5, 5)),
    ],
)
def test_lengths_and_tags_of_ber(data: bytes, expected: Element) -> None:
    """X.690, 8.1: longer than need be, without one, and tags of several octets."""
    assert element(data, 0, len(data)) == expected
    assert raw(data, expected) == data


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x0c",
        b"\x0c\x02a",
        b"\x0c\x81",
        b"\x0c\x82\x01",
        b"\x0c\x84\xff\xff\xff\xffa",
        b"\x0c\x80a\0\0",
        b"\x30\x80",
        b"\x30\x80\0",
        b"\x30\x80\x0c\x01a",
        b"\x9f\xff\xff\xff\xff\xff\xff\x01\x01a",
        b"\x9f\x81",
        b"\x30\x80" * 100 + b"\0\0" * 100,
    ],
)
def test_what_is_cut_off_or_endless(data: bytes) -> None:
    """One error, and no deep recursion."""
    with pytest.raises(DERError):
        element(data, 0, len(data))


def test_an_element_ends_within_its_parent() -> None:
    """What is longer than its frame would be read from somebody else's bytes."""
    data = b"\x30\x03\x0c\x02ab"
    with pytest.raises(DERError, match="longer"):
        children(data, element(data, 0, 5))


def test_a_string_in_pieces() -> None:
    """X.690, 8.7.3, and no deeper than a string can be meant."""
    data = b"\x2c\x80\x0c\x01a\x2c\x03\x0c\x01b\0\0"
    assert content(data, element(data, 0, len(data))) == b"ab"
    for _ in range(40):
        data = encode(0x2C, data)
    with pytest.raises(DERError, match="nested"):
        content(data, element(data, 0, len(data)))


def test_numbers_truths_and_names() -> None:
    """X.690, 8.2, 8.3 and 8.19."""
    assert [integer(b"\x02\x01\xff", one) for one in elements(b"\x02\x01\xff", 0, 3)] == [-1]
    assert [boolean(data, element(data, 0, 3)) for data in (b"\x01\x01\0", b"\x01\x01\x01")] == [False, True]
    assert [dotted(oid) for oid in (b"\x55\x04\x03", b"\x2a\x86\x48", b"\x88\x37")] == ["2.5.4.3", "1.2.840", "2.999"]
    for wrong in (b"", b"\x81"):
        with pytest.raises(DERError):
            dotted(wrong)
    for data in (b"\x02\x00", b"\x03\x01\x01"):
        with pytest.raises(DERError):
            integer(data, element(data, 0, len(data)))


def test_only_what_is_whole() -> None:
    """Nothing may stand behind it, and it must be of the kind that is asked for."""
    assert only(b"\x30\x00") == []
    for data in (b"\x30\x00\x00", b"\x31\x00"):
        with pytest.raises(DERError):
            only(data)


@pytest.mark.parametrize("size", [0, 127, 128, 255, 256, 70000])
def test_what_is_written_can_be_read(size: int) -> None:
    """The shortest length that holds it (X.690, 10.1)."""
    data = encode(0x04, b"x" * size)
    one = element(data, 0, len(data))
    assert (one.tag, one.stop - one.start, one.end) == (0x04, size, len(data))
