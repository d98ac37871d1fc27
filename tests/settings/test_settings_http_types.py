"""The types of settings that name part of an HTTP message: what each reads, and the sentence with which it rejects."""

from typing import Any

import pytest
from pydantic import ValidationError

from gatekeeper.settings import http_types
from tests.settings.reading import read


@pytest.mark.parametrize(
    ("kind", "value", "got"),
    [
        (http_types.Origins, True, True),
        (http_types.Origins, ["https://a.example:8443"], ("https://a.example:8443",)),
        (http_types.RoutePath, "/", "/"),
        (http_types.RoutePath, "/*", "/*"),
        (http_types.RoutePath, "/a/b.c/*", "/a/b.c/*"),
        (http_types.RoutePath, "/.well-known/acme-challenge/*", "/.well-known/acme-challenge/*"),
        (http_types.RequestPath, "/health?full=1", "/health?full=1"),
        (http_types.Method, "GET", "GET"),
        (http_types.WebURL, "http://ocsp.example.com:8080/path", "http://ocsp.example.com:8080/path"),
        (http_types.UpgradeProtocol, "SPDY/3.1", "SPDY/3.1"),
        (http_types.UpgradeProtocol, "tailscale-control-protocol", "tailscale-control-protocol"),
        (http_types.HeaderName, "X-Device", "X-Device"),
        (http_types.ResponseHeaderName, "+Vary", "+Vary"),
        (http_types.HeaderValue, "", ""),
        (http_types.HeaderValue, "max-age=0, private", "max-age=0, private"),
        (http_types.Template, "{cn} of {o}, until {not_after}", "{cn} of {o}, until {not_after}"),
    ],
)
def test_what_a_type_reads(kind: Any, value: object, got: object) -> None:
    """As the configuration writes it."""
    assert read(kind, value) == got


@pytest.mark.parametrize(
    ("kind", "value", "sentence"),
    [
        *(
            (
                http_types.UpgradeProtocol,
                name,
                "would carry further requests to the app, which gatekeeper could not judge",
            )
            for name in ("h2c", "H2C", "h2", "h3", "HTTP/2.0", "http", "TLS/1.0")
        ),
        *(
            (http_types.UpgradeProtocol, name, "should be a protocol such as")
            for name in ("", "a b", "tcp, h2c", "a/b/c", "/1", "tcp/", "tcp\n")
        ),
        (http_types.ResponseHeaderName, "Content-Length", "is set by gatekeeper itself"),
        (http_types.ResponseHeaderName, "+transfer-encoding", "is set by gatekeeper itself"),
        (http_types.ResponseHeaderName, "Date", "is set by gatekeeper itself"),
        (http_types.ResponseHeaderName, "++Vary", "should be the name of a header"),
        (http_types.ResponseHeaderName, "X: y\r\nZ", "should be the name of a header"),
        (http_types.HeaderValue, "a\r\nSet-Cookie: b", "should be printable ASCII on one line"),
        (http_types.HeaderValue, " a", "should be printable ASCII on one line"),
        (http_types.HeaderValue, "ä", "should be printable ASCII on one line"),
        (http_types.Origins, "https://a", "should be true, false or a list of origins"),
        (http_types.Origins, [], "should be true, false or a list of origins"),
        (http_types.Origins, ["https://a/"], 'should list origins such as "https://app.example.com"; got "https://a/"'),
        (http_types.Origins, ["*"], 'should list origins such as "https://app.example.com"; got "*"'),
        (http_types.RoutePath, "admin", "should be a path"),
        (http_types.RoutePath, "", "should be a path"),
        (http_types.RoutePath, "*", "should be a path"),
        (http_types.RoutePath, "/a*", "should be a path"),
        (http_types.RoutePath, "/*/a", "should be a path"),
        (http_types.RoutePath, "/a//b", "should be a path"),
        (http_types.RoutePath, "/a/../b", "should be a path"),
        (http_types.RoutePath, "/..", "should be a path"),
        (http_types.RoutePath, "/a;x", "should be a path"),
        (http_types.RoutePath, "/%61", "should be a path"),
        (http_types.RoutePath, "/a?b", "should be a path"),
        (http_types.RoutePath, "/a\\b", "should be a path"),
        (http_types.RoutePath, "/a\n", "should be a path"),
        (http_types.RequestPath, "//evil.example", "should be a path"),
        (http_types.RequestPath, "/a b", "should be a path"),
        (http_types.RequestPath, "/a\r\nX: y", "should be a path"),
        (http_types.Method, "get", 'should be a method in capitals, such as "GET"; got "get"'),
        (http_types.WebURL, "ocsp.example.com", "should be a URL"),
        (http_types.WebURL, "http://user@ocsp.example.com", "should be a URL"),
        (http_types.HeaderName, "X_Device", "should be the name of a header, without underscores"),
        (http_types.HeaderName, "X Device", "should be the name of a header"),
        (http_types.HeaderName, "X-Device:", "should be the name of a header"),
        (http_types.HeaderName, "host", "is set by gatekeeper itself"),
        *(
            (http_types.HeaderPattern, name, "is set by gatekeeper itself")
            for name in (
                "Connection",
                "Content-Length",
                "expect",
                "Host",
                "TE",
                "Trailer",
                "Transfer-Encoding",
                "Upgrade",
            )
        ),
        (http_types.HeaderName, "Content-Length", "is set by gatekeeper itself"),
        (http_types.Template, "{name}", "may hold these in braces, and no others: cn, o,"),
        (http_types.Template, " {cn}", "must not begin or end with a blank"),
        (http_types.Template, "{cn}\t", "must not begin or end with a blank"),
        (http_types.Template, "{cn", "may hold these in braces"),
        (http_types.Template, "{cn}\r\nX: y", "should be text on one line"),
    ],
)
def test_what_a_type_rejects(kind: Any, value: object, sentence: str) -> None:
    """The sentence continues the key's name."""
    with pytest.raises(ValidationError) as caught:
        read(kind, value)
    (error,) = caught.value.errors()
    assert sentence in str(error["ctx"]["error"])
