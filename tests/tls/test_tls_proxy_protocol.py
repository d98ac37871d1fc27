"""The PROXY protocol: every header whole and byte by byte, and every way to get one wrong."""

import pytest

from gatekeeper.errors import ProxyHeaderError
from gatekeeper.tls.proxy_protocol import SIGNATURE, begins_like_one, crc32c, read_proxy_header

REST = b"\x16\x03\x01"
V4 = bytes([192, 0, 2, 1, 192, 0, 2, 9]) + (4000).to_bytes(2) + (443).to_bytes(2)
V6 = bytes.fromhex("20010db8000000000000000000000001") * 2 + (4000).to_bytes(2) + (443).to_bytes(2)
MAPPED = bytes(10) + b"\xff\xff" + V4[:4] + bytes(16) + (4000).to_bytes(2) + (443).to_bytes(2)
UNIX = b"/run/a".ljust(108, b"\0") + b"/run/b".ljust(108, b"\0")
TLV = b"\x02\x00\x0bexample.com"  # PP2_TYPE_AUTHORITY

# PP2_TYPE_CRC32C, of a header in which it comes last and of one in which it comes first.
CHECKSUM = bytes.fromhex("030004cd0e6a61")
FIRST = bytes.fromhex("030004ba032456")


def v2(command: int, family: int, payload: bytes, length: int | None = None) -> bytes:
    size = len(payload) if length is None else length
    return SIGNATURE + bytes([command, family]) + size.to_bytes(2) + payload


GOOD = {
    "v1 IPv4": (b"PROXY TCP4 192.0.2.1 192.0.2.9 4000 443\r\n", ("192.0.2.1", 4000)),
    "v1 IPv6": (b"PROXY TCP6 2001:db8::1 2001:db8::2 4000 443\r\n", ("2001:db8::1", 4000)),
    "v1 mapped": (b"PROXY TCP6 ::ffff:192.0.2.1 ::1 4000 443\r\n", ("192.0.2.1", 4000)),
    "v1 unknown": (b"PROXY UNKNOWN\r\n", None),
    "v1 unknown with more": (b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", None),
    "v1 the longest": (
        b"PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
        ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535),
    ),
    "v2 IPv4": (v2(0x21, 0x11, V4), ("192.0.2.1", 4000)),
    "v2 IPv6": (v2(0x21, 0x21, V6), ("2001:db8::1", 4000)),
    "v2 mapped": (v2(0x21, 0x21, MAPPED), ("192.0.2.1", 4000)),
    "v2 Unix": (v2(0x21, 0x31, UNIX), "unix"),
    "v2 unspecified": (v2(0x21, 0x00, b""), None),
    "v2 with TLVs": (v2(0x21, 0x11, V4 + TLV), ("192.0.2.1", 4000)),
    "v2 with a checksum": (v2(0x21, 0x11, V4 + TLV + CHECKSUM), ("192.0.2.1", 4000)),
    "v2 with a checksum in front": (v2(0x21, 0x11, V4 + FIRST + TLV), ("192.0.2.1", 4000)),
    "v2 with an empty TLV": (v2(0x21, 0x11, V4 + b"\x04\0\0"), ("192.0.2.1", 4000)),
    "v2 unspecified with TLVs": (v2(0x21, 0x00, TLV), None),
    "v2 local with anything": (v2(0x20, 0x00, b"\x03\0\x04wrong"), None),
    "v2 local": (v2(0x20, 0x00, b""), None),
    "v2 local with addresses": (v2(0x20, 0x11, V4 + TLV), None),
}

BAD = {
    "TLS": b"\x16\x03\x01\x02\x00",
    "HTTP": b"GET / HTTP/1.1\r\n",
    "lower case": b"proxy TCP4 ",
    "almost": b"PROXX",
    "no space": b"PROXY\tTCP4",
    "no words": b"PROXY \r\n",
    "other protocol": b"PROXY UDP4 192.0.2.1 192.0.2.9 4000 443\r\n",
    "too few words": b"PROXY TCP4 192.0.2.1 192.0.2.9 4000\r\n",
    "too many words": b"PROXY TCP4 192.0.2.1 192.0.2.9 4000 443 1\r\n",
    "two spaces": b"PROXY TCP4  192.0.2.1 192.0.2.9 4000 443\r\n",
    "IPv6 as TCP4": b"PROXY TCP4 ::1 ::1 4000 443\r\n",
    "IPv4 as TCP6": b"PROXY TCP6 192.0.2.1 192.0.2.9 4000 443\r\n",
    "a zone": b"PROXY TCP6 fe80::1%eth0 ::1 4000 443\r\n",
    "no address": b"PROXY TCP4 example.com 192.0.2.9 4000 443\r\n",
    "octal": b"PROXY TCP4 192.0.02.1 192.0.2.9 4000 443\r\n",
    "bad destination": b"PROXY TCP4 192.0.2.1 nowhere 4000 443\r\n",
    "port too high": b"PROXY TCP4 192.0.2.1 192.0.2.9 65536 443\r\n",
    "port with a sign": b"PROXY TCP4 192.0.2.1 192.0.2.9 +400 443\r\n",
    "port with a zero": b"PROXY TCP4 192.0.2.1 192.0.2.9 04000 443\r\n",
    "no port": b"PROXY TCP4 192.0.2.1 192.0.2.9  443\r\n",
    "bad destination port": b"PROXY TCP4 192.0.2.1 192.0.2.9 4000 x\r\n",
    "a bare LF": b"PROXY TCP4 192.0.2.1 192.0.2.9 4000 443\n",
    "a NUL": b"PROXY TCP4 192.0.2.1\x00 ",
    "not ASCII": b"PROXY TCP4 \xff",
    "no end": b"PROXY UNKNOWN " + b"x" * 100,
    "other version": SIGNATURE + b"\x11",
    "other command": SIGNATURE + b"\x22",
    "other family": SIGNATURE + b"\x21\x41\x00\x00",
    "other transport": SIGNATURE + b"\x21\x13\x00\x0c",
    "too short for IPv4": SIGNATURE + b"\x21\x11\x00\x0b",
    "too short for IPv6": SIGNATURE + b"\x21\x21\x00\x0c",
    "too short for Unix": SIGNATURE + b"\x21\x31\x00\x24",
    "too long": SIGNATURE + b"\x21\x11\xff\xff",
    "a TLV without a length": v2(0x21, 0x11, V4 + b"\x04"),
    "a TLV with half a length": v2(0x21, 0x11, V4 + b"\x04\x00"),
    "a TLV that is cut off": v2(0x21, 0x11, V4 + b"\x04\x00\x02x"),
    "a second TLV that is cut off": v2(0x21, 0x21, V6 + TLV + TLV[:-1]),
    "a TLV that is cut off behind nothing": v2(0x21, 0x00, TLV[:-1]),
    "a wrong checksum": v2(0x21, 0x11, V4 + TLV + CHECKSUM[:-1] + b"\x00"),
    "a checksum of other addresses": v2(0x21, 0x11, V4[:3] + b"\x02" + V4[4:] + TLV + CHECKSUM),
    "a checksum that is too long": v2(0x21, 0x11, V4 + TLV + bytes.fromhex("03000500760299be")),
    "a checksum that is too short": v2(0x21, 0x11, V4 + b"\x03\x00\x03abc"),
    "a second checksum that is wrong": v2(0x21, 0x11, V4 + TLV + CHECKSUM + CHECKSUM),
    "a broken signature": SIGNATURE[:8] + b"X",
}


@pytest.mark.parametrize(("header", "client"), GOOD.values(), ids=GOOD)
def test_a_header_names_the_client(header: bytes, client: object) -> None:
    """Or nobody, and then it is the balancer's own connection. What comes behind belongs to TLS."""
    read = read_proxy_header(header + REST)
    assert read is not None
    assert read.client == client
    assert read.rest == REST
    assert begins_like_one(header)


@pytest.mark.parametrize("header", [header for header, _ in GOOD.values()], ids=GOOD)
def test_a_header_may_come_byte_by_byte(header: bytes) -> None:
    """Until it is whole, more is needed; never too early, never an error."""
    assert [read_proxy_header(header[:end]) for end in range(len(header))] == [None] * len(header)
    assert read_proxy_header(header) is not None


@pytest.mark.parametrize("header", BAD.values(), ids=BAD)
def test_a_wrong_header_is_refused(header: bytes) -> None:
    """As soon as it cannot become a right one; nothing is guessed."""
    with pytest.raises(ProxyHeaderError):
        read_proxy_header(header)


@pytest.mark.parametrize("header", BAD.values(), ids=BAD)
def test_a_wrong_header_is_refused_byte_by_byte(header: bytes) -> None:
    """At its last byte at the latest, and what is refused stays refused."""
    refused = []
    for end in range(len(header) + 1):
        try:
            read_proxy_header(header[:end])
            refused.append(False)
        except ProxyHeaderError:
            refused.append(True)
    assert refused == sorted(refused)
    assert refused[-1]


@pytest.mark.parametrize(
    ("data", "crc"),
    [
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(reversed(range(32))), 0x113FDB5C),
    ],
)
def test_the_checksum_is_that_of_rfc_3720(data: bytes, crc: int) -> None:
    """The examples of its appendix B.4."""
    assert crc32c(data) == crc
