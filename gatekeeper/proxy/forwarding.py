"""Who stands before the gate, as told to the app: X-Forwarded-*, X-Real-IP, Forwarded.

What a client says of itself there is dropped. Only a proxy in ``trusted_proxies`` is believed, and appended to.
"""

import re
from collections.abc import Callable

from gatekeeper.wire.request import Block

# What a log and an app can take as an identifier; anything else from a proxy is replaced.
_REQUEST_ID = re.compile(rb"[0-9A-Za-z._~+/=:@-]{1,128}")


def client_address(peername: object) -> tuple[str, str]:
    """``"192.0.2.1:50000"`` for the log, and ``"192.0.2.1"``; "unix" twice where the client came by a Unix socket."""
    if not isinstance(peername, tuple) or len(peername) < 2:
        return "unix", "unix"
    host = str(peername[0]).partition("%")[0].removeprefix("::ffff:")
    return (f"[{host}]:{peername[1]}" if ":" in host else f"{host}:{peername[1]}"), host


def address_headers(address: str, *, trusted: bool) -> bytes:
    """The lines that are the same for every request of a connection. For a trusted proxy they depend on the request."""
    if trusted:
        return b""
    return b"X-Real-IP: %b\r\nX-Forwarded-For: %b\r\nX-Forwarded-Proto: https\r\n" % ((address.encode("ascii"),) * 2)


def believed_headers(address: str, block: Block, trusts: Callable[[str], bool]) -> bytes:
    """The same lines for a request from a trusted proxy: what it says, and its own address at the end."""
    here = address.encode("ascii")
    before = block.remark(b"x-forwarded-for")
    chain = before + b", " + here if before else here
    proto = block.remark(b"x-forwarded-proto") or b"https"
    lines = b"X-Real-IP: %b\r\nX-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\n" % (
        _visitor(chain, trusts),
        chain,
        proto,
    )
    forwarded = block.remark(b"forwarded")
    if forwarded:
        node = b'"[%b]"' % here if b":" in here else here
        lines += b"Forwarded: %b, for=%b;proto=https\r\n" % (forwarded, node)
    return lines


def _visitor(chain: bytes, trusts: Callable[[str], bool]) -> bytes:
    """The nearest address that is no trusted proxy's: what stands before it, anybody may have written there."""
    nodes = [node.strip() for node in chain.split(b",")]
    return next((node for node in reversed(nodes) if not trusts(node.decode("latin-1"))), nodes[0])


def believed_request_id(block: Block) -> str:
    """The X-Request-Id of a trusted proxy, "" if it sent none that could stand in a log."""
    claimed = block.remark(b"x-request-id")
    return claimed.decode("ascii") if _REQUEST_ID.fullmatch(claimed) else ""
