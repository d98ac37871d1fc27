"""What the access log says of an exchange: a line as JSON, as Apache's combined format, or for the eye.

A visitor cannot forge a line: JSON escapes every control character, and ``combined`` and ``text`` write everything
that is not visible ASCII, and the quote and backslash, as ``\\xHH`` (as nginx does).

The log never contains an invitation's token: `without_token` removes it, whatever the request's outcome.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from json.encoder import encode_basestring_ascii as _quoted  # as json.dumps, in a third of the time
from typing import Final, Protocol, TypeVar
from urllib.parse import unquote_to_bytes

from gatekeeper.gate.certificate import Certificate
from gatekeeper.wire.block import Block
from gatekeeper.wire.request import RequestHead

# How many texts are cached of each kind, and how long a request may be for it: 1 MiB of memory with browsers, 25 MiB if
# an admitted visitor fills it on purpose.
CACHED: Final = 1024
CACHED_BYTES: Final = 4096
# Durations are short and come again. 100 bytes each.
CACHED_TIMES: Final = 4096

_NOT_PLAIN: Final = re.compile(r"[^ !#-\[\]-~]")


@dataclass(slots=True, eq=False)
class Visitor:
    """The client of a connection: address and port, and the certificate that it presented, if any.

    Never changed. ``protocol`` is the version of HTTP where all requests have the same, "" where their heads tell.
    ``group`` is that of the TLS key exchange.
    ``written`` is what `json_line` says of it in each of its lines, "" before the first.
    """

    client: str
    certificate: Certificate | None = None
    protocol: str = ""
    group: str = ""
    written: str = field(default="", init=False)


class Outcome(Protocol):
    """The outcome of an exchange. ``started`` is seconds since the epoch, ``duration`` and ``upstream_time`` seconds.

    ``sent`` counts the bytes of the response's body. ``reason`` says why a visitor was refused, ``detail`` also why an
    exchange failed.
    """

    __slots__ = ()

    started: float
    duration: float
    upstream_time: float | None
    status: int
    sent: int
    request_id: str
    reason: str
    detail: str


@dataclass(slots=True)
class LocalOutcome:
    """The outcome of a request that the gate answered itself."""

    started: float
    duration: float
    status: int
    sent: int
    request_id: str
    reason: str = ""
    detail: str = ""
    upstream_time: float | None = None


Format = Callable[[Visitor, RequestHead, Outcome], str]


Key = TypeVar("Key")


class _Texts(dict[Key, str]):
    """A dictionary that writes missing texts; one that is full is emptied. A hit costs a third of `lru_cache`'s."""

    __slots__ = ("_entries", "_write")

    def __init__(self, write: Callable[[Key], str], entries: int) -> None:
        super().__init__()
        self._write = write
        self._entries = entries

    def __missing__(self, key: Key) -> str:
        text = self._write(key)
        if len(self) >= self._entries:
            self.clear()
        self[key] = text
        return text


def json_line(visitor: Visitor, head: RequestHead, outcome: Outcome) -> str:
    """One JSON object; what is not known is left out. Its pieces come again in other lines, and are cached as text: a
    third of the time. Few long pieces, because joining them is half of what is left.
    """
    protocol = visitor.protocol or _HTTP_1[head.minor]
    upstream_time = outcome.upstream_time
    extra = "" if upstream_time is None else _UPSTREAM_TIMES[int(upstream_time * 1e6)]
    if outcome.detail or len(head.target) + len(head.block.forward) > CACHED_BYTES:
        # Lines of refused visitors are not cached: what strangers send must not stay in memory.
        request = _json_request((head.method, head.target, protocol, outcome.status))
        block = _json_block(head.block)
        if outcome.detail:
            extra += _json_refusal(outcome)
    else:
        request = _REQUESTS[head.method, head.target, protocol, outcome.status]
        block = head.block.logged or _json_known_block(head.block)
    return (
        f"{_TIMES[int(outcome.started * 1000)]}{outcome.request_id}{request}{outcome.sent}"
        f"{_DURATIONS[int(outcome.duration * 1e6)]}{extra}{visitor.written or _json_visitor(visitor)}{block}"
    )


HTTP_2: Final = "HTTP/2.0"  # as nginx writes it
_HTTP_1: Final[tuple[str, ...]] = ("HTTP/1.0", "HTTP/1.1")


def _json_request(request: tuple[bytes, bytes, str, int]) -> str:
    method, target, protocol, status = request
    method, target = without_token(method), without_token(target)
    return (
        f'","method":{_quoted(method.decode("latin-1"))},"target":{_quoted(target.decode("latin-1"))},'
        f'"protocol":"{protocol}","status":{status},"bytes":'
    )


def _json_visitor(visitor: Visitor) -> str:
    """The part of a line that is the same for a whole visit; the caller keeps it there. In a cache of limited size, a
    gate with more connections than entries would write it anew for each line.
    """
    text = f',"client":{_quoted(visitor.client)}'
    certificate = visitor.certificate
    if visitor.group:
        text += f',"tls_group":"{visitor.group}"'
    if certificate is not None:
        text += f',"subject":{_quoted(certificate.subject)},"issuer":{_quoted(certificate.issuer)}'
        text += f',"serial":"{certificate.serial}","fingerprint":"{certificate.sha256}"'
    visitor.written = text
    return text


def _json_block(block: Block) -> str:
    return _json_fields((block.host, block.get(b"user-agent"), block.get(b"referer")))


def _json_known_block(block: Block) -> str:
    """A block with a fresh cookie is a new one, but says the same here: 0.4 µs instead of 4."""
    block.logged = text = _FIELDS[block.host, block.get(b"user-agent"), block.get(b"referer")]
    return text


def _json_fields(fields: tuple[bytes, bytes, bytes]) -> str:
    host, agent, referer = fields
    text = f',"host":{_quoted(host.decode("latin-1"))}' if host else ""
    if agent:
        text += f',"user_agent":{_quoted(agent.decode("latin-1"))}'
    if referer:
        text += f',"referer":{_quoted(without_token(referer).decode("latin-1"))}'
    return text + "}"


# With 1,000 connections few durations come again soon, and the time is a new one each millisecond. To put these texts
# together takes a third of what it takes to format a number.
_THREE_DIGITS: Final = tuple([f"{number:03}" for number in range(1000)])


def _json_time(milliseconds: int) -> str:
    second = _iso_second(milliseconds // 1000)
    return f'{{"time":"{second}.{_THREE_DIGITS[milliseconds % 1000]}Z","request_id":"'


def _json_duration(microseconds: int) -> str:
    return f',"duration":{_seconds(microseconds)}'


def _json_upstream_time(microseconds: int) -> str:
    return f',"upstream_time":{_seconds(microseconds)}'


def _seconds(microseconds: int) -> str:
    """With six places."""
    milliseconds = microseconds // 1000
    whole = "0" if milliseconds < 1000 else str(milliseconds // 1000)
    return f"{whole}.{_THREE_DIGITS[milliseconds % 1000]}{_THREE_DIGITS[microseconds % 1000]}"


_TIMES: Final = _Texts(_json_time, CACHED_TIMES)
_DURATIONS: Final = _Texts(_json_duration, CACHED_TIMES)
_UPSTREAM_TIMES: Final = _Texts(_json_upstream_time, CACHED_TIMES)
_REQUESTS: Final = _Texts(_json_request, CACHED)
_FIELDS: Final = _Texts(_json_fields, CACHED)


def _json_refusal(outcome: Outcome) -> str:
    reason = f',"reason":"{outcome.reason}"' if outcome.reason else ""
    return f'{reason},"detail":{_quoted(outcome.detail)}'


def combined_line(visitor: Visitor, head: RequestHead, outcome: Outcome) -> str:
    """The format that Apache and nginx call combined; the remote user is the certificate's common name.

    It has no field for the reason of a refusal or a failure, and parsers such as Fluent Bit's reject a line with more
    fields.
    """
    user = visitor.certificate.common_name if visitor.certificate and not outcome.reason else ""
    referer, agent = without_token(head.block.get(b"referer")), head.block.get(b"user-agent")
    return (
        f"{_host(visitor.client)} - {_plain(user) or '-'} [{_clf_time(int(outcome.started))}] "
        f'"{_plain_bytes(without_token(head.method))} {_plain_bytes(without_token(head.target))} '
        f'{visitor.protocol or _HTTP_1[head.minor]}" '
        f'{outcome.status} {outcome.sent} "{_plain_bytes(referer) or "-"}" "{_plain_bytes(agent) or "-"}"'
    )


def text_line(visitor: Visitor, head: RequestHead, outcome: Outcome) -> str:
    """For people: time, status, method, target, version, duration, client, and why a request was refused or failed."""
    who = _plain(visitor.certificate.subject) if visitor.certificate else "no certificate"
    why = f" failed: {_plain(outcome.detail)}" if outcome.detail else ""
    if outcome.reason:
        why = f" refused: {outcome.reason} ({_plain(outcome.detail)})"
    return (
        f"{_iso_time(int(outcome.started * 1000))} {outcome.status} {_plain_bytes(without_token(head.method))} "
        f"{_plain_bytes(without_token(head.target))} {visitor.protocol or _HTTP_1[head.minor]} {outcome.sent}B "
        f"{outcome.duration * 1000:.1f}ms {visitor.client} [{who}]{why} {outcome.request_id}"
    )


def without_token(address: bytes) -> bytes:
    """A target or a Referer without what could be the token of an invitation, or most of one, in any spelling.

    Looked for where the words of its path stand, for an app's own addresses are to be logged whole. Most are shorter
    than any that holds one.
    """
    if len(address) < _SHORTEST_WITH_TOKEN or not _SPEAKS_OF_INVITATIONS(unquote_to_bytes(address)):
        return address
    return _LIKE_A_TOKEN.sub(b"...", address)


# "/.gatekeeper/invite/" and a third of a token: the rest cannot be guessed.
_SHORTEST_WITH_TOKEN: Final = 36
_SPEAKS_OF_INVITATIONS: Final = re.compile(rb"gatekeeper|invite", re.IGNORECASE).search
_LIKE_A_TOKEN: Final = re.compile(rb"[A-Za-z0-9_%-]{16,}")


FORMATS: dict[str, Format] = {"json": json_line, "combined": combined_line, "text": text_line}


def _host(client: str) -> str:
    """Without the port, and without the brackets of IPv6."""
    return (client.rpartition(":")[0] or client).strip("[]")


def _plain(text: str) -> str:
    return _plain_bytes(text.encode("utf-8", "replace"))


def _plain_bytes(text: bytes) -> str:
    return _NOT_PLAIN.sub(lambda match: f"\\x{ord(match[0]):02X}", text.decode("latin-1"))


def _iso_time(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{_iso_second(seconds)}.{rest:03}Z"


@lru_cache(4)
def _iso_second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


@lru_cache(4)
def _clf_time(second: int) -> str:
    """Apache's %t, with English months whatever the locale."""
    moment = time.gmtime(second)
    month = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"][moment.tm_mon - 1]
    return time.strftime(f"%d/{month}/%Y:%H:%M:%S +0000", moment)
