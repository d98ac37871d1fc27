"""The gate's own answers on the way: each status, as a page for browsers and as problem+json for everybody else."""

import json
from collections.abc import Callable
from http.client import HTTPResponse
from io import BytesIO
from typing import Any

import pytest

from tests.proxy.scene import Scene, Visitor, get, request

MakeScene = Callable[..., Scene]


def refused_body(scene: Scene, accept: str) -> Visitor:
    visitor = scene.alice()
    visitor.send(request("POST", "/", "Content-Length: 99999999", accept))
    return visitor


def long_address(scene: Scene, accept: str) -> Visitor:
    visitor = scene.alice()
    visitor.send(get("/" + "x" * 9000, accept))
    return visitor


def many_cookies(scene: Scene, accept: str) -> Visitor:
    visitor = scene.alice()
    visitor.send(get("/", accept, f"Cookie: {'x' * 33000}")[:-4])
    return visitor


def slow_head(scene: Scene, accept: str) -> Visitor:
    visitor = scene.alice()
    visitor.send(get("/", accept)[:-2])
    scene.loop.advance(11)
    return visitor


def unreadable(scene: Scene, accept: str) -> Visitor:
    visitor = scene.alice()
    visitor.send(get("/", "no field", accept))
    return visitor


def slow_body(scene: Scene, accept: str) -> Visitor:
    visitor = scene.alice()
    visitor.send(request("POST", "/", "Content-Length: 5", accept))
    scene.loop.advance(61)
    return visitor


def refused_connection(scene: Scene, accept: str) -> Visitor:
    scene.app.refuses = ConnectionRefusedError(111, "Connection refused")
    visitor = scene.alice()
    visitor.send(get("/", accept))
    return visitor


def busy_app(scene: Scene, accept: str) -> Visitor:
    scene.alice().send(get("/"))
    visitor = scene.alice()
    visitor.send(get("/", accept))
    scene.loop.advance(2)
    return visitor


def slow_connection(scene: Scene, accept: str) -> Visitor:
    scene.app.hangs = True
    visitor = scene.alice()
    visitor.send(get("/", accept))
    scene.loop.advance(6)
    return visitor


def silent_app(scene: Scene, accept: str) -> Visitor:
    visitor = scene.alice()
    visitor.send(get("/", accept))
    scene.loop.advance(61)
    return visitor


CASES = [
    (unreadable, 400),
    (slow_head, 408),
    (long_address, 414),
    (many_cookies, 431),
    (slow_body, 408),
    (refused_body, 413),
    (refused_connection, 502),
    (busy_app, 503),
    (slow_connection, 504),
    (silent_app, 504),
]


def answered(visitor: Visitor) -> tuple[HTTPResponse, bytes]:
    class Said:
        def __init__(self, data: bytes) -> None:
            self._data = data

        def makefile(self, _mode: str) -> BytesIO:
            return BytesIO(self._data)

    response = HTTPResponse(Said(visitor.read()))  # type: ignore[arg-type]
    response.begin()
    return response, response.read()


@pytest.fixture
def strict(make_scene: MakeScene) -> Scene:
    upstream = {"url": "http://127.0.0.1:8000", "max_connections": 1, "queue_timeout": "1s"}
    return make_scene(upstream=upstream, limits={"request_body": "1MiB"})


@pytest.mark.parametrize(("happens", "status"), CASES)
def test_everybody_but_browsers_gets_problem_json(strict: Scene, happens: Any, status: int) -> None:
    """RFC 9457: the status, a sentence, and the id that the log has."""
    response, body = answered(happens(strict, "Accept: */*"))
    problem = json.loads(body)
    assert (response.status, problem["status"]) == (status, status)
    assert response.headers["Content-Type"] == "application/problem+json"
    assert problem["request_id"] == response.headers["X-Request-Id"] == strict.log.records[-1]["request_id"]
    assert strict.log.records[-1]["status"] == status


@pytest.mark.parametrize(("happens", "status"), CASES)
def test_browsers_get_a_page(strict: Scene, happens: Any, status: int) -> None:
    """Accept: text/html."""
    response, body = answered(happens(strict, "Accept: text/html"))
    assert response.status == status
    assert response.headers["Content-Type"].startswith("text/html")
    assert b"<html" in body


@pytest.mark.parametrize(("happens", "status"), CASES)
def test_503_says_when_to_come_again(strict: Scene, happens: Any, status: int) -> None:
    """RFC 9110, 10.2.3: and nothing else does, because nobody knows."""
    response, _ = answered(happens(strict, "Accept: */*"))
    assert response.headers["Retry-After"] == ("1" if status == 503 else None)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (get("/" + "x" * 9000), 414),
        (get("/", f"X-Large: {'x' * 33000}"), 431),
        (get("/", *(f"X-{number}: 1" for number in range(101))), 431),
    ],
)
def test_heads_that_are_too_large(scene: Scene, sent: bytes, status: int) -> None:
    """limits.request_line, request_header, header_count: nobody knows where the next request begins."""
    visitor = scene.alice()
    visitor.send(sent)
    response, body = answered(visitor)
    assert (response.status, json.loads(body)["status"]) == (status, status)
    assert response.headers["Connection"] == "close"


def test_a_refused_phone_reads_first_about_phones(scene: Scene) -> None:
    """The device is told by its User-Agent."""
    visitor = scene.visitor()
    visitor.send(get("/", "Accept: text/html", "User-Agent: Mozilla/5.0 (Linux; Android 10; K)"))
    response, body = answered(visitor)
    assert response.status == 403
    assert b"<details open>\n<summary>Android: Chrome</summary>" in body
