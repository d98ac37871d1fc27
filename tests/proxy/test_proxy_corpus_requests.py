"""The hostile and odd requests of ``tests/corpus/requests/``, through the real protocols and real TLS, in memory."""

import json
import random
from collections.abc import Callable

import pytest

from gatekeeper.proxy.snapshot import Snapshot
from tests.corpus.reading import RequestMessage, requests
from tests.proxy.corpus import Played, at, byte_by_byte, in_one, play
from tests.proxy.scene import Files, Scene

MESSAGES = requests()
every_message = pytest.mark.parametrize("message", MESSAGES, ids=[message.name for message in MESSAGES])
# A request that must never be executed behind a bad one, and once behind a good one.
TAIL = b"GET /behind HTTP/1.1\r\nHost: app.example.com\r\n\r\n"
# Longer messages are not sent byte by byte: what they test is size.
SHORT = 2000


@pytest.fixture(scope="module")
def gates_own(files: Files, snapshot: Snapshot) -> list[tuple[bytes, bytes]]:
    """What the app is told about Alice with the plainest request there is."""
    scene = Scene(files, snapshot)
    try:
        own = play(scene, TAIL, in_one).apps.gates_own[0]
    finally:
        scene.close()
    said = dict(own)
    assert said[b"x-ssl-client-verify"] == b"SUCCESS"
    assert said[b"x-ssl-client-s-dn"] == b"CN=alice"
    assert said[b"x-real-ip"] == said[b"x-forwarded-for"] == b"192.0.2.7"
    assert len(own) == 11
    return own


@every_message
def test_a_message_has_its_outcome(
    make_scene: Callable[..., Scene], message: RequestMessage, gates_own: list[tuple[bytes, bytes]]
) -> None:
    """The client gets these answers, and the app exactly these bytes, and of the gate's own what it always gets."""
    played = play(make_scene(), message.sent, in_one)
    check(message, played)
    assert all(own == gates_own for own in played.apps.gates_own)
    if not message.cut:
        assert played.apps.raw == message.app


@every_message
def test_how_a_message_is_split_makes_no_difference(make_scene: Callable[..., Scene], message: RequestMessage) -> None:
    """Byte by byte, and at random endpoints: one answer, one meaning."""
    chance = random.Random(message.name)
    splits = [at(*(chance.randrange(len(message.sent)) for _ in range(count))) for count in (1, 6)]
    if len(message.sent) <= SHORT:
        splits.append(byte_by_byte)
    whole = play(make_scene(), message.sent, in_one)
    for split in splits:
        played = play(make_scene(), message.sent, split)
        check(message, played)
        assert played.meaning == whole.meaning


@every_message
def test_a_request_behind_is_executed_exactly_if_the_connection_goes_on(
    make_scene: Callable[..., Scene], message: RequestMessage
) -> None:
    """Behind a bad request nobody knows where the next one begins, so nothing there is ever executed."""
    played = play(make_scene(), message.sent + TAIL, in_one)
    executed = [asked.target for asked in played.apps.requests].count(b"/behind")
    assert executed == (0 if message.closes else 1)
    assert played.statuses[-1] == (message.statuses[-1] if message.closes else 200)
    assert played.closed == message.closes


@every_message
def test_nothing_of_a_message_reaches_the_app_without_a_certificate(scene: Scene, message: RequestMessage) -> None:
    """Whoever is not let in gets the 400 or the 403, and the app is not even connected to."""
    played = play(scene, message.sent, in_one, admitted=False)
    assert not scene.app.attempts
    assert played.closed
    first = message.statuses[0]
    assert played.statuses == [first if first >= 400 and not message.cut else 403]


def check(message: RequestMessage, played: Played) -> None:
    """What holds for a message however it is split."""
    finals = [status for status in played.statuses if status >= 200]
    assert finals == list(message.statuses)
    assert played.whole
    assert played.closed == message.closes
    assert played.apps.cut == message.cut
    if message.broken:
        assert json.loads(played.bodies[-1])["detail"] == message.broken.sentence
    if played.closed:
        assert played.goodbye
