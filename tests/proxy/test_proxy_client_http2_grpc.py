"""Calls of gRPC that the gate answers itself: their clients read no HTTP status."""

from typing import Any

from tests.proxy.browser import Browser
from tests.proxy.scene import Files

GRPC = ("content-type", "application/grpc+proto")


def test_a_refused_call_of_grpc_gets_a_status_of_grpc(stage: Any, files: Files) -> None:
    """Trailers-Only: HTTP's status is 200, END_STREAM comes with the head; the log has 403."""
    scene = stage()
    browser = Browser(scene, None)
    stream = browser.ask("/a.Service/Method", GRPC, method="POST", end=False)
    answer = browser.answers[stream]
    assert (answer.status, answer.headers["grpc-status"], answer.content, answer.ended) == (200, "7", b"", True)
    assert answer.headers["grpc-message"].startswith("no_certificate: ")
    assert answer.headers["gatekeeper-reason"] == "no_certificate"
    assert scene.statuses == [403]


def test_a_call_of_grpc_for_another_host_gets_no_421(stage: Any, files: Files) -> None:
    """Its clients do not repeat a call for it."""
    browser = Browser(stage(), None)
    stream = browser.ask("/a.Service/Method", GRPC, method="POST", authority="other.example.com")
    assert browser.answers[stream].headers["grpc-status"] == "7"


def test_grpc_web_is_plain_http(stage: Any, files: Files) -> None:
    """Browsers read HTTP's status."""
    browser = Browser(stage(), None)
    stream = browser.ask("/a.Service/Method", ("content-type", "application/grpc-web+proto"), method="POST")
    assert browser.answers[stream].status == 403


def test_a_malformed_call_of_grpc_gets_a_status_of_grpc(stage: Any, files: Files) -> None:
    """INTERNAL, as for every 400."""
    browser = Browser(stage(), files.alice)
    stream = browser.ask("no/slash", GRPC, method="POST")
    answer = browser.answers[stream]
    assert (answer.status, answer.headers["grpc-status"], answer.ended, answer.reset) == (200, "13", True, None)


def test_a_call_of_grpc_that_no_app_answers(stage: Any, files: Files) -> None:
    """UNAVAILABLE, so that the client may try again."""
    scene = stage()
    browser = Browser(scene, files.alice)
    stream = browser.ask("/a.Service/Method", GRPC, method="POST")
    scene.app.last.close()
    browser.read()
    assert browser.answers[stream].headers["grpc-status"] == "14"
    assert scene.statuses == [502]
