"""The connections of ``tests/corpus/streams/``, through the real protocols and real TLS, in memory."""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import hpack
import pytest

from gatekeeper.wire.http2.frames import CONTINUATION, GOAWAY, HEADERS, RST_STREAM
from tests.corpus.streams import START, StreamMessage, streams
from tests.proxy.browser import shake_hands
from tests.proxy.corpus import Apps
from tests.proxy.scene import Files, Scene, Visitor

MESSAGES = streams()
every_message = pytest.mark.parametrize("message", MESSAGES, ids=[message.name for message in MESSAGES])
# Longer messages are not sent byte by byte: what they test is size.
SHORT = 2000


@dataclass
class Played:
    """What became of a connection."""

    statuses: dict[int, int] = field(default_factory=dict)
    resets: dict[int, int] = field(default_factory=dict)
    goaway: int = 0
    app: bytes = b""


def play(scene: Scene, files: Files, pieces: Iterable[bytes]) -> Played:
    """Have Alice send this, behind what every client says first."""
    visitor = Visitor(scene, ("192.0.2.7", 50000))
    shake_hands(visitor, files.alice, "app.example.com")
    visitor.send(START)
    for piece in pieces:
        visitor.send(piece)
    apps = Apps(scene.app)
    apps.work()
    played = Played(app=apps.raw)
    decoder = hpack.Decoder()
    data = visitor.read()
    while data:
        size, kind, stream = int.from_bytes(data[:3]), data[3], int.from_bytes(data[5:9])
        payload, data = data[9 : 9 + size], data[9 + size :]
        assert kind != CONTINUATION, "no answer here is so long"
        if kind == HEADERS:
            status = int(dict(decoder.decode(payload, raw=True))[b":status"])
            if status >= 200:
                played.statuses[stream] = status
        elif kind == RST_STREAM:
            played.resets[stream] = int.from_bytes(payload)
        elif kind == GOAWAY:
            played.goaway = int.from_bytes(payload[4:8])
    return played


def check(message: StreamMessage, played: Played) -> None:
    assert (played.statuses, played.resets, played.goaway) == (message.statuses, message.resets, message.goaway)
    if message.cut:
        assert message.app.startswith(played.app)
    else:
        assert played.app == message.app


@every_message
def test_a_connection_has_its_outcome(stage: Callable[..., Any], files: Files, message: StreamMessage) -> None:
    """The client gets these answers, and the app exactly these bytes."""
    check(message, play(stage(), files, [message.sent]))


@every_message
def test_how_a_connection_is_split_makes_no_difference(
    stage: Callable[..., Any], files: Files, message: StreamMessage
) -> None:
    """At random places, and byte by byte: what is answered is the same, whatever came meanwhile."""
    chance = random.Random(message.name)
    for count in (1, 6):
        cuts = sorted({0, len(message.sent), *(chance.randrange(len(message.sent)) for _ in range(count))})
        pieces = [message.sent[start:end] for start, end in pairwise(cuts)]
        check(message, play(stage(), files, pieces))
    if len(message.sent) <= SHORT:
        check(message, play(stage(), files, [bytes((byte,)) for byte in message.sent]))
