"""The Huffman code of HPACK (RFC 7541, 5.2 and appendix B), with python-hyper's hpack as the other opinion."""

import pytest
from hpack.exceptions import HPACKDecodingError
from hpack.huffman import HuffmanEncoder
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH
from hpack.huffman_table import decode_huffman
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from gatekeeper.errors import HTTP2Error
from gatekeeper.wire.http2.frames import ErrorCode
from gatekeeper.wire.http2.huffman import decode

ENCODER = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH)


def test_every_byte_has_a_code() -> None:
    """By itself, behind and before others: each state of the reader is left in each way."""
    for byte in range(256):
        text = bytes((byte, 0x61, byte, byte, 0xFF, byte))
        assert decode(ENCODER.encode(text)) == text
        assert decode(ENCODER.encode(bytes((byte,)))) == bytes((byte,))
    assert decode(b"") == b""


BROKEN = {
    "EOS": "ff ff ff ff",
    "EOS behind a text": "1f ff ff ff ff",
    "padding of eight bits": "1f ff",
    "padding with a zero": "18",
    "padding that is no beginning of EOS": "00",
    "a code that is cut off": "ff f0",
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_a_broken_text_is_a_compression_error(text: str) -> None:
    """RFC 7541, 5.2: EOS in it, and padding that is longer than seven bits or not the beginning of EOS."""
    with pytest.raises(HTTP2Error) as caught:
        decode(bytes.fromhex(text))
    assert caught.value.code == ErrorCode.COMPRESSION_ERROR


@seed(3)
@settings(max_examples=200)
@given(st.binary(max_size=80))
def test_whatever_hpack_encodes_is_read(text: bytes) -> None:
    """Any bytes as a text."""
    assert decode(ENCODER.encode(text)) == text


@seed(4)
@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60))
def test_any_code_is_read_as_hpack_reads_it(text: bytes) -> None:
    """Any bytes as a code: the same text, or none."""
    try:
        expected: bytes | None = decode_huffman(text)
    except HPACKDecodingError:
        expected = None
    try:
        found: bytes | None = decode(text)
    except HTTP2Error:
        found = None
    assert found == expected
