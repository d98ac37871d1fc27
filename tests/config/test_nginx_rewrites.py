"""``rewrite`` of nginx: a prefix that is taken off, and paths that nobody reaches because of it."""

from pathlib import Path

import pytest

from gatekeeper.config.nginx_rewrites import stripped
from gatekeeper.config.nginx_values import Directive
from gatekeeper.errors import ConfigurationError
from tests.config.test_nginx_locations import OPEN, routes
from tests.config.translating import PASSED, TLS, translated

REFUSED = "location = /refused { return 403; }"


def table(folder: Path, inside: str) -> dict[str, bool]:
    """The paths of the open routes, and whether each takes its prefix off."""
    found = translated(folder, f"server {{ {TLS} ssl_verify_client on; {inside} }}")[0].settings.routes
    return {one.path: one.strip_prefix for one in found if not one.allow_from}


@pytest.mark.parametrize(
    ("rewrite", "prefix"),
    [
        ("^/app/(.*) /$1 break", "/app"),
        ("^/app/(.*)$ /$1 break", "/app"),
        ("^/app(/.*)$ $1 break", "/app"),
        ("^/app/?(.*)$ /$1 break", "/app"),
        ("^/app(/|$)(.*) /$2 break", "/app"),
        ("^/a/b/(.*) /$1 break", "/a/b"),
        ("^/app/(.*) /$1 last", ""),
        ("^/app/(.*) /$1", ""),
        ("^/app/(.*) /$1 permanent", ""),
        ("^/app/(.*) /public/$1 break", ""),
        ("^/app/(.*) $1 break", ""),
        ("^/app(/.*) /$1 break", ""),
        ("/app/(.*) /$1 break", ""),
        ("^/a.p/(.*) /$1 break", ""),
        ("^/(.*) /$1 break", ""),
        ("^/app/(.*) /$1 break; rewrite ^/x /y", ""),
    ],
)
def test_the_prefix_that_a_rewrite_takes_off(rewrite: str, prefix: str) -> None:
    """As its only one, and in the same location: after "last", another may take the request."""
    parts = [one.split() for one in rewrite.replace("rewrite ", "").split("; ")]
    assert stripped([Directive("rewrite", tuple(args), "nginx.conf", 1) for args in parts]) == prefix


@pytest.mark.parametrize("address", ["http://127.0.0.1:8000", "http://127.0.0.1:8000/", "http://127.0.0.1:8000/else/"])
def test_a_prefix_is_taken_off_by_the_route(tmp_path: Path, address: str) -> None:
    """As the documentation of Grafana has it; nginx ignores the path of the address then."""
    inside = f"location /app/ {{ rewrite ^/app/(.*) /$1 break; proxy_pass {address}; }}"
    assert table(tmp_path, inside) == {"/app/*": True}


def test_a_longer_path_that_goes_the_same_way_has_no_route(tmp_path: Path) -> None:
    """Only the headers for WebSockets differ; strip_prefix would take off more. Any other difference closes it."""
    rewrite = f"rewrite ^/app/(.*) /$1 break; {PASSED}"
    assert table(tmp_path, f"location /app/ {{ {rewrite} }} location /app/live/ {{ {rewrite} }}") == {"/app/*": True}
    for inside in (
        f"location /app/live/ {{ {rewrite} }} {OPEN}",
        f"location /app/ {{ {rewrite} }} location /app/live/ {{ {rewrite.replace('8000', '8001')} }}",
        f"location /app/ {{ {rewrite} deny all; }} location /app/live/ {{ {rewrite} }}",
        f"location /app/ {{ {rewrite} }} location /app/live/ {{ {rewrite} allow 10.0.0.0/8; deny all; }}",
    ):
        (tmp_path / "gatekeeper.toml").unlink()
        assert routes(tmp_path, inside)["/app/live/*"] is True


@pytest.mark.parametrize(
    ("rewrite", "paths"),
    [
        ("rewrite ^/old$ /new permanent;", ["/old"]),
        ("rewrite ^/old/?$ /new permanent;", ["/old"]),
        ("rewrite ^/old$ /new last;", ["/old"]),
        ("rewrite ^/blog/(.*)$ https://blog.example/$1;", ["/blog/*"]),
        ("rewrite ^/blog(/.*)?$ https://blog.example$1 redirect;", ["/blog/*"]),
        (r"rewrite ^/(a|b\.c)$ /new permanent;", ["/a", "/b.c"]),
    ],
)
@pytest.mark.parametrize("of_a_location", [False, True])
def test_what_is_sent_elsewhere_is_closed(tmp_path: Path, rewrite: str, paths: list[str], of_a_location: bool) -> None:
    """Everything else stays open; nginx shows nothing at these paths."""
    inside = f"location / {{ {PASSED} {rewrite} }}" if of_a_location else f"{rewrite} {OPEN}"
    assert routes(tmp_path, inside) == {**dict.fromkeys(paths, True), "/*": False}


def test_a_rewrite_of_the_server_wins_over_every_location(tmp_path: Path) -> None:
    """It comes before nginx looks for one; the one that is never reached has no route."""
    inside = f"rewrite ^/blog/ https://blog.example/; location = /blog/a {{ {PASSED} }} {OPEN}"
    assert routes(tmp_path, inside) == {"/blog/*": True, "/*": False}


@pytest.mark.parametrize(
    "rewrite",
    [
        "rewrite ^ https://$host$request_uri permanent;",
        "rewrite ^/(.*)$ /public/$1 break;",
        "rewrite .* /index.html;",
        "if ($http_x) { rewrite ^ /refused last; }",
    ],
)
def test_a_rewrite_of_every_path_closes_what_it_stands_in(tmp_path: Path, rewrite: str) -> None:
    """The app would get the path as it came, which nginx never asks it for; or from somebody whom nginx refuses."""
    assert set(routes(tmp_path, f"{rewrite} {OPEN} {REFUSED}").values()) == {True}
    (tmp_path / "gatekeeper.toml").unlink()
    assert routes(tmp_path, f"location /a/ {{ {rewrite} {PASSED} }} {OPEN} {REFUSED}")["/a/*"] is True


@pytest.mark.parametrize("expression", ["^/a/", "^/a/(.*)$", "^/a(/.*)$", "^/a"])
@pytest.mark.parametrize(("location", "path"), [("/a/", "/a/*"), ("= /a/x", "/a/x")])
def test_a_rewrite_of_every_path_of_a_location_closes_it(
    tmp_path: Path, location: str, path: str, expression: str
) -> None:
    """Whether it goes to another location or not."""
    inside = f"location {location} {{ rewrite {expression} /b/$1; {PASSED} }} {OPEN}"
    assert routes(tmp_path, inside)[path] is True


@pytest.mark.parametrize(
    "inside",
    [
        rf"rewrite \.bak$ /refused last; {OPEN} {REFUSED}",
        rf"rewrite \.bak$ /refused; {OPEN} location ^~ /ref {{ deny all; }}",
        rf"rewrite ^/x(.*)\.bak$ /$1; {OPEN} {REFUSED}",
        rf"rewrite \.bak$ /step last; {OPEN} location /step {{ rewrite ^ /refused last; {PASSED} }} {REFUSED}",
    ],
)
def test_a_rewrite_that_leads_to_a_refusal_keeps_the_file_from_being_loaded(tmp_path: Path, inside: str) -> None:
    """No path of a route says which requests; also by way of another location."""
    with pytest.raises(ConfigurationError, match=r"line 3: rewrite .* refuses more: decide"):
        routes(tmp_path, inside)


def test_a_rewrite_of_a_location_that_leads_to_a_refusal_closes_it(tmp_path: Path) -> None:
    """As an if with an error does."""
    inside = rf"location /a/ {{ rewrite \.bak$ /refused last; {PASSED} }} {OPEN} {REFUSED}"
    assert routes(tmp_path, inside) == {"/refused": True, "/a/*": True, "/*": False}


@pytest.mark.parametrize(
    "inside",
    [
        rf"rewrite \.bak$ /new last; {OPEN} {REFUSED}",
        rf"rewrite \.bak$ /refused permanent; {OPEN} {REFUSED}",
        rf"rewrite \.bak$ /hidden last; {OPEN} location = /hidden {{ internal; {PASSED} }}",
    ],
)
def test_a_rewrite_that_leads_to_no_refusal_is_a_note(tmp_path: Path, inside: str) -> None:
    """A redirect sends the visitor, who is judged by the new path."""
    assert routes(tmp_path, inside)["/*"] is False
