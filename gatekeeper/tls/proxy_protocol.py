"""The PROXY protocol, versions 1 and 2: who a load balancer speaks for. Bytes in, an address out; no socket, no clock.

Source: "The PROXY protocol", by HAProxy's authors (proxy-protocol.txt). Of the TLVs (section 2.2.7) the checksum is
verified and the others are not looked at, but all must fit.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from gatekeeper.errors import ProxyHeaderError

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
"""How version 2 begins."""

_V1_BEGIN = b"PROXY "
# Section 2.1: the longest line, with its CRLF, has 107 bytes.
_V1_LIMIT = 107
# The length field could say 65535; with TLVs of the largest kind in use (a TLS certificate's subject) 4 KiB is much.
_V2_LIMIT = 4096

Peername = tuple[str, int]


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """What a header says. ``client`` is None where the balancer speaks for itself or names no IP address: then it is
    the balancer's own address that counts. ``rest`` is what came behind the header."""

    client: Peername | str | None
    rest: bytes


def begins_like_one(data: bytes | memoryview) -> bool:
    """Whether these first bytes of a connection are the beginning of a header, as far as they go."""
    return data[: len(_V1_BEGIN)] == _V1_BEGIN or data[: len(SIGNATURE)] == SIGNATURE


def read_proxy_header(data: bytes) -> ProxyHeader | None:
    """Read the header at the beginning of ``data``; None if more is needed.

    ProxyHeaderError as soon as it cannot become a header.
    """
    if not data:
        return None
    if data[:1] == b"P":
        return _read_v1(data)
    if data[: len(SIGNATURE)] == SIGNATURE[: len(data)]:
        return _read_v2(data)
    raise ProxyHeaderError("it does not begin with a PROXY header")


# -- version 1, section 2.1


def _read_v1(data: bytes) -> ProxyHeader | None:
    if data[: len(_V1_BEGIN)] != _V1_BEGIN[: len(data)]:
        raise ProxyHeaderError("it does not begin with a PROXY header")
    end = data.find(b"\r\n", 0, _V1_LIMIT)
    if end < 0:
        if len(data) >= _V1_LIMIT:
            raise ProxyHeaderError("the header does not end")
        _only_visible(data.removesuffix(b"\r"))
        return None
    _only_visible(data[:end])
    return ProxyHeader(_v1_client(data[:end].decode("ascii").split(" ")[1:]), data[end + 2 :])


def _only_visible(line: bytes) -> None:
    if any(not 0x20 <= byte <= 0x7E for byte in line):
        raise ProxyHeaderError("the header contains invalid bytes")


def _v1_client(words: list[str]) -> Peername | None:
    if words[0] == "UNKNOWN":
        return None
    if words[0] not in ("TCP4", "TCP6"):
        raise ProxyHeaderError("the header names an unknown protocol")
    if len(words) != 5:
        raise ProxyHeaderError("the header has too few or too many parts")
    kind = IPv4Address if words[0] == "TCP4" else IPv6Address
    try:
        source, _ = kind(words[1].replace("%", " ")), kind(words[2].replace("%", " "))  # a zone means nothing here
    except AddressValueError:
        raise ProxyHeaderError("the header contains an invalid address") from None
    port = _v1_port(words[3])
    _v1_port(words[4])
    return _plain(source), port


def _v1_port(text: str) -> int:
    """A decimal without leading zeros."""
    if not (text.isdecimal() and text.isascii() and len(text) <= 5 and int(text) <= 65535 and str(int(text)) == text):
        raise ProxyHeaderError("the header contains an invalid port")
    return int(text)


# -- version 2, section 2.2


def _read_v2(data: bytes) -> ProxyHeader | None:
    start = len(SIGNATURE) + 4
    if len(data) < start:
        if len(data) > len(SIGNATURE):
            _v2_command(data[len(SIGNATURE)])
        return None
    command = _v2_command(data[12])
    family, length = data[13], int.from_bytes(data[14:16])
    if length > _V2_LIMIT:
        raise ProxyHeaderError("the header is too long")
    size = _v2_address_size(family) if command else 0
    if length < size:
        raise ProxyHeaderError("the header is too short for its addresses")
    if len(data) < start + length:
        return None
    addresses, rest = data[start : start + size], data[start + length :]
    if not command:
        return ProxyHeader(None, rest)  # section 2.2: the receiver discards the whole block
    _check_tlvs(data[: start + length], start + size)
    return ProxyHeader(_v2_client(family, addresses), rest)


_CHECKSUM = 0x03  # PP2_TYPE_CRC32C


def _check_tlvs(header: bytes, start: int) -> None:
    """Section 2.2.7: each has a type, a length of two bytes, and as many bytes as that says. Section 2.2.3: whoever
    receives a wrong checksum must abort the connection."""
    for kind, begin, end in _tlvs(header, start):
        if kind == _CHECKSUM:
            plain = header[:begin] + bytes(4) + header[end:]
            if end - begin != 4 or int.from_bytes(header[begin:end]) != crc32c(plain):
                raise ProxyHeaderError("the checksum of the header is wrong")


def _tlvs(header: bytes, at: int) -> Iterator[tuple[int, int, int]]:
    """Type, begin and end of the value of each."""
    while at < len(header):
        begin = at + 3
        end = begin + int.from_bytes(header[at + 1 : begin])
        if end > len(header):  # so it is where the length itself is cut off
            raise ProxyHeaderError("what follows the addresses in the header is cut off")
        yield header[at], begin, end
        at = end


def crc32c(data: bytes) -> int:
    """The CRC of RFC 3720, appendix B.4 (Castagnoli), which zlib does not have."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _CRC_TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def _crc_of(byte: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
    return byte


_CRC_TABLE = tuple(map(_crc_of, range(256)))


def _v2_command(byte: int) -> bool:
    """True for PROXY, False for LOCAL: a health check of the balancer's own."""
    if byte >> 4 != 2:
        raise ProxyHeaderError("the header has an unknown version")
    if byte & 15 > 1:
        raise ProxyHeaderError("the header contains an unknown command")
    return byte & 15 == 1


# Bytes of both addresses, by what the high half of the byte says: AF_UNSPEC, AF_INET, AF_INET6, AF_UNIX.
_ADDRESS_SIZES = {0: 0, 1: 12, 2: 36, 3: 216}


def _v2_address_size(family: int) -> int:
    if family >> 4 not in _ADDRESS_SIZES or family & 15 > 2:
        raise ProxyHeaderError("the header contains an unknown address family")
    return _ADDRESS_SIZES[family >> 4]


def _v2_client(family: int, addresses: bytes) -> Peername | str | None:
    match family >> 4:
        case 1:
            return str(IPv4Address(addresses[:4])), int.from_bytes(addresses[8:10])
        case 2:
            return _plain(IPv6Address(addresses[:16])), int.from_bytes(addresses[32:34])
        case 3:
            return "unix"
        case _:
            return None


def _plain(address: IPv4Address | IPv6Address) -> str:
    """An IPv4 address in an IPv6 one's clothes is the IPv4 address."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)
