"""What browsers are told that a file is."""

import pytest

from gatekeeper.embedded.media_types import media_type


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("index.html", "text/html"),
        ("app.js", "text/javascript"),
        ("app.mjs", "text/javascript"),
        ("app.js.map", "application/json"),
        ("style.CSS", "text/css"),
        ("app.wasm", "application/wasm"),
        ("manifest.webmanifest", "application/manifest+json"),
        ("font.woff2", "font/woff2"),
        ("photo.webp", "image/webp"),
        ("song.ogg", "audio/ogg"),
        ("files.tar.gz", "application/gzip"),
        ("files.tgz", "application/gzip"),
        ("files.tar", "application/x-tar"),
        ("Home.mobileconfig", "application/x-apple-aspen-config"),
        ("README", "application/octet-stream"),
        ("a.unknown", "application/octet-stream"),
        ("data:,index.html", "text/html"),
    ],
)
def test_the_type_follows_from_the_name(name: str, expected: str) -> None:
    """By its last suffix in any case; Python's own list would read the last of these as a URL."""
    assert media_type(name) == expected
