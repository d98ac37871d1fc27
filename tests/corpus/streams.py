"""The corpus of HTTP/2: what clients send as frames, each with what must become of it.

A file of ``streams/`` is TOML, one table for each connection. ``sent`` is a list of frames behind preface and SETTINGS:

    HEADERS 1 end | GET | cookie: a=1     stream 1, END_STREAM; the fields of a GET, then one more
    HEADERS 1 more | POST                 without END_HEADERS
    CONTINUATION 1 | x: y
    DATA 1 end pad3 | hello               three bytes of padding
    RST_STREAM 1 | =00000008              bytes in hex
    0x20 5 | =00                          a frame of an unknown type

Texts have the escapes of the other files. ``statuses`` and ``resets`` are what each stream gets, by its number; without
them stream 1 gets 200. ``goaway`` is the error code of a connection that is lost. ``app`` is what the app gets of all
requests, without the lines that the gate adds; nothing, where it is left out. ``cut`` says that it gets a beginning of
that, or nothing if all comes at once: the end follows before the app is connected to. ``stricter``
names implementations that refuse what the gate may let pass.
"""

import re
from dataclasses import dataclass
from typing import Any

from gatekeeper.wire.http2 import frames as wire
from gatekeeper.wire.http2.encode import encode_field
from tests.corpus.reading import octets, tables

_KINDS = (
    *("DATA", "HEADERS", "PRIORITY", "RST_STREAM", "SETTINGS"),
    *("PUSH_PROMISE", "PING", "GOAWAY", "WINDOW_UPDATE", "CONTINUATION"),
)
_AUTHORITY = (b":authority", b"app.example.com")
_GET = ((b":method", b"GET"), (b":scheme", b"https"), (b":path", b"/"), _AUTHORITY)
_MACROS = {"GET": _GET, "POST": ((b":method", b"POST"), *_GET[1:]), "HEAD": ((b":method", b"HEAD"), *_GET[1:])}
_FIELD = re.compile(r"(:?[^:]*): ?(.*)", re.DOTALL)
START = wire.PREFACE + wire.settings_frame(())


@dataclass(frozen=True, slots=True)
class StreamMessage:
    """What a client sends on one connection, and what must come of it."""

    name: str
    section: str
    sent: bytes
    statuses: dict[int, int]
    resets: dict[int, int]
    goaway: int
    app: bytes
    cut: bool
    stricter: tuple[str, ...]

    @property
    def is_accepted(self) -> bool:
        """Whether nothing of it is refused."""
        return not self.goaway and not self.resets and not self.cut and set(self.statuses.values()) <= {200}


def streams() -> list[StreamMessage]:
    """Every connection of ``streams/``."""
    return [_stream(name, table) for name, table in tables("streams")]


def _stream(name: str, table: dict[str, Any]) -> StreamMessage:
    message = StreamMessage(
        name,
        table.pop("section"),
        b"".join(_frame(line) for line in table.pop("sent")),
        {int(stream): status for stream, status in table.pop("statuses", {"1": 200}).items()},
        {int(stream): code for stream, code in table.pop("resets", {}).items()},
        table.pop("goaway", 0),
        octets(table.pop("app", "")),
        table.pop("cut", False),
        tuple(table.pop("stricter", ())),
    )
    assert not table, f"{name}: {table} means nothing"
    return message


def _frame(line: str) -> bytes:
    head, *parts = line.split(" | ")
    word, stream, *flags = head.split()
    kind = _KINDS.index(word) if word in _KINDS else int(word, 16)
    bits = wire.END_STREAM if "end" in flags or "ack" in flags else 0
    is_block = word in ("HEADERS", "CONTINUATION")
    if is_block and "more" not in flags:
        bits |= wire.END_HEADERS
    payload = b"".join(_field(part) if is_block else _bytes(part) for part in parts)
    if "priority" in flags:
        bits |= wire.PRIORITY_FLAG
        payload = b"\0\0\0\0\x10" + payload
    padding = next((int(flag[3:]) for flag in flags if flag.startswith("pad")), None)
    if padding is not None:
        bits |= wire.PADDED
        payload = bytes((padding,)) + payload + bytes(padding)
    return wire.frame_header(len(payload), kind, bits, int(stream)) + payload


def _bytes(text: str) -> bytes:
    return _hex(text) if text.startswith("=") else octets(text)


def _hex(text: str) -> bytes:
    return bytes.fromhex(octets(text[1:]).decode("ascii"))


def _field(text: str) -> bytes:
    if text in _MACROS:
        return b"".join(encode_field(name, value) for name, value in _MACROS[text])
    if text.startswith("="):
        return _hex(text)
    match = _FIELD.fullmatch(text)
    assert match, text
    name, value = octets(match[1]), octets(match[2])
    return b"\x00" + _string(name) + _string(value)


def _string(text: bytes) -> bytes:
    """A literal, as it is: `encode_field` would write some in another way."""
    size = len(text)
    if size < 0x7F:
        return bytes((size,)) + text
    rest, encoded = size - 0x7F, bytearray((0x7F,))
    while rest >= 0x80:
        encoded.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes(encoded) + bytes((rest,)) + text
