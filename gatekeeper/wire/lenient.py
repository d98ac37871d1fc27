"""Response heads of devices that break the rules of HTTP, repaired for the strict reader (``upstream.lenient``).

What is repaired here can be read in one way only, or RFC 9112 says how a proxy has to read it. The visitor gets what
the strict reader makes of the result, so whatever the device meant, the gate and its visitors read the same.
"""

import re
from collections.abc import Iterable, Iterator

from gatekeeper.wire.headers import TOKEN
from gatekeeper.wire.response import MAX_HEAD_BYTES
from gatekeeper.wire.rules import MessageRule

_BEGINNING = b"HTTP/1."
# From the first LF on, so that a long run of CRs is looked at once.
_BLANK_LINE = re.compile(rb"\n\r*\n")
_STATUS_LINE = re.compile(rb"HTTP/1\.([01])[ \t]+([1-9][0-9][0-9])(?:[ \t]+(.*))?", re.IGNORECASE)
_NAME = re.compile(TOKEN)
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_CODING, _LENGTH, _CONNECTION = b"transfer-encoding", b"content-length", b"connection"


def split_head(data: bytes) -> tuple[bytes, bytes] | None:
    """A response head up to its blank line, whatever ends its lines, and what follows; None while it is incomplete.

    MessageError at once if nothing that may follow can make it right.
    """
    start = data.lstrip(b"\r\n")[: len(_BEGINNING)]
    if start.upper() != _BEGINNING[: len(start)]:
        raise MessageRule.RESPONSE_STATUS_LINE.error()
    found = _BLANK_LINE.search(data, len(data) - len(data.lstrip(b"\r\n")))
    if (found.end() if found else len(data)) > MAX_HEAD_BYTES:
        raise MessageRule.RESPONSE_HEAD_TOO_LARGE.error()
    if found is None:
        return None
    end = found.end()
    return data[:end], data[end:]


def repaired_head(head: bytes) -> bytes:
    """The head as the strict reader takes it. It always says ``close``: where such a response ends is not certain.

    MessageError if it has no status line, or contradicts itself about the end of its body.
    """
    line, *lines = [line.rstrip(b"\r") for line in head.strip(b"\r\n").split(b"\n")]
    status = _STATUS_LINE.fullmatch(_CONTROL.sub(b" ", line))
    if status is None:
        raise MessageRule.RESPONSE_STATUS_LINE.error()
    minor, code, reason = status.groups(b"")
    fields = list(_fields(lines))
    said = {
        special: b",".join(value for name, value in fields if name.lower() == special)
        for special in (_CODING, _LENGTH, _CONNECTION)
    }
    framing = _framing(said[_CODING], said[_LENGTH])
    if framing.startswith(b"T"):
        minor = b"1"  # RFC 9112, 6.1: HTTP/1.0 has no chunks, but some devices send them all the same
    options = [*filter(_NAME.fullmatch, _members(said[_CONNECTION])), b"close"]
    kept = [b"%b: %b\r\n" % (name, value.strip(b" \t")) for name, value in fields if name.lower() not in said]
    return b"HTTP/1.%b %b %b\r\n%b%bConnection: %b\r\n\r\n" % (
        minor,
        code,
        reason,
        b"".join(kept),
        framing,
        b", ".join(options),
    )


def _fields(lines: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Names and values. What is no field at all is left out."""
    unfolded: list[bytes] = []
    for line in lines:
        if line[:1] not in (b" ", b"\t"):
            unfolded.append(line)
        elif unfolded:
            # RFC 9112, 5.2: a proxy must replace a folded line of a response by spaces.
            unfolded[-1] += b" " + line.strip(b" \t")
    for line in unfolded:
        name, colon, value = line.partition(b":")
        name = name.rstrip(b" \t")  # RFC 9112, 5.1: a proxy must remove it from a response
        if colon and _NAME.fullmatch(name):
            # RFC 9110, 5.5: CR, LF and NUL must be replaced by spaces, other control characters may be.
            yield name, _CONTROL.sub(b" ", value)


def _framing(coding: bytes, length: bytes) -> bytes:
    """The line that says where the body ends; b"" if that is the end of the connection."""
    codings = [member for member in _members(coding) if member != b"identity"]
    if codings == [b"chunked"]:
        return b"Transfer-Encoding: chunked\r\n"  # RFC 9112, 6.3 (3): it overrides Content-Length
    if codings:
        raise MessageRule.RESPONSE_CODING.error()
    # -1 is what some devices write where they do not know it.
    lengths = {int(member) if member.isdigit() and len(member) <= 18 else -1 for member in _members(length)}
    # RFC 9112, 6.3 (5): one number may be said several times; different ones cannot be recovered from.
    if len(lengths) > 1:
        raise MessageRule.RESPONSE_LENGTH.error()
    number = max(lengths, default=-1)
    return b"Content-Length: %d\r\n" % number if number >= 0 else b""


def _members(value: bytes) -> list[bytes]:
    return [member for item in value.lower().split(b",") if (member := item.strip(b" \t"))]
