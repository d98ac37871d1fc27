"""The https address of a plain request."""

import pytest

from gatekeeper.wire.https_url import https_url


@pytest.mark.parametrize(
    ("host", "target", "url"),
    [
        (b"gate.example.com", b"/a/b?c=d&e", "https://gate.example.com/a/b?c=d&e"),
        (b"GATE.example.com.", b"/", "https://gate.example.com/"),
        (b"gate.example.com:8080", b"/", "https://gate.example.com:8443/"),
        (b"192.0.2.1:80", b"/x", "https://192.0.2.1:8443/x"),
        (b"[2001:DB8::0:1]", b"/", "https://[2001:db8::1]/"),
        (b"[2001:db8::1]:80", b"/", "https://[2001:db8::1]:8443/"),
        (b"gate.example.com", b"//evil.example.org/", "https://gate.example.com//evil.example.org/"),
        (b"gate.example.com", b"*", "https://gate.example.com/"),
    ],
)
def test_host_and_target_stay(host: bytes, target: bytes, url: str) -> None:
    """A port stands for the one that speaks https here; without one, there is none."""
    assert https_url(host, target, 8443) == url


@pytest.mark.parametrize(
    "host",
    [b"", b"a b", b"user@gate.example.com", b"gate.example.com/x", b"[::g]", b"a..b", b"gate\xe9", b"a?b", b"a#b"],
)
def test_what_is_no_host_has_no_address(host: bytes) -> None:
    """Nothing of it may end up where a browser looks for a host."""
    assert https_url(host, b"/", 8443) is None


def test_the_own_port_of_the_host_can_stay() -> None:
    """Who spoke HTTP to the HTTPS port has reached it already; 443 goes without saying (RFC 9110, 4.2.2)."""
    assert https_url(b"gate.example.com:8443", b"/") == "https://gate.example.com:8443/"
    assert https_url(b"gate.example.com:443", b"/") == "https://gate.example.com/"
    assert https_url(b"gate.example.com:80", b"/", 443) == "https://gate.example.com/"
