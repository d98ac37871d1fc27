"""What is said of a visitor's address, and who is believed."""

import pytest

from gatekeeper.proxy.forwarding import address_headers, believed_headers, believed_request_id, client_address
from gatekeeper.wire.request import Block, HeadLimits, RequestReader


def trusts(address: str) -> bool:
    return address.startswith("192.0.2.")


def block(*lines: bytes) -> Block:
    head = b"".join(line + b"\r\n" for line in (b"Host: a", *lines, b""))
    return RequestReader(HeadLimits()).read(b"GET / HTTP/1.1", head, remember=False).block


@pytest.mark.parametrize(
    ("peername", "shown", "address"),
    [
        (("192.0.2.1", 50000), "192.0.2.1:50000", "192.0.2.1"),
        (("2001:db8::1", 50000, 0, 0), "[2001:db8::1]:50000", "2001:db8::1"),
        (("::ffff:192.0.2.1", 50000, 0, 0), "192.0.2.1:50000", "192.0.2.1"),
        (("fe80::1%eth0", 50000, 0, 2), "[fe80::1]:50000", "fe80::1"),
        ("", "unix", "unix"),
        (None, "unix", "unix"),
    ],
)
def test_addresses(peername: object, shown: str, address: str) -> None:
    """As the log shows them, and as the app is told: IPv4 by an IPv6 socket is IPv4, a zone means nothing elsewhere."""
    assert client_address(peername) == (shown, address)


def test_what_the_app_is_told() -> None:
    """The same for every request of a connection."""
    assert address_headers("192.0.2.1", trusted=False) == (
        b"X-Real-IP: 192.0.2.1\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\n"
    )
    assert address_headers("192.0.2.1", trusted=True) == b""


def test_several_lines_of_a_trusted_proxy_are_one_list() -> None:
    """RFC 9110, 5.3."""
    told = believed_headers(
        "192.0.2.1", block(b"X-Forwarded-For: 198.51.100.1", b"X-Forwarded-For: 198.51.100.2"), trusts
    )
    assert b"X-Forwarded-For: 198.51.100.1, 198.51.100.2, 192.0.2.1\r\n" in told


@pytest.mark.parametrize(
    ("chain", "visitor"),
    [
        (b"198.51.100.1", b"198.51.100.1"),
        (b"10.9.9.9, 198.51.100.1", b"198.51.100.1"),
        (b"198.51.100.1, 192.0.2.2", b"198.51.100.1"),
        (b"1.1.1.1, 198.51.100.1, 192.0.2.3, 192.0.2.2", b"198.51.100.1"),
        (b"1.1.1.1, unknown, 192.0.2.2", b"unknown"),
        (b"192.0.2.3, 192.0.2.2", b"192.0.2.3"),
    ],
)
def test_who_the_visitor_is_behind_trusted_proxies(chain: bytes, visitor: bytes) -> None:
    """The nearest that is no trusted proxy; what it wrote before itself is a claim, and must not become X-Real-IP."""
    told = believed_headers("192.0.2.1", block(b"X-Forwarded-For: " + chain), trusts)
    assert told.startswith(b"X-Real-IP: " + visitor + b"\r\n")


def test_an_ipv6_proxy_in_forwarded_is_quoted() -> None:
    """RFC 7239, 6.1."""
    told = believed_headers("2001:db8::1", block(b"Forwarded: for=198.51.100.1"), trusts)
    assert told.endswith(b'Forwarded: for=198.51.100.1, for="[2001:db8::1]";proto=https\r\n')


@pytest.mark.parametrize(
    ("claimed", "believed"),
    [
        (b"abc-123", "abc-123"),
        (b"Root=1-67891233-abcdef012345678912345678", "Root=1-67891233-abcdef012345678912345678"),
        (b"x" * 128, "x" * 128),
        (b"x" * 129, ""),
        (b"a b", ""),
        (b'a"b', ""),
        (b"a\xc3\xa4", ""),
        (b"", ""),
    ],
)
def test_request_ids(claimed: bytes, believed: str) -> None:
    """What can stand in a log and a header as it is; everything else is replaced."""
    assert believed_request_id(block(b"X-Request-Id: " + claimed)) == believed


def test_two_request_ids_are_none() -> None:
    """Nobody can say which is right."""
    assert believed_request_id(block(b"X-Request-Id: a", b"X-Request-Id: b")) == ""
