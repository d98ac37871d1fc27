"""Servers of nginx at port 80: those that only send visitors to https become server.redirect."""

from pathlib import Path

import pytest

from gatekeeper.config.nginx_redirects import matches_all
from tests.config.translating import CHECKED, PASSED, TLS, translated

SEND = "return 301 https://$host$request_uri;"
GATE = f"server {{ {TLS} {CHECKED} location / {{ {PASSED} }} }}"


def at_port_80(folder: Path, inside: str) -> tuple[list[str], list[str]]:
    """The addresses of server.redirect, and the notes."""
    configuration, notes = translated(folder, f"{GATE} server {{ listen 80; listen [::]:80; {inside} }}")
    return [str(address) for address in configuration.settings.server.redirect], notes


@pytest.mark.parametrize(
    "inside",
    [
        SEND,
        f"location / {{ {SEND} }}",
        f"if ($host = a.example) {{ {SEND} }} if ($host = b.example) {{ {SEND} }} return 404;",
        "rewrite ^ https://$host$request_uri permanent;",
        "rewrite ^/(.*)$ https://$server_name/$1 redirect;",
        "server_name a.example; return 301 https://a.example$request_uri;",
        f"location / {{ {SEND} }} location = /robots.txt {{ return 404; }}",
    ],
)
def test_a_server_that_only_sends_to_https_becomes_the_redirect(tmp_path: Path, inside: str) -> None:
    """In whatever form: certbot writes an if for each name, and 404 for every other."""
    assert at_port_80(tmp_path, inside) == (["0.0.0.0:80", "[::]:80"], [])


@pytest.mark.parametrize(
    "inside",
    [
        f"{SEND} location /x {{ {PASSED} }}",
        f"location / {{ {PASSED} }} location /x {{ {SEND} }}",
        f"location / {{ if ($host = a.example) {{ {SEND} }} {PASSED} }}",
        f"location /x {{ {SEND} }}",
        f"root /srv; if ($host = a.example) {{ {SEND} }}",
        "location / { rewrite ^/x$ https://$host/ permanent; }",
        "return 301 http://$host/;",
        "return 404;",
        "",
    ],
)
def test_one_that_does_anything_else_is_not_taken_over(tmp_path: Path, inside: str) -> None:
    """One note for the whole server: its directives have no route that could be closed."""
    addresses, (note,) = at_port_80(tmp_path, inside)
    assert addresses == []
    assert "server: a server without TLS is not taken over" in note


def test_another_name_is_said(tmp_path: Path) -> None:
    """The gate sends a visitor of a.example to a.example."""
    addresses, (note,) = at_port_80(tmp_path, "server_name a.example; return 301 https://www.a.example$request_uri;")
    assert addresses
    assert "server.redirect keeps the name that the visitor asked for" in note


def test_challenges_of_acme_are_said(tmp_path: Path) -> None:
    """What certbot puts into a folder is not served; the renewal of that certificate would fail."""
    inside = f"root /srv; location /.well-known/acme-challenge/ {{ allow all; }} location / {{ {SEND} }}"
    addresses, (note,) = at_port_80(tmp_path, inside)
    assert addresses
    assert "acme-challenge/: the gate answers challenges of ACME for certificates of its own only: see [acme]" in note


@pytest.mark.parametrize(
    ("expression", "every"),
    [
        ("^", True),
        ("^/", True),
        (".*", True),
        ("^(.*)$", True),
        ("^/(.*)$", True),
        ("^(/.*)$", True),
        ("^/?(.*)$", True),
        ("^/a", False),
        ("^/(.+)$", True),
        ("^$", False),
        ("a", False),
        ("^/$", False),
    ],
)
def test_expressions_that_match_every_path(expression: str, every: bool) -> None:
    """Of a path, which begins with a slash."""
    assert matches_all(expression) is every
