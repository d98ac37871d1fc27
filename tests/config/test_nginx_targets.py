"""Where a location of nginx leads: a file, and else the app of a named location."""

from pathlib import Path

import pytest

from tests.config.test_nginx_locations import routes
from tests.config.translating import PASSED, TLS, translated


@pytest.mark.parametrize("tried", ["$uri @app", "$uri $uri/ @app"])
def test_the_app_of_a_named_location_answers_everything(tmp_path: Path, tried: str) -> None:
    """With its headers; a note says that no file is looked for first. As Mastodon's documentation has it."""
    inside = f"root /srv; location / {{ try_files {tried}; }} location @app {{ {PASSED} proxy_set_header Host a.b; }}"
    configuration, notes = translated(tmp_path, f"server {{ {TLS} ssl_verify_client on; {inside} }}")
    app = configuration.settings.every_upstream["default"]
    assert (str(app.url), app.host) == ("http://127.0.0.1:8000", "a.b")
    (note,) = notes
    assert f"try_files {tried}: an app answers every request; files are served by an app of their own" in note


@pytest.mark.parametrize(
    ("location", "named"),
    [
        ("try_files $uri @app;", f"@app {{ {PASSED} deny all; }}"),
        ("try_files $uri @app;", f"@app {{ {PASSED} auth_basic own; }}"),
        ("try_files $uri @app;", f"@app {{ {PASSED} return 403; }}"),
        ("try_files $uri @app;", f"@app {{ rewrite ^/(.*) /public/$1 break; {PASSED} }}"),
        ("try_files $uri @app;", f"@other {{ {PASSED} }}"),
        ("try_files $uri @app;", "@app { fastcgi_pass 127.0.0.1:9; }"),
        ("try_files /own/$uri @app;", f"@app {{ {PASSED} }}"),
    ],
)
def test_one_that_does_more_than_pass_on_is_not_asked(tmp_path: Path, location: str, named: str) -> None:
    """Its refusals and rewrites are not those of the location; nothing reaches the app then."""
    inside = f"root /srv; location / {{ {location} }} location {named}"
    routes(tmp_path, inside)
    text = (tmp_path / "gatekeeper.toml").read_text("utf-8")
    assert "static:/srv" in text or "nginx passes nothing on that gatekeeper could" in text
    assert '[upstream]\nurl = "http:' not in text


def test_what_the_location_refuses_stays_refused(tmp_path: Path) -> None:
    """Its own allow and deny are asked first."""
    inside = f"root /srv; location / {{ deny all; try_files $uri @app; }} location @app {{ {PASSED} }}"
    assert routes(tmp_path, inside) == {"/*": True}
