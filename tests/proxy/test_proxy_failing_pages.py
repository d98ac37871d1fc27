"""When the gate cannot make an answer of its own: a refusal stays one, and no client waits without end."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gatekeeper.local.handler import LocalHandler
from gatekeeper.local.request import Reply, Request
from gatekeeper.proxy.local_request import BODY_SECONDS
from gatekeeper.refusal.answer import Answer, RefusalPages
from tests.proxy.browser import Answer as Http2Answer
from tests.proxy.browser import Browser
from tests.proxy.scene import Files, Scene, get, request

HTML = "text/html"
ME = "/.gatekeeper/me"
CERTIFICATE = "CN=alice " * 1000
Make = Callable[..., Scene]


def broken_page() -> Any:
    raise ModuleNotFoundError(f"No module named 'jinja2'\n{CERTIFICATE}")


def broken_answer(_request: Request) -> Reply:
    raise ModuleNotFoundError(f"No module named 'gatekeeper.local.answers'\n{CERTIFICATE}")


class NoAnswers(RefusalPages):
    """Cannot make any answer."""

    def failed(self, *_arguments: Any, **_named: Any) -> Answer:
        raise ModuleNotFoundError(f"No module named 'gatekeeper.refusal.problem'\n{CERTIFICATE}")


def break_pages(scene: Scene, pages: RefusalPages) -> None:
    """As if the package were gone from the disk: no page can be rendered, and no local answer made."""
    proxy = scene.proxy
    proxy.local.close()
    proxy.local = LocalHandler(scene.loop, scene.wall, lambda: proxy.snapshot.invitations, broken_answer)
    proxy.snapshot = replace(proxy.snapshot, pages=pages)


@pytest.fixture
def folder(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "invitations").mkdir(mode=0o700)
    return {"folder": str(tmp_path / "invitations")}


@pytest.fixture
def http1(make_scene: Make, folder: dict[str, str]) -> Scene:
    scene = make_scene(invitations=folder)
    break_pages(scene, RefusalPages(builtin=broken_page))
    return scene


@pytest.fixture
def http2(stage: Make, folder: dict[str, str]) -> Scene:
    scene = stage(invitations=folder)
    break_pages(scene, RefusalPages(builtin=broken_page))
    return scene


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The lines of the log; none is a dump."""
    lines = [record.getMessage() for record in caplog.records]
    assert all(record.exc_info is None for record in caplog.records)
    assert all(len(line) < 500 and "\n" not in line for line in lines)
    return lines


def ask_http2(scene: Scene, holder: Any, path: str) -> Http2Answer:
    browser = Browser(scene, holder)
    stream = browser.ask(path, ("accept", HTML))
    browser.read()
    return browser.answers[stream]


def test_a_refusal_stays_one(http1: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """403 with the reason as a problem, and one line that says why it is no page."""
    stranger = http1.visitor()
    stranger.send(get("/", f"Accept: {HTML}"))
    answer = stranger.read()
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert b"\r\nContent-Type: application/problem+json\r\n" in answer
    assert b"\r\nGatekeeper-Reason: no_certificate\r\n" in answer
    assert [line for line in logged(caplog) if "could not be made" in line and "jinja2" in line] == logged(caplog)
    assert len(logged(caplog)) == 1


def test_a_refusal_stays_one_over_http2(http2: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """As over HTTP/1.1."""
    answer = ask_http2(http2, None, "/")
    assert (answer.status, answer.ended) == (403, True)
    assert answer.headers["gatekeeper-reason"] == "no_certificate"
    assert b'"status":403' in answer.content.replace(b" ", b"")
    assert len(logged(caplog)) == 1


def test_a_failure_keeps_its_status(http1: Scene, files: Files, caplog: pytest.LogCaptureFixture) -> None:
    """502 as a problem."""
    http1.app.refuses = OSError(111, "Connection refused")
    alice = http1.alice()
    alice.send(get("/", f"Accept: {HTML}"))
    answer = alice.read()
    assert answer.startswith(b"HTTP/1.1 502 ")
    assert b"\r\nContent-Type: application/problem+json\r\n" in answer
    assert len([line for line in logged(caplog) if "could not be made" in line]) == 1


def test_a_failure_keeps_its_status_over_http2(http2: Scene, files: Files) -> None:
    """As over HTTP/1.1."""
    http2.app.refuses = OSError(111, "Connection refused")
    answer = ask_http2(http2, files.alice, "/")
    assert (answer.status, answer.ended) == (502, True)


def test_a_local_request_gets_503(http1: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """At once; one line for the answer, one for its page."""
    alice = http1.alice()
    alice.send(get(ME, f"Accept: {HTML}"))
    assert alice.read().startswith(b"HTTP/1.1 503 ")
    assert len([line for line in logged(caplog) if "answering failed unexpectedly: ModuleNotFoundError" in line]) == 1


def test_a_local_request_gets_503_over_http2(http2: Scene, files: Files) -> None:
    """As over HTTP/1.1."""
    answer = ask_http2(http2, files.alice, ME)
    assert (answer.status, answer.ended) == (503, True)


def test_a_local_request_that_cannot_even_fail_gets_a_constant_answer(
    http1: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """503 in plain text, whatever is broken."""
    break_pages(http1, NoAnswers())
    alice = http1.alice()
    alice.send(get(ME, f"Accept: {HTML}"))
    answer = alice.read()
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert answer.endswith(b"\r\n\r\nInvitations are not available at the moment.\n")
    assert len([line for line in logged(caplog) if "not even an error could be answered" in line]) == 1


def test_a_local_request_that_cannot_even_fail_gets_a_constant_answer_over_http2(http2: Scene, files: Files) -> None:
    """As over HTTP/1.1."""
    break_pages(http2, NoAnswers())
    answer = ask_http2(http2, files.alice, ME)
    assert (answer.status, answer.content) == (503, b"Invitations are not available at the moment.\n")


def test_a_deadline_that_raises_ends_the_connection(http1: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing else would: the deadline is used up."""
    break_pages(http1, NoAnswers())
    alice = http1.alice()
    alice.send(request("POST", ME, f"Accept: {HTML}", "Content-Length: 10", body=b"half"))
    http1.loop.advance(BODY_SECONDS)
    assert alice.is_gone
    assert len([line for line in logged(caplog) if "a deadline could not be handled" in line]) == 1


def test_a_deadline_that_raises_ends_the_stream(http2: Scene, files: Files) -> None:
    """And no other: the deadlines of the connection's other streams go on."""
    break_pages(http2, NoAnswers())
    browser = Browser(http2, files.alice)
    first, second = (
        browser.ask(ME, ("accept", HTML), ("content-length", "10"), method="POST", end=False) for _ in "ab"
    )
    http2.loop.advance(BODY_SECONDS)
    browser.read()
    assert [browser.answers[stream].reset for stream in (first, second)] == [2, 2]
