"""How an HTTP/2 connection ends whose client was refused: each request that is on its way gets its answer."""

from pathlib import Path
from typing import Any

import h2.settings
import pytest

from gatekeeper.proxy.client.http2_refusals import MAX_REFUSALS
from gatekeeper.proxy.client.misdirected import MAX_HOSTS
from gatekeeper.tls.files import ServerFiles
from tests.certificates import make_server
from tests.proxy.browser import Browser
from tests.proxy.scene import OK, Files


def test_a_stranger_gets_403_for_each_and_goaway_when_quiet(stage: Any, files: Files) -> None:
    """Nothing reaches the app; the connection ends 100 ms later, so that a certificate can be chosen anew."""
    scene = stage()
    browser = Browser(scene, None)
    streams = [browser.ask(f"/{number}") for number in range(3)]
    assert [browser.answers[stream].status for stream in streams] == [403] * 3
    assert not browser.goaways
    scene.loop.advance(0.2)
    browser.read()
    assert browser.goaways == [(streams[-1], 0)]
    assert browser.visitor.was_sent_away
    assert not scene.app.connections


def test_a_stranger_far_away_gets_403_for_each(stage: Any, files: Files) -> None:
    """It sends the second request when it has read the first answer, however late that is."""
    scene = stage()
    browser = Browser(scene, None)
    for _ in range(3):
        stream = browser.send_request("/")
        scene.loop.advance(3)
        browser.read()
        assert browser.answers[stream].status == 403
        assert not browser.goaways
    scene.loop.advance(0.2)
    browser.read()
    assert browser.goaways == [(stream, 0)]


def test_a_stranger_who_answers_no_ping_is_waited_for_5_seconds(stage: Any, files: Files) -> None:
    """Then it is sent away like all others."""
    scene = stage()
    browser = Browser(scene, None)
    browser.send_request("/")
    scene.loop.advance(4.9)
    assert not browser.visitor.was_sent_away
    scene.loop.advance(0.2)
    assert browser.visitor.was_sent_away


def test_a_stranger_who_still_uploads_is_not_sent_away(stage: Any, files: Files) -> None:
    """Its next request waits behind the body that nobody wants."""
    scene = stage()
    browser = Browser(scene, None)
    upload = browser.ask("/", method="POST", end=False)
    for _ in range(10):
        scene.loop.advance(1)
        browser.send(upload, bytes(1000))
    assert not browser.goaways
    browser.send(upload, b"", end=True)
    stream = browser.ask("/")
    assert browser.answers[stream].status == 403
    scene.loop.advance(0.3)
    browser.read()
    assert browser.goaways == [(stream, 0)]


def test_a_stranger_is_told_of_one_stream(stage: Any, files: Files) -> None:
    """MAX_CONCURRENT_STREAMS is 1 without and 100 with a good certificate."""
    scene = stage()
    code = h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS
    assert Browser(scene, None).h2.remote_settings[code] == 1
    assert Browser(scene, files.alice).h2.remote_settings[code] == 100


def test_an_early_answer_to_an_upload_comes_without_reset(stage: Any, files: Files) -> None:
    """curl, Java and httpx lose an answer that RST_STREAM follows; the body is read on and thrown away."""
    scene = stage()
    browser = Browser(scene, None)
    stream = browser.ask("/", method="POST", end=False)
    answer = browser.answers[stream]
    assert (answer.status, answer.ended, answer.reset) == (403, True, None)
    for _ in range(20):
        browser.send(stream, bytes(16384))
    browser.send(stream, b"", end=True)
    assert answer.reset is None


def test_421_once_for_another_host_than_the_connections(stage: Any, files: Files) -> None:
    """A browser without a certificate shares connections; only on one of its own does it ask the user."""
    scene = stage()
    browser = Browser(scene, None)
    statuses = []
    for authority in ("other.example.com", "other.example.com", "app.example.com"):
        statuses.append(browser.answers[browser.ask(authority=authority)].status)
    assert statuses == [421, 403, 403]
    assert scene.statuses == [421, 403, 403]


def test_421_for_as_many_hosts_as_a_browser_has(stage: Any, files: Files) -> None:
    """Each is kept in memory, so a client that makes names up gets 403 from then on."""
    browser = Browser(stage(), None)
    statuses = [
        browser.answers[browser.ask(authority=f"{number}.example.com")].status for number in range(MAX_HOSTS + 1)
    ]
    assert statuses == [421] * MAX_HOSTS + [403]


def test_421_once_on_a_connection_that_was_not_asked_for_a_certificate(
    stage: Any, files: Files, tmp_path: Path
) -> None:
    """A browser of a public host comes with requests for a protected one of the same address; a fresh connection, made
    for that host, asks it for the certificate."""
    public = make_server("public.example.com", files.authority).write(tmp_path, "public")
    scene = stage(
        certificates=[ServerFiles("server.certificates[0]", *public, ask=False)],
        routes=[{"hosts": ["public.example.com"], "public": True}, {}],
    )
    browser = Browser(scene, files.alice, name="public.example.com")
    assert browser.answers[browser.ask(authority="app.example.com")].status == 421
    assert browser.answers[browser.ask(authority="app.example.com")].status == 403
    again = Browser(scene, files.alice)
    stream = again.ask(authority="app.example.com")
    scene.app.last.send(OK)
    again.read()
    assert again.answers[stream].status == 200


def test_a_stranger_who_goes_on_asking_is_sent_away(stage: Any, files: Files) -> None:
    """The hundredth refusal is the last, however quickly they follow each other."""
    scene = stage()
    browser = Browser(scene, None)
    streams = [browser.ask("/") for _ in range(MAX_REFUSALS)]
    assert [browser.answers[stream].status for stream in streams] == [403] * MAX_REFUSALS
    assert browser.goaways == [(streams[-1], 0)]


def test_a_stranger_who_leaves_is_forgotten(stage: Any, files: Files) -> None:
    """Nothing is done for it later."""
    scene = stage()
    browser = Browser(scene, None)
    browser.ask("/")
    browser.visitor.leave()
    scene.loop.advance(10)
    assert scene.statuses == [403]


@pytest.mark.parametrize("who", ["alice", "nobody"])
def test_only_an_admitted_visitors_requests_are_kept_in_memory(stage: Any, files: Files, who: str) -> None:
    """What strangers send must not push out what visitors send again and again."""
    scene = stage()
    browser = Browser(scene, files.alice if who == "alice" else None)
    browser.ask("/somewhere")
    assert bool(scene.proxy.snapshot.blocks._blocks) is (who == "alice")
    browser.ask("/elsewhere")
    assert bool(scene.proxy.snapshot.blocks._blocks) is (who == "alice")
