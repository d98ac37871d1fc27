"""What is said of a visitor's address, and who is believed."""

import pytest

from gatekeeper.proxy.forwarding import (
    address_headers,
    believed_headers,
    believed_host,
    believed_request_id,
    client_address,
)
from gatekeeper.wire.block import Block
from gatekeeper.wire.request import HeadLimits, RequestReader


def block(*lines: bytes) -> Block:
    head = b"".join(line + b"\r\n" for line in (b"Host: a", *lines, b""))
    return RequestReader(HeadLimits()).read(b"GET / HTTP/1.1", head, cache=False).block


def trusts(address: str) -> bool:
    """192.0.2.0/24 and 2001:db8::/32 are the proxies."""
    return address.startswith(("192.0.2.", "2001:db8:"))


def told(*lines: bytes, address: str = "192.0.2.1") -> dict[bytes, bytes]:
    """What the app is told by a trusted proxy that says this."""
    found = believed_headers(address, block(*lines), trusts)
    return dict(line.split(b": ", 1) for line in found.split(b"\r\n")[:-1])


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


@pytest.mark.parametrize(
    ("chain", "client"),
    [
        (b"198.51.100.1", b"198.51.100.1"),
        (b"198.51.100.1, 192.0.2.9", b"198.51.100.1"),
        (b"198.51.100.1,192.0.2.9,192.0.2.8", b"198.51.100.1"),
        (b"203.0.113.66, 198.51.100.1, 192.0.2.9", b"198.51.100.1"),
        (b"192.0.2.66, 198.51.100.1", b"198.51.100.1"),
        (b"192.0.2.8, 192.0.2.9", b"192.0.2.8"),
        (b"198.51.100.1:5000", b"198.51.100.1"),
        (b"2a00::1", b"2a00::1"),
        (b"[2a00::1]", b"2a00::1"),
        (b"[2a00::1]:443, 2001:db8::5", b"2a00::1"),
        (b"::ffff:198.51.100.1", b"198.51.100.1"),
        (b"unknown", b"192.0.2.1"),
        (b"198.51.100.1, unknown", b"192.0.2.1"),
        (b"198.51.100.1, _hidden, 192.0.2.9", b"192.0.2.9"),
        (b"198.51.100.1,", b"192.0.2.1"),
        (b"999.1.1.1", b"192.0.2.1"),
        (b"fe80::1%eth0", b"192.0.2.1"),
        (b"[198.51.100.1", b"192.0.2.1"),
        (b"<script>", b"192.0.2.1"),
    ],
)
def test_the_client_is_the_first_in_the_chain_whom_no_trusted_proxy_vouches_for(chain: bytes, client: bytes) -> None:
    """Read from the end: what a client wrote itself stands before its own address, and is never believed."""
    found = told(b"X-Forwarded-For: " + chain)
    assert found[b"X-Real-IP"] == client
    assert found[b"X-Forwarded-For"] == chain + b", 192.0.2.1"


def test_a_proxy_that_sends_only_x_real_ip_is_believed_too() -> None:
    """As nginx does where it is told no more."""
    assert told(b"X-Real-IP: 198.51.100.1")[b"X-Real-IP"] == b"198.51.100.1"
    assert told(b"X-Real-IP: nonsense")[b"X-Real-IP"] == b"192.0.2.1"


@pytest.mark.parametrize(
    ("said", "proto"),
    [
        (b"http", b"http"),
        (b"HTTPS", b"https"),
        (b"http, https", b"https"),
        (b"https, http", b"http"),
        (b"javascript", b"https"),
        (b"", b"https"),
    ],
)
def test_the_scheme_is_one_of_two(said: bytes, proto: bytes) -> None:
    """The last of several: that is the trusted proxy's."""
    assert told(b"X-Forwarded-Proto: " + said)[b"X-Forwarded-Proto"] == proto


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (b"X-Forwarded-Port: 8443", b"X-Forwarded-Port"),
        (b"X-Forwarded-Prefix: /app/v1", b"X-Forwarded-Prefix"),
    ],
)
def test_port_and_prefix_are_passed_on(line: bytes, name: bytes) -> None:
    """Apps build links from them."""
    assert told(line)[name] == line.split(b": ")[1]


@pytest.mark.parametrize(
    "line",
    [
        b"X-Forwarded-Port: 1, 2",
        b"X-Forwarded-Port: x",
        b"X-Forwarded-Prefix: //evil.example",
        b"X-Forwarded-Prefix: https://evil.example",
        b"X-Forwarded-Prefix: /a b",
    ],
)
def test_but_not_if_they_are_malformed(line: bytes) -> None:
    """A prefix of two slashes would be another server."""
    assert line.split(b":")[0] not in told(line)


@pytest.mark.parametrize(
    ("host", "believed"),
    [
        (b"www.example.com", b"www.example.com"),
        (b"www.example.com:8443", b"www.example.com:8443"),
        (b"[2001:db8::1]:443", b"[2001:db8::1]:443"),
        (b"a, b", b""),
        (b"a@b", b""),
        (b"a/b", b""),
        (b"<b>", b""),
    ],
)
def test_a_forwarded_host_is_one_host(host: bytes, believed: bytes) -> None:
    """Else Host itself is told."""
    assert believed_host(block(b"X-Forwarded-Host: " + host)) == believed


@pytest.mark.parametrize(
    ("said", "passed"),
    [
        (b"for=198.51.100.1;proto=https;by=_gate", True),
        (b'for="[2001:db8::1]:80"; host="a", for=unknown', True),
        (b'for="open', False),
        (b"nonsense", False),
        (b"for=a,,for=b", False),
    ],
)
def test_forwarded_goes_on_if_it_is_well_formed(said: bytes, passed: bool) -> None:
    """RFC 7239, 4. An open quote would swallow what the gate adds."""
    ours = b"for=192.0.2.1;proto=https"
    assert told(b"Forwarded: " + said)[b"Forwarded"] == (said + b", " + ours if passed else ours)
