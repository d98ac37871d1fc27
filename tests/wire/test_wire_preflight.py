"""What is a preflight (Fetch standard), and what is not."""

import pytest

from gatekeeper.gate.decision import Preflight
from gatekeeper.wire.preflight import read_preflight
from gatekeeper.wire.request import HeadLimits, RequestReader

READER = RequestReader(HeadLimits())
ORIGIN, METHOD = "Origin: https://app.example.com:8443", "Access-Control-Request-Method: PUT"


def preflight(method: str, *lines: str) -> Preflight | None:
    block = "".join(f"{line}\r\n" for line in ("Host: x", *lines, "")).encode()
    return read_preflight(READER.read(f"{method} / HTTP/1.1".encode(), block, cache=False))


def test_a_preflight() -> None:
    """OPTIONS with one origin and one method."""
    assert preflight("OPTIONS", ORIGIN, METHOD) == Preflight(b"https://app.example.com:8443", b"PUT")
    assert preflight("OPTIONS", "Origin: null", METHOD) == Preflight(b"null", b"PUT")


def test_a_length_of_nothing_is_no_body() -> None:
    """Some load balancers write Content-Length: 0 into every request without a body."""
    assert preflight("OPTIONS", ORIGIN, METHOD, "Content-Length: 0")


@pytest.mark.parametrize(
    "lines",
    [
        (),
        (ORIGIN,),
        (METHOD,),
        (ORIGIN, ORIGIN, METHOD),
        (ORIGIN, METHOD, METHOD),
        (ORIGIN, "Access-Control-Request-Method: PUT, GET"),
        (ORIGIN, "Access-Control-Request-Method:"),
        ("Origin: https://a, https://b", METHOD),
        ("Origin: https://a/path", METHOD),
        ("Origin: https://user@a", METHOD),
        ("Origin: app.example.com", METHOD),
        ("Origin:", METHOD),
        (ORIGIN, METHOD, "Content-Length: 2"),
        (ORIGIN, METHOD, "Transfer-Encoding: chunked"),
    ],
    ids=str,
)
def test_no_preflight(lines: tuple[str, ...]) -> None:
    """What no browser sends gets no exception."""
    assert preflight("OPTIONS", *lines) is None


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "options"])
def test_other_methods_are_none(method: str) -> None:
    """Whatever they carry."""
    assert preflight(method, ORIGIN, METHOD) is None
