"""Conditional requests for revocation lists (RFC 9110, 13): which validators are sent back, and when."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gatekeeper.proxy.crl_fetcher import LONGEST_SECONDS, SHORTEST_SECONDS
from tests.certificates import NOW
from tests.gate.lists import der, make_crl
from tests.proxy.fetching import EMPTY, HOUR, WITH_BOB, Scene, body, player, status


@pytest.fixture
def play(tmp_path: Path) -> Callable[..., None]:
    return player(tmp_path)


def test_an_unchanged_list_is_not_sent_again(play: Callable[..., None]) -> None:
    """RFC 9110, 13.1: by ETag and Last-Modified, of the list that is kept."""

    async def script(scene: Scene) -> None:
        scene.answer = body(EMPTY, ETag='"1"', Last_Modified="Sun, 29 Nov 2026 08:00:00 GMT")
        await scene.fetcher.fetch_due()
        scene.now += LONGEST_SECONDS
        scene.answer = status(304)
        await scene.fetcher.fetch_due()
        first, second = (request.headers for request in scene.asked)
        assert "If-None-Match" not in first
        assert (second["If-None-Match"], second["If-Modified-Since"]) == ('"1"', "Sun, 29 Nov 2026 08:00:00 GMT")
        assert second["Accept-Encoding"] == "identity"
        assert (scene.kept, scene.counted) == (EMPTY, ["fetched", "unchanged"])

    play(script)


@pytest.mark.parametrize("validator", ["x" * 257, '"\u00e4"', '"a\tb"'], ids=["long", "not ASCII", "a tab"])
def test_a_validator_that_the_server_could_refuse_is_not_sent(play: Callable[..., None], validator: str) -> None:
    """Whoever answers once in place of the server, with a list of its own, would stop every later fetch by that."""

    async def script(scene: Scene) -> None:
        scene.answer = body(EMPTY, ETag=validator, Last_Modified=validator)
        await scene.fetcher.fetch_due()
        scene.now += LONGEST_SECONDS
        scene.answer = body(WITH_BOB)
        await scene.fetcher.fetch_due()
        assert not {"If-None-Match", "If-Modified-Since"} & scene.asked[1].headers.keys()
        assert scene.kept == WITH_BOB

    play(script)


def test_a_validator_of_the_longest_length_is_sent(play: Callable[..., None]) -> None:
    """The near miss."""

    async def script(scene: Scene) -> None:
        scene.answer = body(EMPTY, ETag="x" * 256)
        await scene.fetcher.fetch_due()
        scene.now += LONGEST_SECONDS
        scene.answer = status(304)
        await scene.fetcher.fetch_due()
        assert scene.asked[1].headers["If-None-Match"] == "x" * 256

    play(script)


def test_a_list_that_has_ended_is_asked_for_without_a_condition(play: Callable[..., None]) -> None:
    """A server whose clock was wrong when it said Last-Modified would call it unchanged until that time comes."""

    async def script(scene: Scene) -> None:
        scene.answer = body(der(make_crl(ends=NOW + HOUR)), Last_Modified="Sun, 29 Nov 2099 08:00:00 GMT")
        await scene.fetcher.fetch_due()
        scene.answer = status(304)
        scene.now += HOUR.total_seconds() - 1
        await scene.fetcher.fetch_due()
        scene.answer = body(WITH_BOB)
        scene.now += SHORTEST_SECONDS
        await scene.fetcher.fetch_due()
        assert ["If-Modified-Since" in request.headers for request in scene.asked] == [False, True, False]
        assert scene.kept == WITH_BOB

    play(script)


def test_a_lost_list_is_fetched_anew(play: Callable[..., None]) -> None:
    """Somebody deleted the file: at once, and without asking whether it has changed."""

    async def script(scene: Scene) -> None:
        scene.answer = body(EMPTY, ETag='"1"')
        await scene.fetcher.fetch_due()
        scene.folder.list_path(scene.url).unlink()
        await scene.fetcher.fetch_due()
        assert scene.kept == EMPTY
        assert "If-None-Match" not in scene.asked[1].headers

    play(script)
