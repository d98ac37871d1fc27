"""The hostile and odd responses of ``tests/corpus/responses/``, from an app that a client asked something."""

import json
import random
from collections.abc import Callable, Iterator

import pytest

from tests.corpus.reading import RULES, ResponseMessage, responses
from tests.proxy.corpus import at, byte_by_byte, in_one, read_responses
from tests.proxy.scene import OK, Scene, Visitor, undated

MESSAGES = responses()
every_message = pytest.mark.parametrize("message", MESSAGES, ids=[message.name for message in MESSAGES])
SHORT = 2000
Split = Callable[[bytes], Iterator[bytes]]


@every_message
def test_a_response_has_its_outcome(scene: Scene, message: ResponseMessage) -> None:
    """The client gets exactly these bytes, or a 502; what was wrong is in the access log only."""
    alice = asked(scene, message)
    answer(scene, message, in_one)
    got = alice.read()
    if message.client:
        assert undated(got) == undated(message.client)
        assert b"\r\nDate: " in got
    check(message, alice, got)


@every_message
def test_how_a_response_is_split_makes_no_difference(
    make_scene: Callable[..., Scene], message: ResponseMessage
) -> None:
    """Byte by byte, and at random endpoints: the client gets the same statuses and the same content, whole or cut."""
    chance = random.Random(message.name)
    splits: list[Split] = [at(*(chance.randrange(len(message.sent) or 1) for _ in range(count))) for count in (1, 6)]
    if len(message.sent) <= SHORT:
        splits.append(byte_by_byte)
    for split in splits:
        scene = make_scene()
        alice = asked(scene, message)
        answer(scene, message, split)
        got = undated(alice.read())
        check(message, alice, got)
        if message.client:
            method = [message.method.encode()]
            closed = alice.was_sent_away
            assert read_responses(got, method, closed=closed) == read_responses(message.client, method, closed=closed)


@every_message
def test_the_next_request_is_never_answered_with_what_was_left(scene: Scene, message: ResponseMessage) -> None:
    """The app's connection is used again only where nobody can be in doubt about where it stands."""
    alice = asked(scene, message)
    first = scene.app.last
    answer(scene, message, in_one)
    alice.read()
    assert first.is_gone == (not message.kept)
    bob = scene.alice()
    bob.send(b"GET /next HTTP/1.1\r\nHost: app.example.com\r\n\r\n")
    assert (scene.app.last is first) == message.kept
    assert scene.app.last.read().startswith(b"GET /next ")
    assert scene.serve(bob) == OK


def asked(scene: Scene, message: ResponseMessage) -> Visitor:
    alice = scene.alice()
    alice.send(f"{message.method} / HTTP/{message.version}\r\nHost: app.example.com\r\n\r\n".encode())
    scene.app.last.read()
    return alice


def answer(scene: Scene, message: ResponseMessage, split: Split) -> None:
    scene.app.last.transport.peer_sends_each(split(message.sent))
    if message.closed:
        scene.app.last.close()


def check(message: ResponseMessage, alice: Visitor, got: bytes) -> None:
    """What holds for a response however it is split."""
    statuses, bodies, whole = read_responses(got, [message.method.encode()], closed=alice.was_sent_away)
    if message.status:
        assert statuses == [message.status]
        rule = RULES.get(message.rule)
        assert rule is None or json.loads(bodies[-1])["detail"] == "The app's response cannot be passed on."
        assert rule is None or rule.sentence in alice.scene.log.records[-1]["detail"]
    if message.cut:
        assert alice.is_gone
        assert not alice.said_goodbye
        assert alice.scene.log.records[-1]["detail"]
        assert not whole or message.version == "1.0"  # an HTTP/1.0 client can tell by the missing goodbye alone
    else:
        assert whole
        assert not alice.is_gone or alice.said_goodbye
        assert alice.was_sent_away == alice.said_goodbye == (message.version == "1.0")
