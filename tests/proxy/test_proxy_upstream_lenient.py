"""Devices that take HTTP lightly (``upstream.lenient``): what they say is repaired, and visitors get it well-formed."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from tests.proxy.browser import Browser
from tests.proxy.corpus import read_responses
from tests.proxy.scene import OK, Files, Scene, Visitor, get, request, undated

LENIENT = {"upstream": {"url": "http://127.0.0.1:8000", "lenient": True}}


@pytest.fixture
def device(make_scene: Callable[..., Scene]) -> Scene:
    return make_scene(**LENIENT)


def ask(scene: Scene, *pieces: bytes, closes: bool = False, asked: bytes = get("/")) -> bytes:
    """What a new visitor gets for what the device says."""
    alice = scene.alice()
    alice.send(asked)
    scene.app.last.transport.peer_sends_each(pieces)
    if closes:
        scene.app.last.close()
    return undated(alice.read())


@pytest.mark.parametrize(
    ("sent", "got"),
    [
        (b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        (
            b"HTTP/1.1 200 OK\r\nServer: a\x01b\r\nContent-Length: 2\r\n\r\nok",
            b"HTTP/1.1 200 OK\r\nServer: a b\r\nContent-Length: 2\r\n\r\nok",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        ),
        (
            b"HTTP/1.0 200 OK\nTransfer-Encoding: chunked\n\n2 \nok\n0\nX-Sum\n\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        ),
        (
            b"HTTP/1.1 100 Continue\n\nHTTP/1.1 200 OK\nContent-Length: 2\n\nok",
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        ),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_sloppy_response_becomes_a_well_formed_one(device: Scene, sent: bytes, got: bytes, size: int) -> None:
    """However it is cut; and the connection is not used again, because its end was not certain."""
    whole = ask(device, *(sent[start : start + size] for start in range(0, len(sent), size)))
    statuses, bodies, complete = read_responses(whole, [b"GET"], closed=False)
    assert (statuses, bodies, complete) == ([200], [b"ok"], True)
    if size == 1000:
        assert whole == got
    assert device.app.last.is_gone


def test_without_the_key_it_is_a_bad_gateway(scene: Scene) -> None:
    """The strict reader stands alone then."""
    assert ask(scene, b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok").startswith(b"HTTP/1.1 502 ")
    assert ask(scene, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n").startswith(
        b"HTTP/1.1 502 "
    )


def test_a_well_formed_response_is_passed_on_as_ever(device: Scene) -> None:
    """And its connection is kept."""
    assert ask(device, OK) == undated(OK)
    assert ask(device, OK) == undated(OK)
    assert len(device.app.connections) == 1


def test_a_well_formed_chunked_response_ends_its_connection(device: Scene) -> None:
    """Its head alone does not tell whether the rest is well-formed too."""
    assert ask(device, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n").endswith(
        b"ok\r\n0\r\n\r\n"
    )
    assert device.app.last.is_gone


@pytest.mark.parametrize("end", [b"0\r\n", b"0\r\n\r", b"0\n"])
def test_the_last_line_of_chunks_may_be_missing(device: Scene, end: bytes) -> None:
    """Where the device closes the connection instead."""
    got = ask(device, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", end, closes=True)
    assert got.endswith(b"2\r\nok\r\n0\r\n\r\n")


@pytest.mark.parametrize("rest", [b"", b"2\r\no", b"0", b"0\r\nX-Su"])
def test_chunks_that_are_cut_stay_cut(device: Scene, rest: bytes) -> None:
    """Without the last chunk nobody knows what is missing."""
    alice = device.alice()
    alice.send(get("/"))
    device.app.last.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n" + rest)
    device.app.last.close()
    assert not alice.read().endswith(b"0\r\n\r\n")
    assert not alice.said_goodbye
    assert alice.is_gone


def test_a_reset_is_no_end_of_chunks(device: Scene) -> None:
    """The last chunk may have had trailers behind it, or not have been the last."""
    alice = device.alice()
    alice.send(get("/"))
    device.app.last.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n")
    device.app.last.reset()
    assert not alice.read().endswith(b"0\r\n\r\n")
    assert not alice.said_goodbye


def test_what_has_no_length_ends_with_the_connection(device: Scene) -> None:
    """-1 is no length."""
    got = ask(device, b"HTTP/1.1 200 OK\nContent-Length: -1\n\nok", closes=True)
    assert got == b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        b"HTTP/1.1 200 OK\nContent-Length: 2\nContent-Length: 3\n\nok!",
        b"HTTP/1.1 200 OK\nTransfer-Encoding: gzip, chunked\n\n",
        b"<html>not HTTP at all</html>",
        b"HTTP/1.1 200 OK\n" + b"X: y\n" * 20_000,
        b"HTTP/1.1 101 Switching\nConnection: upgrade\nUpgrade: h2c\n\n",
        b"HTTP/1.1 103 Hints\n\n" * 17,
    ],
)
def test_what_cannot_be_repaired_is_a_bad_gateway(device: Scene, sent: bytes) -> None:
    """All other rules hold as ever."""
    alice = device.alice()
    alice.send(get("/"))
    device.app.last.send(sent)
    assert b"HTTP/1.1 502 " in alice.read()
    assert device.app.last.is_gone


def test_head_has_no_body(device: Scene) -> None:
    """Whatever its head says, and if one comes all the same, it is not passed on."""
    got = ask(device, b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", asked=request("HEAD", "/"))
    assert got == b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"


def test_visitors_of_http2_get_it_too(stage: Any, files: Files) -> None:
    """A control character in a field would be an error of the whole connection there (RFC 9113, 8.2.1)."""
    scene = stage(**LENIENT)
    browser = Browser(scene, files.alice)
    stream = browser.ask()
    scene.app.last.send(b"HTTP/1.1 200 OK\nX: a\x01b\nContent-Length: 2\n\nok")
    browser.read()
    assert browser.answers[stream].headers["x"] == "a b"
    assert browser.answers[stream].content == b"ok"


# -- whatever comes

SAID = (
    b"HTTP/1.1 200 OK\r\nServer: device\r\nContent-Type: text/html\r\nContent-Length: 12\r\n\r\n<p>hello</p>",
    b"HTTP/1.0 200 OK\nServer: device\nContent-Length: 5\nContent-Length: 5\n\nhello",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"
    b"5\r\nhello\r\n3;a=b\r\nyou\r\n0\r\nX: y\r\n\r\n",
    b'HTTP/1.0 401 No\r\nWWW-Authenticate: Basic realm="\x07"\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nno',
    b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 204 No Content\r\nX: y\r\n\r\n",
    b"HTTP/1.1 302 Found\nLocation: /\n folded\nConnection: close\n\n",
)
ODD = (
    b"\r",
    b"\n",
    b"\r\n",
    b"\n\n",
    b"\x00",
    b"\t",
    b" ",
    b":",
    b",",
    b"0",
    b"5",
    b"-",
    b"\xff",
    b"chunked",
    b"HTTP/1.1 200 OK\r\n\r\n",
)
ROUNDS = 200


def sloppy(dice: random.Random) -> bytes:
    """A response with one to four pieces changed, put in or left out."""
    sent = bytearray(dice.choice(SAID))
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(sent))
        sent[at : at + dice.choice((0, 0, 1, 2, 9))] = dice.choice((*ODD, b""))
        if dice.random() < 0.2:
            lines = bytes(sent).split(b"\n")
            lines.insert(dice.randrange(len(lines)), dice.choice(lines))
            sent = bytearray(b"\n".join(lines))
    return bytes(sent)


def cut(sent: bytes, dice: random.Random) -> list[bytes]:
    """In up to four pieces."""
    places = sorted(dice.randrange(len(sent) + 1) for _ in range(dice.randint(0, 3)))
    return [sent[start:end] for start, end in zip([0, *places], [*places, len(sent)], strict=True) if start < end]


def judge(alice: Visitor, got: bytes) -> bool:
    """An independent parser reads one response, or one that is detectably cut; or the gate's own 502."""
    head = got.partition(b"\r\n\r\n")[0]
    assert b"\n" not in head.replace(b"\r\n", b"")
    assert not any(byte < 32 and byte not in b"\r\n\t" for byte in head)
    statuses, _, whole = read_responses(got, [b"GET"], closed=alice.said_goodbye)
    final = [status for status in statuses if status >= 200]
    assert len(final) == 1 or (not final and not alice.said_goodbye), got
    assert whole or not alice.said_goodbye, got
    return whole


@pytest.mark.parametrize("seed", range(4))
def test_whatever_a_device_says_the_visitor_gets_a_response(device: Scene, seed: int) -> None:
    """Well-formed, or 502, or cut so that the client can tell; and the next visitor gets what was meant for it."""
    dice, bob, whole = random.Random(seed), device.alice(), 0
    for _ in range(ROUNDS):
        sent = sloppy(dice)
        alice = device.alice()
        alice.send(get("/first"))
        first = device.app.last
        first.transport.peer_sends_each(cut(sent, dice))
        if dice.random() < 0.5 and not first.transport.closing:
            first.close()
        device.loop.advance(61)
        whole += judge(alice, alice.read())
        alice.leave()
        bob.send(get("/second"))
        assert device.app.last.read().endswith(b"\r\n\r\n")
        assert device.serve(bob) == OK, sent
    assert whole > ROUNDS / 2
