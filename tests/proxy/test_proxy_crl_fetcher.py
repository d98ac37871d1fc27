"""Fetching revocation lists over real HTTP: what is kept, what is not, when, and by whom."""

import asyncio
import datetime
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import web

from gatekeeper.proxy.crl_fetcher import (
    LONGEST_RETRY_SECONDS,
    LONGEST_SECONDS,
    RETRY_SECONDS,
    SHORTEST_SECONDS,
)
from gatekeeper.proxy.crl_folder import MAX_SIZE
from gatekeeper.proxy.revocations import load_revocations
from tests.certificates import DAY, NOW, make_authority
from tests.gate.lists import BOB, der, make_crl
from tests.proxy.fetching import EMPTY, HOUR, OTHER, WITH_BOB, Answer, Scene, body, named_at, numbered, player, status


@pytest.fixture
def play(tmp_path: Path) -> Callable[..., None]:
    return player(tmp_path)


def test_a_list_is_fetched_and_in_force(play: Callable[..., None]) -> None:
    """Kept as it came, verified, and loaded like a file."""

    async def script(scene: Scene) -> None:
        assert "has not been fetched yet" in scene.said
        scene.answer = body(WITH_BOB)
        await scene.fetcher.fetch_due()
        assert scene.kept == WITH_BOB
        assert scene.revoked() == {BOB.certificate.serial_number}
        assert (scene.counted, scene.said) == (["fetched"], "")

    play(script)


def test_until_it_is_fetched_nobody_is_covered(play: Callable[..., None]) -> None:
    """An empty set of lists, and not none: whoever switches the server off lets nobody in by that."""

    async def script(scene: Scene) -> None:
        loaded = load_revocations(scene.auth, scene.authorities)
        assert loaded is not None
        assert loaded.every == []

    play(script)


BAD: dict[str, tuple[Answer, str]] = {
    "another authority's": (body(der(make_crl(issuer=OTHER))), "which is not in client_auth.ca"),
    "a namesake's": (body(der(make_crl(issuer=make_authority("Home CA")))), "the signature on the CRL"),
    "a changed one": (body(WITH_BOB[:-1] + bytes([WITH_BOB[-1] ^ 1])), "the signature on the CRL"),
    "a page": (body(b"<html>not found</html>"), "cannot be read as a CRL"),
    "nothing": (body(b""), "cannot be read as a CRL"),
    "not found": (status(404), "status 404"),
    "unchanged, though nothing is kept": (status(304), "status 304"),
    "a redirect": (status(302, Location="http://127.0.0.1:1/ca.crl"), "status 302"),
    "something compressed": (body(EMPTY, Content_Encoding="gzip"), "compressed"),
    "too much": (body(bytes(MAX_SIZE + 1)), "larger than 64 MiB"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_is_not_kept(play: Callable[..., None], kind: str) -> None:
    """The old list stays in force; it is counted, and said until a fetch works again."""

    async def script(scene: Scene) -> None:
        scene.answer, why = BAD[kind]
        await scene.fetcher.fetch_due()
        assert scene.kept is None
        assert why in scene.said
        assert "everyone it covers is refused" in scene.said
        scene.now += RETRY_SECONDS
        scene.answer = body(WITH_BOB)
        await scene.fetcher.fetch_due()
        assert scene.said == ""
        scene.now += LONGEST_SECONDS
        if kind != "unchanged, though nothing is kept":
            scene.answer = BAD[kind][0]
            await scene.fetcher.fetch_due()
            assert scene.kept == WITH_BOB
            assert f"{why}" in scene.said
            assert "the one before it stays in force" in scene.said
            assert scene.counted == ["failed", "fetched", "failed"]

    play(script)


@pytest.mark.parametrize(
    "older",
    [
        numbered(4, begins=NOW - HOUR / 2),
        numbered(5, begins=NOW - 2 * HOUR),
        der(make_crl(begins=NOW - 2 * HOUR)),
    ],
    ids=["a lower number", "an earlier thisUpdate", "an earlier one without a number"],
)
def test_a_list_from_before_a_revocation_is_not_taken(play: Callable[..., None], older: bytes) -> None:
    """It is well signed and not over, and whoever stands between the authority and the gate may have kept it."""

    async def script(scene: Scene) -> None:
        scene.answer = body(numbered(5, BOB))
        await scene.fetcher.fetch_due()
        scene.now += LONGEST_SECONDS
        scene.answer = body(older)
        await scene.fetcher.fetch_due()
        assert scene.revoked() == {BOB.certificate.serial_number}
        assert "older than the one before it" in scene.said

    play(script)


def test_the_next_list_takes_the_place_of_the_one_before(play: Callable[..., None]) -> None:
    """The near miss: the same number again, then a higher one."""

    async def script(scene: Scene) -> None:
        for content in (numbered(5), numbered(5), numbered(6, BOB)):
            scene.answer = body(content)
            await scene.fetcher.fetch_due()
            assert scene.kept == content
            scene.now += LONGEST_SECONDS
        assert scene.counted == ["fetched"] * 3

    play(script)


def test_a_worker_that_starts_later_does_not_ask_again(play: Callable[..., None]) -> None:
    """Another one has fetched since the start of the gate. Or it is one that replaces a worker that was killed."""

    async def script(scene: Scene) -> None:
        gate_began = scene.now
        await scene.fetcher.fetch_due()
        scene.now += 10
        await scene.worker(began=gate_began).fetch_due()
        assert len(scene.asked) == 1

    play(script)


def test_a_restart_asks_again(play: Callable[..., None]) -> None:
    """Whoever was revoked a moment ago is on the next list; the one that was kept may have hours to go."""

    async def script(scene: Scene) -> None:
        scene.answer = body(EMPTY, ETag='"1"')
        await scene.fetcher.fetch_due()
        await scene.fetcher.fetch_due()
        assert len(scene.asked) == 1
        scene.now += 1.0
        scene.answer = status(304)
        again = scene.worker()
        await again.fetch_due()
        await again.fetch_due()
        assert (len(scene.asked), scene.kept) == (2, EMPTY)

    play(script)


@pytest.mark.parametrize(
    ("ends", "pause"),
    [
        (NOW + datetime.timedelta(minutes=1), SHORTEST_SECONDS),
        (NOW + 2 * HOUR, 3600.0),
        (NOW + 9 * DAY, LONGEST_SECONDS),
        (NOW - HOUR / 2, SHORTEST_SECONDS),
    ],
)
def test_when_the_next_fetch_is_due(play: Callable[..., None], ends: datetime.datetime, pause: float) -> None:
    """After half of the time that is left, so that a failed fetch can be repeated; within bounds."""

    async def script(scene: Scene) -> None:
        scene.answer = body(der(make_crl(ends=ends)))
        await scene.fetcher.fetch_due()
        scene.now += pause - 1
        await scene.fetcher.fetch_due()
        assert len(scene.asked) == 1
        scene.now += 1
        await scene.fetcher.fetch_due()
        assert len(scene.asked) == 2

    play(script)


def test_failures_are_repeated_less_and_less_often(play: Callable[..., None]) -> None:
    """From a minute to an hour: a server that is down is not asked by every gate at once when it comes back."""

    async def script(scene: Scene) -> None:
        scene.answer = status(503)
        waits = []
        for _ in range(8):
            await scene.fetcher.fetch_due()
            fetch = scene.folder.fetch(scene.url)
            assert fetch is not None
            waits.append(fetch.due - scene.now)
            scene.now = fetch.due
        assert waits[:3] == [RETRY_SECONDS, 2 * RETRY_SECONDS, 4 * RETRY_SECONDS]
        assert waits[-1] == LONGEST_RETRY_SECONDS

    play(script)


def test_a_server_that_says_nothing_is_not_waited_for(play: Callable[..., None]) -> None:
    """The time limit is for all of it, connecting and the last byte too."""

    async def script(scene: Scene) -> None:
        silent = asyncio.Event()

        async def answer(_: web.Request) -> web.StreamResponse:
            await silent.wait()
            return web.Response()

        scene.answer = answer
        await scene.fetcher.fetch_due()
        assert "nothing came in time" in scene.said
        silent.set()

    play(script, patience=0.05)


def test_several_workers_fetch_once(play: Callable[..., None]) -> None:
    """One holds the lock, and the others find the list in the folder."""

    async def script(scene: Scene) -> None:
        arrived, go_on = asyncio.Event(), asyncio.Event()

        async def answer(request: web.Request) -> web.StreamResponse:
            arrived.set()
            await go_on.wait()
            return await body(EMPTY)(request)

        scene.answer = answer
        first = asyncio.create_task(scene.fetcher.fetch_due())
        await arrived.wait()
        await scene.worker().fetch_due()
        assert len(scene.asked) == 1
        go_on.set()
        await first
        await scene.worker().fetch_due()
        assert (len(scene.asked), scene.counted) == (1, ["fetched"])

    play(script)


def test_other_authorities_need_another_list(play: Callable[..., None]) -> None:
    """After a change of ``client_auth.ca`` the old list counts for nobody; the next one is fetched at once."""

    async def script(scene: Scene) -> None:
        await scene.fetcher.fetch_due()
        scene.trusted = (OTHER,)
        assert scene.revoked() == set()
        scene.answer = body(der(make_crl(BOB, issuer=OTHER)))
        await scene.fetcher.fetch_due()
        assert scene.revoked() == {BOB.certificate.serial_number}

    play(script)


def test_it_begins_at_once_and_goes_on_after_a_failure(play: Callable[..., None]) -> None:
    """In the background; a certificate that names a place ends the wait."""

    async def script(scene: Scene) -> None:
        arrived = asyncio.Event()

        async def answer(request: web.Request) -> web.StreamResponse:
            arrived.set()
            return await body(EMPTY)(request)

        scene.sources, scene.hosts, scene.answer = ("cdp",), (scene.place,), answer
        scene.fetcher.start()
        scene.fetcher.learn(named_at(scene.url))
        await arrived.wait()

    play(script)


def test_a_folder_that_cannot_be_written_is_said_once(
    play: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is fetched in vain."""

    async def script(scene: Scene) -> None:
        (scene.folder.path / "state").write_text("in the way")
        with pytest.raises(OSError, match=r"exists|directory"):
            await scene.fetcher.fetch_due()
        assert scene.asked == []

    play(script)


def test_what_cannot_be_kept_is_not_fetched_all_the_time(play: Callable[..., None]) -> None:
    """On a full disk nobody can note that a fetch was made: each round, every few seconds, would make another."""

    async def script(scene: Scene) -> None:
        (scene.folder.path / "state" / f"{scene.folder.list_path(scene.url).stem}.json.new").mkdir(parents=True)
        for _ in range(2):
            with pytest.raises(IsADirectoryError):
                await scene.fetcher.fetch_due()
            scene.now += RETRY_SECONDS - 1
            await scene.fetcher.fetch_due()
            scene.now += 1
        assert len(scene.asked) == 2
        scene.now -= 2 * RETRY_SECONDS  # the clock was set back
        with pytest.raises(IsADirectoryError):
            await scene.fetcher.fetch_due()

    play(script)


def test_a_link_in_the_folder_is_not_followed(play: Callable[..., None], tmp_path: Path) -> None:
    """Root reads the folder at the start, and a worker that was taken over can write there."""

    async def script(scene: Scene) -> None:
        secret = tmp_path.parent / "secret"
        secret.write_bytes(WITH_BOB)
        scene.folder.list_path(scene.url).symlink_to(secret)
        assert scene.kept is None
        assert scene.revoked() == set()

    play(script)
