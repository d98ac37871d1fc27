"""Proxies in front of the gate that are trusted to say for whom they ask."""

from collections.abc import Callable

import pytest

from tests.proxy.scene import Scene, get


@pytest.fixture
def behind_a_proxy(make_scene: Callable[..., Scene]) -> Scene:
    return make_scene(server={"trusted_proxies": ["192.0.2.0/24"]})


def test_a_trusted_proxy_is_believed_and_appended_to(behind_a_proxy: Scene) -> None:
    """server.trusted_proxies: what it says of whom it forwards for, and its own address behind."""
    proxy = behind_a_proxy.alice()
    proxy.send(
        get(
            "/",
            "X-Forwarded-For: 198.51.100.1",
            "X-Forwarded-Proto: http",
            "X-Forwarded-Host: www.example.com",
            "X-Request-Id: abc-123",
            'Forwarded: for="[2001:db8::1]"',
        )
    )
    asked = behind_a_proxy.app.last.read()
    assert b"\r\nX-Forwarded-For: 198.51.100.1, 192.0.2.7\r\n" in asked
    assert b"\r\nX-Real-IP: 198.51.100.1\r\n" in asked
    assert b"\r\nX-Forwarded-Proto: http\r\n" in asked
    assert b"\r\nX-Forwarded-Host: www.example.com\r\n" in asked
    assert b"\r\nX-Request-Id: abc-123\r\n" in asked
    assert b'\r\nForwarded: for="[2001:db8::1]", for=192.0.2.7;proto=https\r\n' in asked
    behind_a_proxy.serve(proxy)
    assert behind_a_proxy.log.records[0]["request_id"] == "abc-123"


def test_a_cookie_passes_through_both_proxies(behind_a_proxy: Scene) -> None:
    """It is read apart from the other lines."""
    alice = behind_a_proxy.alice()
    alice.send(get("/", "Cookie: a=b"))
    assert b"\r\nCookie: a=b\r\n" in behind_a_proxy.app.last.read()


def test_a_trusted_proxy_that_says_nothing_is_the_client(behind_a_proxy: Scene) -> None:
    """Nothing is made up."""
    proxy = behind_a_proxy.alice()
    proxy.send(get("/"))
    asked = behind_a_proxy.app.last.read()
    assert b"\r\nX-Forwarded-For: 192.0.2.7\r\n" in asked
    assert b"\r\nX-Real-IP: 192.0.2.7\r\n" in asked
    assert b"\r\nX-Forwarded-Proto: https\r\n" in asked
    assert b"\r\nX-Forwarded-Host: app.example.com\r\n" in asked
    assert b"\r\nForwarded:" not in asked


def test_identity_headers_of_a_trusted_proxy_are_not_believed(behind_a_proxy: Scene) -> None:
    """Trusted to speak of addresses, not of certificates: those the gate sees itself."""
    proxy = behind_a_proxy.alice()
    proxy.send(get("/", "X-SSL-Client-S-DN: CN=root", "X-Forwarded-User: root", "X-Forwarded-Client-Cert: Hash=1"))
    asked = behind_a_proxy.app.last.read()
    assert b"root" not in asked
    assert b"Hash=1" not in asked


def test_an_unusable_request_id_is_replaced(behind_a_proxy: Scene) -> None:
    """It stands in logs and in headers: a bounded length, and no character that means something there."""
    proxy = behind_a_proxy.alice()
    proxy.send(get("/", 'X-Request-Id: a"b c'))
    asked = behind_a_proxy.app.last.read()
    assert b'a"b' not in asked
    assert b"\r\nX-Request-Id: " in asked


def test_others_than_the_trusted_are_not_believed(behind_a_proxy: Scene) -> None:
    """The list is of addresses, and this is none of them."""
    stranger = behind_a_proxy.visitor(behind_a_proxy.files.alice, address=("203.0.113.9", 5))
    stranger.send(get("/", "X-Forwarded-For: 198.51.100.1"))
    assert b"\r\nX-Forwarded-For: 203.0.113.9\r\n" in behind_a_proxy.app.last.read()
