"""From where revocation lists are fetched that certificates and authorities name."""

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509

from gatekeeper.proxy.crl_fetcher import (
    LONGEST_SECONDS,
    MAX_LEARNED,
)
from tests.certificates import make, named
from tests.gate.lists import BOB, HOME
from tests.proxy.fetching import EMPTY, WITH_BOB, Scene, body, named_at, player


@pytest.fixture
def play(tmp_path: Path) -> Callable[..., None]:
    return player(tmp_path)


def test_lists_are_fetched_from_where_certificates_say(play: Callable[..., None]) -> None:
    """ "cdp": learned from a visitor of whom no list says anything, and remembered by the next run."""

    async def script(scene: Scene) -> None:
        scene.sources, scene.hosts = ("cdp",), (scene.place,)
        await scene.fetcher.fetch_due()
        assert scene.asked == []
        scene.fetcher.learn(named_at(scene.url))
        scene.answer = body(WITH_BOB)
        await scene.fetcher.fetch_due()
        assert scene.revoked() == {BOB.certificate.serial_number}
        scene.now += LONGEST_SECONDS
        await scene.worker().fetch_due()
        assert len(scene.asked) == 2

    play(script)


def test_lists_are_fetched_from_where_an_authority_says(play: Callable[..., None]) -> None:
    """The list that may name an intermediate authority; known without any visitor."""

    async def script(scene: Scene) -> None:
        scene.sources, scene.hosts = ("cdp",), (scene.place,)
        points = x509.CRLDistributionPoints(
            [x509.DistributionPoint([x509.UniformResourceIdentifier(scene.url)], None, None, None)]
        )
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        scene.trusted = (HOME, make(named("Inner CA"), HOME, extensions=[(constraints, True), (points, False)]))
        await scene.fetcher.fetch_due()
        assert scene.kept == EMPTY

    play(script)


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest",
        "http://{place}.example.com/ca.crl",
        "http://127.0.0.1:1/ca.crl",
        "http://pki.example.com@169.254.169.254/ca.crl",
        "https://{place}/ca.crl",
        "file:///etc/passwd",
        "ldap://{place}/cn=ca",
    ],
)
def test_only_listed_hosts_are_asked(play: Callable[..., None], url: str) -> None:
    """A certificate must not lead the gate to whatever answers inside of its network."""

    async def script(scene: Scene) -> None:
        scene.sources, scene.hosts = ("cdp",), (scene.place, "pki.example.com")
        scene.fetcher.learn(named_at(url.format(place=scene.place)))
        await scene.fetcher.fetch_due()
        assert (scene.asked, scene.counted, scene.folder.fetches()) == ([], [], [])

    play(script)


def test_nothing_is_learned_without_cdp(play: Callable[..., None]) -> None:
    """A URL that is configured is all that was asked for."""

    async def script(scene: Scene) -> None:
        scene.hosts = (scene.place,)
        scene.fetcher.learn(named_at(f"http://{scene.place}/other.crl"))
        await scene.fetcher.fetch_due()
        assert [request.path for request in scene.asked] == ["/ca.crl"]

    play(script)


def test_certificates_name_so_many_places_and_no_more(play: Callable[..., None]) -> None:
    """Each is a fetch and a file."""

    async def script(scene: Scene) -> None:
        scene.sources, scene.hosts = ("cdp",), (scene.place,)
        for number in range(MAX_LEARNED + 3):
            scene.fetcher.learn(named_at(f"http://{scene.place}/{number}.crl"))
        await scene.fetcher.fetch_due()
        assert len(scene.asked) == MAX_LEARNED

    play(script)
