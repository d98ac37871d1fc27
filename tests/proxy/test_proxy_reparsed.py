"""What the gate lets through means to h11, which shares no code with it, what it meant to the gate."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatekeeper.proxy.snapshot import Snapshot
from gatekeeper.wire.foreign import BUILT_IN, folded
from tests.corpus.reading import requests
from tests.proxy.corpus import Asked, Played, at, in_one, plain, play
from tests.proxy.scene import Files, Scene

TAIL = b"GET /behind HTTP/1.1\r\nHost: app.example.com\r\n\r\n"
TOKEN = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
# Each example is a connection with a handshake: 5 ms.
few = settings(max_examples=120, deadline=None)


class Stage:
    """Makes a scene for each example."""

    def __init__(self, files: Files, snapshot: Snapshot) -> None:
        self._files, self._snapshot = files, snapshot

    def play(self, sent: bytes, *endpoints: int) -> Played:
        scene = Scene(self._files, self._snapshot)
        try:
            return play(scene, sent, at(*endpoints) if endpoints else in_one)
        finally:
            scene.close()


@pytest.fixture(scope="module")
def stage(files: Files, snapshot: Snapshot) -> Stage:
    return Stage(files, snapshot)


# -- requests that should pass


@dataclass(frozen=True)
class Meant:
    """A request as its author means it."""

    method: bytes
    target: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    chunks: tuple[bytes, ...] | None

    def written(self) -> bytes:
        lines = [b"%b %b HTTP/1.1" % (self.method, self.target), b"Host: app.example.com"]
        lines += [name + b":" + value for name, value in self.headers]
        if self.chunks is not None:
            body = b"".join(b"%x;x=y\r\n%b\r\n" % (len(one), one) for one in self.chunks) + b"0\r\n\r\n"
            lines.append(b"Transfer-Encoding: chunked")
        else:
            body = self.body
            lines += [b"Content-Length: %d" % len(body)] if body else []
        return b"\r\n".join([*lines, b"", body])


def latin(strategy: st.SearchStrategy[str]) -> st.SearchStrategy[bytes]:
    return strategy.map(lambda text: text.encode("latin-1"))


names = latin(
    st.text(TOKEN, min_size=1, max_size=12)
    | st.sampled_from(["X-SSL-Client-Verify", "x_forwarded_for", "X.Real.IP", "TE", "Cookie", "Keep-Alive", "X-Hop"])
)
values = latin(st.text([chr(code) for code in (*range(0x20, 0x7F), 0x09, *range(0x80, 0x100))], max_size=20))
SPECIAL = re.compile(rb"host|content-length|transfer-encoding|connection|upgrade|expect", re.IGNORECASE)
headers = st.tuples(names, values).filter(lambda pair: not SPECIAL.fullmatch(pair[0]))


@st.composite
def requests_that_pass(draw: st.DrawFn) -> Meant:
    method = draw(latin(st.text(TOKEN, min_size=1, max_size=8)).filter(lambda name: name not in (b"CONNECT", b"TRACE")))
    target = b"/" + draw(latin(st.text([chr(code) for code in range(0x21, 0x7F) if code != 0x23], max_size=20)))
    fields = draw(st.lists(headers, max_size=6))
    hop = draw(st.sampled_from([[], [(b"Connection", b"X-Hop, keep-alive")]]))
    chunks = draw(st.none() | st.lists(st.binary(min_size=1, max_size=30), max_size=4).map(tuple))
    body = b"".join(chunks) if chunks is not None else draw(st.binary(max_size=40))
    return Meant(method, target, (*fields, *hop), body, chunks)


def should_pass(name: bytes, *, hop: bool) -> bool:
    """The rules for names, said once more and in other words than the gate's."""
    spelled = "".join(char if char.isalnum() else "-" for char in name.decode("ascii").lower())
    never = {"forwarded", "x-real-ip", "x-request-id", "client-cert", "client-cert-chain", "proxy", "te"}
    never |= {"remote-user", "remote-groups", "remote-email", "remote-name"}
    never |= {"keep-alive", "proxy-connection", "proxy-authorization", "proxy-authenticate", "http2-settings"}
    never |= {"connection", "host", "content-length", "transfer-encoding", "upgrade"}
    ours = spelled.startswith(("x-ssl-client-", "x-forwarded-", "gatekeeper-")) or spelled in never
    # The names of other proxies are a list of their own, which tests/wire holds entry by entry.
    ours = ours or folded(name) in BUILT_IN
    return not ours and b"_" not in name and not (hop and name.lower() == b"x-hop")


@few
@given(meant=requests_that_pass(), endpoints=st.lists(st.integers(1, 10**6), max_size=3))
def test_a_request_means_to_the_app_what_it_meant_to_the_client(
    stage: Stage, meant: Meant, endpoints: list[int]
) -> None:
    """The same method, target, headers less the rules, and body; and exactly one request before the next."""
    result = stage.play(meant.written() + TAIL, *endpoints)
    assert result.statuses == [200, 200]
    asked, behind = result.apps.requests
    assert behind.target == b"/behind"
    assert (asked.method, asked.target, asked.body) == (meant.method, meant.target, meant.body)
    hop = any(name == b"Connection" for name, _ in meant.headers)
    expected = [(name, value.strip(b" \t")) for name, value in meant.headers if should_pass(name, hop=hop)]
    assert [pair for pair in plain(asked.headers) if not SPECIAL.fullmatch(pair[0])] == expected
    assert framing(asked) == (
        [(b"transfer-encoding", b"chunked")]
        if meant.chunks is not None
        else [(b"content-length", b"%d" % len(meant.body))] * bool(meant.body)
    )


def framing(asked: Asked) -> list[tuple[bytes, bytes]]:
    said = [(name.lower(), value) for name, value in asked.headers]
    return [(name, value) for name, value in said if name in (b"content-length", b"transfer-encoding")]


# -- anything at all

SEEDS = [message.sent for message in requests() if len(message.sent) < 600]
PIECES = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\x00",
    b" ",
    b"\t",
    b"\x0b",
    b":",
    b",",
    b";",
    b"0",
    b"5",
    b"\r\n\r\n",
    b"0\r\n\r\n",
    b"Content-Length: 3\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: x\r\n",
    b"Connection: close\r\n",
    b"Host: x\r\n",
    b"Expect: 100-continue\r\n",
    b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n",
]


@st.composite
def spoiled(draw: st.DrawFn) -> bytes:
    """A message of the corpus, or two, with something cut out and something put in."""
    sent = b"".join(draw(st.lists(st.sampled_from(SEEDS), min_size=1, max_size=2)))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(sent)))
        end = min(len(sent), start + draw(st.integers(0, 3)))
        sent = sent[:start] + draw(st.sampled_from(PIECES) | st.binary(max_size=2)) + sent[end:]
    return sent


def finals(result: Played) -> Iterator[int]:
    return (status for status in result.statuses if status >= 200)


@few
@given(sent=spoiled(), endpoints=st.lists(st.integers(1, 10**6), min_size=1, max_size=4))
def test_whatever_comes_every_request_is_answered_once_and_in_order(
    stage: Stage, sent: bytes, endpoints: list[int]
) -> None:
    """h11 makes sense of all that the app gets, each 200 is one request of it, and nothing follows a refusal.

    How it was split makes no difference.
    """
    result = stage.play(sent + TAIL)
    answers = list(finals(result))
    executed = answers.count(200)
    assert executed == len(result.apps.requests)
    assert answers[:executed] == [200] * executed
    assert len(answers) - executed == (1 if answers[executed:] else 0)
    assert all(own == result.apps.gates_own[0] for own in result.apps.gates_own)
    if answers[executed:]:
        assert result.closed
        assert b"/behind" not in [asked.target for asked in result.apps.requests]
    assert stage.play(sent + TAIL, *endpoints).meaning == result.meaning
