"""Headers that tell the app who is in front of the gate: X-Forwarded-*, X-Real-IP, Forwarded (RFC 7239).

The gate drops such headers from clients. It keeps and extends only those of a proxy in ``server.trusted_proxies``.
"""

import re
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address

from gatekeeper.wire.block import Block
from gatekeeper.wire.request import RequestHead

# What a log and an app can take as an identifier; anything else from a proxy is replaced.
_REQUEST_ID = re.compile(rb"[0-9A-Za-z._~+/=:@-]{1,128}")

# "192.0.2.1", "192.0.2.1:5000", "2001:db8::1", "[2001:db8::1]:5000"; a zone means nothing elsewhere.
_MEMBER = re.compile(rb"([0-9.]{7,15})(?::[0-9]{1,5})?|\[([0-9A-Fa-f:.]{2,45})\](?::[0-9]{1,5})?|([0-9A-Fa-f:.]{2,45})")
_HOST = re.compile(rb"(?:[0-9A-Za-z._~-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
# What else a trusted proxy may say, and what it must look like: an app builds links from it.
_PASSED_ON = (
    (b"X-Forwarded-Port", b"x-forwarded-port", re.compile(rb"[0-9]{1,5}")),
    (b"X-Forwarded-Prefix", b"x-forwarded-prefix", re.compile(rb"(?:/[0-9A-Za-z._~!$&'()*+;=:@%-]+)+/?")),
)
# RFC 7239, 4: elements of pairs; a value is a token or a quoted string.
_PAIR = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+=(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+|\"(?:[^\"\\]|\\.)*\")"
_FORWARDED = re.compile(rb"%b(?:[ \t]*;[ \t]*%b)*(?:[ \t]*,[ \t]*%b(?:[ \t]*;[ \t]*%b)*)*" % ((_PAIR,) * 4))


def client_address(peername: object) -> tuple[str, str]:
    """``"192.0.2.1:50000"`` for the log, and ``"192.0.2.1"``; "unix" twice where the client came by a Unix socket."""
    if not isinstance(peername, tuple) or len(peername) < 2:
        return "unix", "unix"
    host, port = str(peername[0]), peername[1]
    if ":" in host:
        host = host.partition("%")[0].removeprefix("::ffff:")
    return (f"[{host}]:{port}" if ":" in host else f"{host}:{port}"), host


def address_headers(address: str, *, trusted: bool) -> bytes:
    """The lines that are the same for every request of a connection. For a trusted proxy they depend on the request."""
    if trusted:
        return b""
    return b"X-Real-IP: %b\r\nX-Forwarded-For: %b\r\nX-Forwarded-Proto: https\r\n" % ((address.encode("ascii"),) * 2)


def visitor_headers(
    headers: bytes, block: Block, proxy: str | None, trusts: Callable[[str], bool], authority: bytes
) -> bytes:
    """All header lines about the client of a request.

    ``headers`` are those of the connection. ``proxy`` is the address of a trusted proxy, None for any other peer.
    ``authority`` is the Host to send where the client sent none (HTTP/1.0).
    """
    if not block.host:
        headers += b"Host: " + authority + b"\r\n"
    forwarded_host = block.forwarded_host
    if proxy is not None:
        headers += believed_headers(proxy, block, trusts)
        claimed = believed_host(block)
        forwarded_host = b"X-Forwarded-Host: " + claimed + b"\r\n" if claimed else forwarded_host
    return forwarded_host + headers


def whole_head(head: RequestHead, headers: bytes, request_id: str) -> bytes:
    """The request head for the app: method and target unchanged, and only headers that the gate passes on or makes.

    ``headers`` are the lines about the visitor, as by `visitor_headers`.
    """
    if protocol := head.upgrade:
        headers += b"Connection: Upgrade\r\nUpgrade: %b\r\n" % protocol
    return b"%b %b HTTP/1.1\r\n%b%b%bX-Request-Id: %b\r\n\r\n" % (
        head.method,
        head.target,
        head.block.forward,
        head.cookie,
        headers,
        request_id.encode("latin-1"),
    )


def believed_headers(address: str, block: Block, trusts: Callable[[str], bool]) -> bytes:
    """As `address_headers`, for a request from a trusted proxy: what it sent, extended by its own address.

    The chain is passed on as it came, for apps that evaluate it themselves; ``X-Real-IP`` is the gate's reading of it.
    """
    here = address.encode("ascii")
    before = block.get(b"x-forwarded-for")
    chain = before + b", " + here if before else here
    client = visitor_address(address, block, trusts)
    proto = block.get(b"x-forwarded-proto").rpartition(b",")[2].strip().lower()
    lines = b"X-Real-IP: %b\r\nX-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\n" % (
        client.encode("ascii"),
        chain,
        proto if proto in (b"http", b"https") else b"https",
    )
    for name, noted, wellformed in _PASSED_ON:
        if wellformed.fullmatch(block.get(noted)):
            lines += b"%b: %b\r\n" % (name, block.get(noted))
    return lines + _forwarded(here, block.get(b"forwarded"))


def visitor_address(address: str, block: Block, trusts: Callable[[str], bool]) -> str:
    """The client's address: the peer's, or the one that a trusted proxy there forwards for."""
    return _real_client(address, block.get(b"x-forwarded-for") or block.get(b"x-real-ip"), trusts)


def _real_client(address: str, chain: bytes, trusts: Callable[[str], bool]) -> str:
    """The first address of the chain, read from its end, that is not a trusted proxy's.

    Each address was added by the host that follows it in the chain, so it can be believed as far as that one is
    trusted. What a client wrote itself stands before its own address, and is never reached.
    """
    client = address
    for member in reversed(chain.split(b",")):
        found = _ip(member.strip(b" \t"))
        if not found or not trusts(client):
            break
        client = found
    return client


def _ip(member: bytes) -> str:
    """The address in a member of the chain, which may have a port; "" if there is none."""
    match = _MEMBER.fullmatch(member)
    try:
        ip = ip_address((match[1] or match[2] or match[3]).decode("ascii")) if match else None
    except ValueError:
        return ""
    mapped = ip.ipv4_mapped if isinstance(ip, IPv6Address) else None
    return str(mapped or ip or "")


def _forwarded(here: bytes, forwarded: bytes) -> bytes:
    """Forwarded with one more element, if the proxy speaks of it at all. Behind an open quote nobody would see it, so
    what is not well-formed is left out.
    """
    if not forwarded:
        return b""
    node = b'"[%b]"' % here if b":" in here else here
    before = forwarded + b", " if _FORWARDED.fullmatch(forwarded) else b""
    return b"Forwarded: %bfor=%b;proto=https\r\n" % (before, node)


def believed_host(block: Block) -> bytes:
    """The X-Forwarded-Host of a trusted proxy, b"" if it sent none that is a host."""
    claimed = block.get(b"x-forwarded-host")
    return claimed if _HOST.fullmatch(claimed) else b""


def believed_request_id(block: Block) -> str:
    """The X-Request-Id of a trusted proxy, "" if it sent none that could stand in a log."""
    claimed = block.get(b"x-request-id")
    return claimed.decode("ascii") if _REQUEST_ID.fullmatch(claimed) else ""
