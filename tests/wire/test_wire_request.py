"""Request heads."""

from dataclasses import fields

import pytest

from gatekeeper.errors import MessageError
from gatekeeper.wire.block import Block
from gatekeeper.wire.framing import ChunkedBody, Framing, LengthBody
from gatekeeper.wire.request import (
    CACHED_BLOCK_BYTES,
    CACHED_STRANGER_BYTES,
    CACHED_STRANGERS,
    LOGGED_LINE_BYTES,
    HeadLimits,
    RequestHead,
    RequestReader,
    unreadable_head,
    without_empty_lines,
)
from gatekeeper.wire.rules import MessageRule
from tests.corpus.reading import requests

LINE = b"GET / HTTP/1.1"
HOST = b"Host: app.example.com\r\n"


def read(*lines: bytes, line: bytes = LINE, reader: RequestReader | None = None, cache: bool = True) -> RequestHead:
    block = b"".join(one + b"\r\n" for one in lines) + b"\r\n"
    return (reader or RequestReader(HeadLimits())).read(line, block, cache=cache)


def refused(*lines: bytes, line: bytes = LINE, reader: RequestReader | None = None) -> MessageError:
    with pytest.raises(MessageError) as caught:
        read(*lines, line=line, reader=reader)
    return caught.value


def test_a_head_is_read_whole() -> None:
    """Everything that the proxy has to know, and ready-made lines for the upstream."""
    head = read(b"Accept: a", b"host: x.example:81", b"Cookie:  b", b"content-length: 007", line=b"PUT /a?b HTTP/1.1")
    assert (head.method, head.target, head.minor) == (b"PUT", b"/a?b", 1)
    block = head.block
    assert block.forward == b"Host: x.example:81\r\nAccept: a\r\nCookie: b\r\nContent-Length: 7\r\n"
    assert block.forwarded_host == b"X-Forwarded-Host: x.example:81\r\n"
    assert (block.host, block.framing, block.length) == (b"x.example:81", Framing.LENGTH, 7)
    assert block.get(b"accept") == b"a"
    assert block.get(b"referer") == b""


def test_a_head_may_have_no_lines() -> None:
    """HTTP/1.0 needs none."""
    head = read(line=b"GET / HTTP/1.0")
    assert head.block.forward == b""
    assert head.block.forwarded_host == b""
    assert not head.keep_alive


@pytest.mark.parametrize(
    ("line", "connection", "keeps"),
    [
        (b"GET / HTTP/1.1", None, True),
        (b"GET / HTTP/1.1", b"close", False),
        (b"GET / HTTP/1.1", b"keep-alive, close", False),
        (b"GET / HTTP/1.0", None, False),
        (b"GET / HTTP/1.0", b"Keep-Alive", True),
        (b"GET / HTTP/1.0", b"keep-alive, close", False),
    ],
)
def test_a_connection_is_kept_as_the_version_and_connection_say(
    line: bytes, connection: bytes | None, keeps: bool
) -> None:
    """RFC 9112, 9.3."""
    lines = [b"Host: x"] + ([b"Connection: " + connection] if connection is not None else [])
    assert read(*lines, line=line).keep_alive is keeps


def test_the_body_follows_the_framing() -> None:
    """None where nothing follows."""
    assert read(b"Host: x").body() is None
    assert read(b"Host: x", b"Content-Length: 0").body() is None
    assert isinstance(read(b"Host: x", b"Content-Length: 1").body(), LengthBody)
    assert isinstance(read(b"Host: x", b"Transfer-Encoding: chunked").body(), ChunkedBody)


def test_trailers_are_stripped_of_the_same_names_as_headers() -> None:
    """A custom identity header is none in a trailer either."""
    reader = RequestReader(HeadLimits(), frozenset({b"x-device"}))
    body = read(b"Host: x", b"X-Device: root", b"Transfer-Encoding: chunked", reader=reader)
    assert body.block.forward == b"Host: x\r\nTransfer-Encoding: chunked\r\n"
    chunked = body.body()
    assert chunked is not None
    chunked.feed(b"0\r\nX-Device: root\r\nX-Fine: 1\r\n\r\n")
    assert chunked.trailers == b"X-Fine: 1\r\n"


WEBSOCKET = (b"Host: x", b"Connection: keep-alive, Upgrade", b"Upgrade: WebSocket")


def test_a_websocket_handshake_is_recognised() -> None:
    """RFC 6455, 4.1."""
    assert read(*WEBSOCKET).upgrade == b"websocket"
    assert read(*WEBSOCKET, b"Content-Length: 0").upgrade == b"websocket"


@pytest.mark.parametrize("method", [b"GET", b"POST"])
@pytest.mark.parametrize("protocol", [b"SPDY/3.1", b"h2c"])
def test_another_protocol_is_told_as_it_is_spelled(method: bytes, protocol: bytes) -> None:
    """RFC 9110, 7.8: in any request. Whether it is passed on is not judged here."""
    lines = (b"Host: x", b"Connection: upgrade", b"Upgrade: " + protocol, b"Content-Length: 1")
    head = read(*lines, line=method + LINE[3:])
    assert head.upgrade == protocol
    assert head.without_upgrade().upgrade == b""
    assert b"pgrade" not in head.block.forward


@pytest.mark.parametrize(
    ("line", "lines"),
    [
        (LINE, (b"Host: x", b"Upgrade: websocket")),
        (LINE, (b"Host: x", b"Connection: Upgrade")),
        (LINE, (b"Host: x", b"Connection: Upgrade", b"Upgrade: h2c/")),
        (b"GET / HTTP/1.0", (b"Host: x", b"Connection: Upgrade", b"Upgrade: tcp")),
        (LINE, (b"Host: x", b"Connection: Upgrade", b"Upgrade: websocket", b"Upgrade: h2c")),
        (LINE, (*WEBSOCKET, b"Content-Length: 1")),
        (LINE, (*WEBSOCKET, b"Transfer-Encoding: chunked")),
        (b"POST / HTTP/1.1", WEBSOCKET),
        (b"GET / HTTP/1.0", WEBSOCKET),
    ],
)
def test_everything_else_is_no_upgrade(line: bytes, lines: tuple[bytes, ...]) -> None:
    """The request goes on without it."""
    head = read(*lines, line=line)
    assert not head.upgrade
    assert b"pgrade" not in head.block.forward


def test_limits_hold_to_the_byte() -> None:
    """The largest head passes, one byte more does not."""
    block = (b"Host: x", b"A: 1")
    size = len(LINE) + 2 + len(b"Host: x\r\nA: 1\r\n\r\n")
    assert read(*block, reader=RequestReader(HeadLimits(head=size, line=len(LINE), count=2)))
    for limits, rule in (
        (HeadLimits(head=size - 1), MessageRule.HEAD_TOO_LARGE),
        (HeadLimits(line=len(LINE) - 1), MessageRule.LINE_TOO_LONG),
        (HeadLimits(count=1), MessageRule.FIELD_COUNT),
    ):
        assert refused(*block, reader=RequestReader(limits)).detail == rule.sentence


def test_limits_hold_for_uncached_heads_too() -> None:
    """Whoever was not let in meets the same rules."""
    with pytest.raises(MessageError):
        read(b"Host: x", b"A: 1", reader=RequestReader(HeadLimits(count=1)), cache=False)


@pytest.mark.parametrize(
    ("held", "rule"),
    [
        (b"GET / HTTP/1.1\n", MessageRule.REQUEST_LINE),
        (b"GET / HTTP/1.1\rX", MessageRule.REQUEST_LINE),
        (b"GET /\x00", MessageRule.REQUEST_LINE),
        (b"GET /\r\n", MessageRule.REQUEST_LINE),
        (b"PRI * HTTP/2.0\r\n", MessageRule.VERSION),
        (b"TRACE / HTTP/1.1\r\n", MessageRule.METHOD),
        (b"GET / HTTP/1.1\r\nHost: x\n", MessageRule.FIELD_LINE),
        (b"GET / HTTP/1.1\r\nHost: x\ry", MessageRule.FIELD_LINE),
        (b"GET / HTTP/1.1\r\nHost: \x00", MessageRule.FIELD_LINE),
        (b"GET /" + b"a" * 8192, MessageRule.LINE_TOO_LONG),
        (b"GET /" + b"a" * 8192 + b" HTTP/1.1\r\n", MessageRule.LINE_TOO_LONG),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 32768, MessageRule.HEAD_TOO_LARGE),
    ],
)
def test_what_can_never_become_right_is_refused_at_once(held: bytes, rule: MessageRule) -> None:
    """Not only when the rest has come, or the time is up."""
    with pytest.raises(MessageError) as caught:
        RequestReader(HeadLimits()).incomplete(held)
    assert caught.value.detail == rule.sentence


@pytest.mark.parametrize(
    "held", [b"", b"G", b"GET / HTTP/1.1\r", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nX: y\r\n\r"]
)
def test_what_may_become_right_is_waited_for(held: bytes) -> None:
    """Every beginning of a good request."""
    RequestReader(HeadLimits()).incomplete(held)


def test_only_what_is_new_is_looked_at_again() -> None:
    """A CR at the end of one read and something else at the start of the next is still a bare CR."""
    reader = RequestReader(HeadLimits())
    reader.incomplete(b"GET / HTTP/1.1\r\nX: y\r")
    with pytest.raises(MessageError):
        reader.incomplete(b"GET / HTTP/1.1\r\nX: y\rz", already=21)
    with pytest.raises(MessageError):
        reader.incomplete(b"GET / HTTP/1.1\r\nX: y\n", already=20)


def test_empty_lines_before_a_request_are_left_out() -> None:
    """RFC 9112, 2.2."""
    assert without_empty_lines(b"\r\n\r\nGET") == b"GET"
    assert without_empty_lines(b"\r\n\rGET") == b"\rGET"
    assert without_empty_lines(b"GET\r\n") == b"GET\r\n"


def test_what_cannot_be_read_is_told_for_the_log() -> None:
    """As far as it can be recognised, and bounded."""
    head = unreadable_head(b"GET /a b HTTP/1.1")
    assert (head.method, head.target, head.block.host) == (b"GET", b"/a b", b"")
    assert unreadable_head(b"hello").method == b"hello"
    assert len(unreadable_head(b"x" * 9999).method) == LOGGED_LINE_BYTES


@pytest.mark.parametrize(
    ("data", "accept", "language"),
    [
        (b"GET / HTTP/1.1\r\nBad\r\naccept: text/html\r\nAccept-Language:\tde \r\nCookie: ", b"text/html", b"de "),
        (b"GET / HTTP/1.1\r\nAccept: text/html\r\nAccept: */*\r\n\r\n", b"text/html", b""),
        (b"GET /\nAccept: text/html\r\nX-Accept: text/html\r\n\r\n", b"", b""),
        (b"GET / HTTP/1.1\r\nAccept : text/html\r\n\r\n", b"", b""),
        (b"GET / HTTP/1.1\r\nAccept: text/html\x00\r\n\r\n", b"text/html", b""),
    ],
)
def test_what_cannot_be_read_still_chooses_the_form_of_the_answer(data: bytes, accept: bytes, language: bytes) -> None:
    """The first line of the name, visible text alone; nothing else is taken from a head that was refused."""
    said = unreadable_head(data).block.fields
    assert (said.get(b"accept", b""), said.get(b"accept-language", b"")) == (accept, language)
    assert set(said) <= {b"accept", b"accept-language"}


# -- memory


def said(reader: RequestReader, line: bytes, block: bytes, *, cache: bool) -> object:
    """What a reader makes of a head, as something that can be compared."""
    try:
        head = reader.read(line, block, cache=cache)
    except MessageError as error:
        return str(error)
    known = {field.name: getattr(head.block, field.name) for field in fields(Block)}
    return head.method, head.target, head.minor, known


@pytest.mark.parametrize("message", requests(), ids=lambda message: message.name)
def test_cached_and_fresh_reading_say_the_same(message: object) -> None:
    """The memory is a shortcut, never an opinion: the whole corpus, first, second and uncached."""
    line, _, rest = without_empty_lines(message.sent).partition(b"\r\n")  # type: ignore[attr-defined]
    block = rest[: rest.find(b"\r\n\r\n") + 4] if not rest.startswith(b"\r\n") else b"\r\n"
    fresh = said(RequestReader(HeadLimits()), line, block, cache=False)
    assert [said(WARM, line, block, cache=cache) for cache in (True, True, False, False)] == [fresh] * 4


WARM = RequestReader(HeadLimits())


# -- a cookie is read apart

ORDINARY = b"GET / HTTP/1.1\r\nHost: x\r\nAccept: a\r\nCookie: one=1\r\nX-Last: z\r\n\r\n"


def meaning(reader: RequestReader, text: bytes, *, cache: bool) -> object:
    """What becomes of a complete head: everything that the gate acts on, and the lines for the upstream, sorted."""
    line, _, block = text.partition(b"\r\n")
    try:
        head = reader.cached[text] if cache else reader.read(line, block, cache=False)
    except MessageError as error:
        return str(error)
    known = head.block
    said = {name: value for name, value in known.fields.items() if name != b"cookie"}
    lines = sorted((known.forward + head.cookie).split(b"\r\n")), sorted(head.wire_head.split(b"\r\n"))
    return head.method, head.target, head.minor, known.host, known.framing, known.length, known.options, said, lines


@pytest.mark.parametrize("cookie", [b"", b"Cookie: a=b; c=d\r\n"])
@pytest.mark.parametrize("message", requests(), ids=lambda message: message.name)
def test_a_head_in_two_parts_means_the_same(message: object, cookie: bytes) -> None:
    """The whole corpus, as it is and with a cookie in the first place: first, second and uncached."""
    sent: bytes = without_empty_lines(message.sent)  # type: ignore[attr-defined]
    line, _, rest = sent[: sent.find(b"\r\n\r\n") + 4].partition(b"\r\n")
    text = line + b"\r\n" + cookie + rest
    fresh = meaning(RequestReader(HeadLimits()), text, cache=False)
    assert [meaning(WARM, text, cache=True) for _ in range(2)] == [fresh, fresh]


def test_a_new_cookie_leaves_the_block_as_it_was() -> None:
    """That is what saves the time; and each request has its own cookie."""
    reader = RequestReader(HeadLimits())
    first, second = (reader.cached[ORDINARY.replace(b"one=1", value)] for value in (b"one=1", b"two=2"))
    assert first.block is second.block
    assert (first.cookie, second.cookie) == (b"Cookie: one=1\r\n", b"Cookie: two=2\r\n")
    assert first.wire_head.endswith(first.cookie)
    assert second.wire_head.endswith(second.cookie)


@pytest.mark.parametrize(
    "lines",
    [
        b"Cookie: a\r\nCookie: b\r\n",
        b"Cookie: a\r\ncookie: b\r\n",
        b"COOKIE: a\r\nX: y\r\nCookie: b\r\n",
    ],
)
def test_several_cookies_keep_their_order(lines: bytes) -> None:
    """RFC 9110, 5.3: a proxy must not change the order of lines of one name."""
    text = b"GET / HTTP/1.1\r\nHost: x\r\n" + lines + b"\r\n"
    assert lines in RequestReader(HeadLimits()).cached[text].wire_head


@pytest.mark.parametrize("value", [b"a\x7f", b"a\x01b", b"a\nb", b"a\rb", b"a\r"])
def test_a_cookie_is_judged_as_any_other_line(value: bytes) -> None:
    """Beside a block that is known to be good."""
    reader = RequestReader(HeadLimits())
    assert reader.cached[ORDINARY].wire_head
    with pytest.raises(MessageError):
        reader.cached[ORDINARY.replace(b"one=1", value)]


def test_a_cookie_counts_for_the_limits() -> None:
    """Of lines, and of bytes."""
    fits = RequestReader(HeadLimits(count=4, head=len(ORDINARY)))
    assert fits.cached[ORDINARY].cookie
    for limits in (HeadLimits(count=3), HeadLimits(head=len(ORDINARY) - 1)):
        with pytest.raises(MessageError):
            RequestReader(limits).cached[ORDINARY]


def test_a_cookie_that_only_the_gate_may_set_does_not_pass() -> None:
    """``[identity] custom`` may name it."""
    head = RequestReader(HeadLimits(), frozenset({b"cookie"})).cached[ORDINARY]
    assert b"one=1" not in head.wire_head + head.block.forward + head.cookie


# -- what is cached


def test_a_cached_block_is_not_read_again() -> None:
    """It is the same object."""
    reader = RequestReader(HeadLimits())
    first, second = read(b"Host: x", reader=reader), read(b"Host: x", reader=reader, line=b"PUT /2 HTTP/1.1")
    assert first.block is second.block


def test_whoever_is_not_let_in_leaves_nothing_in_the_memory() -> None:
    """Nor gains anything from it: how long reading takes tells nobody what others sent."""
    reader = RequestReader(HeadLimits())
    admitted = read(b"Host: x", reader=reader)
    stranger = read(b"Host: x", reader=reader, cache=False)
    assert stranger.block is not admitted.block
    other = read(b"Host: y", reader=reader, cache=False)
    assert read(b"Host: y", reader=reader).block is not other.block


def test_strangers_have_a_small_memory_of_their_own() -> None:
    """Whatever they send takes 64 KiB of blocks, and nothing from who was let in."""
    reader = RequestReader(HeadLimits())
    admitted = read(b"Host: x", reader=reader)
    again = read(b"Host: y", reader=reader, cache=False)
    assert read(b"Host: y", reader=reader, cache=False).block is again.block
    for number in range(10 * CACHED_STRANGERS):
        read(b"Host: x", b"A: %d" % number, reader=reader, cache=False)
        read(b"Host: x", b"A: %b%d" % (b"a" * CACHED_STRANGER_BYTES, number), reader=reader, cache=False)
    assert len(reader._strangers) <= CACHED_STRANGERS
    assert max(map(len, reader._strangers)) <= CACHED_STRANGER_BYTES
    assert read(b"Host: x", reader=reader).block is admitted.block


def test_a_large_block_is_not_cached() -> None:
    """Entries are bounded in size."""
    reader = RequestReader(HeadLimits())
    large = b"X: " + b"a" * CACHED_BLOCK_BYTES
    assert read(b"Host: x", large, reader=reader).block is not read(b"Host: x", large, reader=reader).block


def test_a_target_that_is_rewritten_is_not_cached_with_the_block() -> None:
    """Only what depends on the block alone is shared."""
    reader = RequestReader(HeadLimits())
    assert read(b"Host: x", line=b"GET https://x/a HTTP/1.1", reader=reader).target == b"/a"
    assert read(b"Host: x", line=b"GET /b HTTP/1.1", reader=reader).target == b"/b"
