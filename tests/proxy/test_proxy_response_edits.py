"""``[response]`` and ``routes.response`` on the wire, in responses of apps and of the gate itself."""

from collections.abc import Callable

from tests.proxy.browser import Browser
from tests.proxy.scene import Files, Scene, get, undated

SECURED = {"headers": {"X-Frame-Options": "DENY", "Server": ""}, "hsts": "365d"}
ROUTES = [
    {"path": "/embedded/*", "response": {"headers": {"X-Frame-Options": "", "+Vary": "Origin"}}},
    {"path": "/*"},
]
SENT = b"HTTP/1.1 200 OK\r\nServer: app\r\nX-Frame-Options: SAMEORIGIN\r\nContent-Length: 2\r\n\r\nok"
HSTS = b"Strict-Transport-Security: max-age=31536000\r\n"


def told(scene: Scene, target: str = "/", answer: bytes = SENT) -> bytes:
    alice = scene.alice()
    alice.send(get(target))
    scene.app.last.send(answer)
    return undated(alice.read())


def test_every_response_is_edited(make_scene: Callable[..., Scene]) -> None:
    """Set, removed, and HTTPS from now on."""
    assert told(make_scene(response=SECURED)) == (
        b"HTTP/1.1 200 OK\r\n" + HSTS + b"X-Frame-Options: DENY\r\nContent-Length: 2\r\n\r\nok"
    )


def test_a_response_that_goes_on_is_edited_too(make_scene: Callable[..., Scene]) -> None:
    """Its head leaves before its end is known."""
    chunked = b"HTTP/1.1 200 OK\r\nServer: app\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n"
    assert told(make_scene(response=SECURED), answer=chunked).startswith(
        b"HTTP/1.1 200 OK\r\n" + HSTS + b"X-Frame-Options: DENY\r\nTransfer-Encoding: chunked\r\n\r\n"
    )


def test_a_route_has_edits_of_its_own(make_scene: Callable[..., Scene]) -> None:
    """They have the last word there, and nowhere else."""
    scene = make_scene(response=SECURED, routes=ROUTES)
    assert told(scene, "/embedded/1") == (
        b"HTTP/1.1 200 OK\r\n" + HSTS + b"Vary: Origin\r\nContent-Length: 2\r\n\r\nok"
    )
    assert b"X-Frame-Options: DENY\r\n" in told(scene, "/else")


def test_the_gates_own_pages_get_them(make_scene: Callable[..., Scene]) -> None:
    """The refusal, and an error."""
    scene = make_scene(response=SECURED)
    nobody = scene.visitor(None)
    nobody.send(get())
    refusal = nobody.read()
    assert refusal.startswith(b"HTTP/1.1 403 Forbidden\r\n")
    assert HSTS + b"X-Frame-Options: DENY\r\n" in refusal
    alice = scene.alice()
    alice.send(b"GET / HTTP/1.1\r\n\r\n")
    error = alice.read()
    assert error.startswith(b"HTTP/1.1 400 ")
    assert HSTS in error


def test_nothing_is_edited_by_default(scene: Scene) -> None:
    """What the app sends is what the client gets, and nothing is looked for."""
    assert told(scene) == SENT
    assert scene.proxy.snapshot.edits is None


def test_http_2_gets_them_too(make_scene: Callable[..., Scene], files: Files) -> None:
    """In forwarded responses, also where the same head went out unedited before, and in refusals."""
    scene = make_scene(response=SECURED)
    browser = Browser(scene, files.alice)
    stream = browser.ask("/")
    scene.app.last.send(SENT)
    browser.read()
    headers = browser.answers[stream].headers
    assert headers["x-frame-options"] == "DENY"
    assert "server" not in headers
    nobody = Browser(scene, None)
    refused = nobody.ask("/")
    nobody.read()
    assert nobody.answers[refused].headers["strict-transport-security"] == "max-age=31536000"
