"""Headers of responses in nginx."""

from pathlib import Path

from tests.config.translating import CHECKED, PASSED, TLS, translated


def test_headers_of_all_locations_are_those_of_every_response(tmp_path: Path) -> None:
    """A header is added to what the app sends, as in nginx; one that is hidden is removed."""
    configuration, notes = translated(
        tmp_path,
        f'server {{ {TLS} {CHECKED} add_header Strict-Transport-Security "max-age=63072000; preload" always;'
        f' proxy_hide_header X-Powered-By; add_header X-Nothing ""; location / {{ {PASSED} }}'
        " location /b/ { proxy_pass http://b; } }",
    )
    settings = configuration.settings
    assert dict(settings.response.headers) == {
        "X-Powered-By": "",
        "+Strict-Transport-Security": "max-age=63072000; preload",
    }
    assert not any(route.response.headers for route in settings.routes)
    assert notes == []


def test_headers_of_a_location_are_those_of_its_route(tmp_path: Path) -> None:
    """They take the place of all that it would inherit."""
    configuration, notes = translated(
        tmp_path,
        f"server {{ {TLS} {CHECKED} add_header X-Frame-Options DENY; location / {{ {PASSED} }}"
        f" location /b/ {{ {PASSED} add_header X-Robots-Tag none; }} }}",
    )
    settings = configuration.settings
    assert dict(settings.response.headers) == {}
    assert {route.path: dict(route.response.headers) for route in settings.routes} == {
        "/b/*": {"+X-Robots-Tag": "none"},
        "/*": {"+X-Frame-Options": "DENY"},
    }
    assert notes == []


def test_a_header_of_files_takes_the_place_of_the_gates_own(tmp_path: Path) -> None:
    """nginx sends no Cache-Control with a file by itself."""
    more = 'add_header Cache-Control "public, immutable"; proxy_hide_header X-A;'
    settings = translated(tmp_path, f"server {{ {TLS} {CHECKED} location / {{ root /srv/www; {more} }} }}")[0].settings
    assert dict(settings.response.headers) == {"Cache-Control": "public, immutable"}


def test_headers_that_cannot_be_had_are_said(tmp_path: Path) -> None:
    """Variables, a name twice, and what the gate says itself."""
    more = "add_header X-A $host; add_header Link a; add_header Link b; add_header Connection close;"
    configuration, notes = translated(tmp_path, f"server {{ {TLS} {CHECKED} {more} location / {{ {PASSED} }} }}")
    assert dict(configuration.settings.response.headers) == {"+Link": "a"}
    assert [note.removeprefix("line 3: add_header ") for note in notes] == [
        "X-A $host: variables cannot be in response.headers",
        "Link b: response.headers has one value for each name",
        "Connection close: cannot be in response.headers",
    ]
