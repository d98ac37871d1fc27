"""Folders of files: what is served, what is not found, and what of HTTP a file server must know."""

import asyncio
import os
import re
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from tempfile import gettempdir

import pytest

from gatekeeper.embedded.sites import StaticSites, new_folder_name
from gatekeeper.settings.addresses import parse_upstream
from gatekeeper.settings.upstream import UpstreamSettings
from tests.embedded.site import Site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    base = tmp_path_factory.mktemp("site")
    (base / "secret.txt").write_text("secret")
    (base / "outside").mkdir()
    (base / "outside" / "index.html").write_text("secret")
    folder = base / "www"
    for inner in ("sub", "bare", ".hidden", ".well-known", "linked", "a b"):
        (folder / inner).mkdir(parents=True)
    (folder / "index.html").write_text("<h1>home</h1>")
    (folder / "sub" / "index.html").write_text("sub")
    (folder / "digits.txt").write_text("0123456789")
    (folder / "empty").write_text("")
    (folder / "a b" / "ü.txt").write_text("umlaut")
    (folder / ".env").write_text("secret")
    (folder / ".hidden" / "file").write_text("secret")
    (folder / ".well-known" / "security.txt").write_text("contact")
    (folder / "out.txt").symlink_to(base / "secret.txt")
    (folder / "outdir").symlink_to(base / "outside")
    (folder / "linked" / "index.html").symlink_to(base / "secret.txt")
    (folder / "in.txt").symlink_to(folder / "digits.txt")
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "digits.txt.gz").symlink_to(base / "secret.txt")
    os.mkfifo(folder / "pipe")
    site = Site(folder)
    yield site
    site.close()


@pytest.mark.parametrize(
    ("target", "body", "kind"),
    [
        ("/", b"<h1>home</h1>", "text/html"),
        ("/index.html", b"<h1>home</h1>", "text/html"),
        ("/sub/", b"sub", "text/html"),
        ("/digits.txt", b"0123456789", "text/plain"),
        ("/digits.txt?v=1", b"0123456789", "text/plain"),
        ("/a%20b/%C3%BC.txt", b"umlaut", "text/plain"),
        ("/in.txt", b"0123456789", "text/plain"),
        ("/empty", b"", "application/octet-stream"),
        ("/.well-known/security.txt", b"contact", "text/plain"),
    ],
)
def test_what_is_in_the_folder_is_served(site: Site, target: str, body: bytes, kind: str) -> None:
    """Files with their type, index.html for a folder; links that stay inside are followed."""
    got = site.ask(target)
    assert (got.status, got.body, got.headers.get_content_type()) == (200, body, kind)


@pytest.mark.parametrize(
    "target",
    [
        "/missing",
        "/bare/",
        "/digits.txt/",
        "/../secret.txt",
        "/sub/../../secret.txt",
        "/sub/../digits.txt",
        "/./digits.txt",
        "/%2e%2e/secret.txt",
        "/sub/%2E%2E/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/sub%2Findex.html",
        "/..%5csecret.txt",
        "/%252e%252e/secret.txt",
        "//digits.txt",
        "//secret.txt",
        "/sub//index.html",
        "/digits.txt%00",
        "/digits.txt%00.html",
        "/out.txt",
        "/outdir",
        "/outdir/",
        "/outdir/index.html",
        "/linked/",
        "/linked/index.html",
        "/loop",
        "/pipe",
        "/.env",
        "/.hidden/file",
        "/%2ehidden/file",
        "/.well-known/../.env",
        "/" + "x" * 300,
        "/" + "x/" * 2000,
    ],
)
def test_nothing_else_is_found(site: Site, target: str) -> None:
    """Neither what is outside, by whatever spelling or link, nor what begins with a dot, nor what is no file."""
    got = site.ask(target)
    assert got.status == 404
    assert b"secret" not in got.body


def test_a_compressed_neighbour_that_leads_outside_is_not_served(site: Site) -> None:
    """digits.txt.gz is what aiohttp sends to who takes gzip, but here it is a link out of the folder."""
    got = site.ask("/digits.txt", "Accept-Encoding: gzip")
    assert (got.status, got.body) == (200, b"0123456789")


@pytest.mark.parametrize(
    ("target", "location"),
    [("/sub", "./sub/"), ("/sub?a=b%20c", "./sub/?a=b%20c"), ("/a%20b", "./a%20b/")],
)
def test_a_folder_without_its_slash_is_redirected(site: Site, target: str, location: str) -> None:
    """So that relative links on its page work; to a path, never to another server."""
    got = site.ask(target)
    assert (got.status, got.headers["Location"]) == (301, location)


def test_two_slashes_are_no_redirect_to_another_server(site: Site) -> None:
    """//sub would become Location: //sub/, which is a host to a browser."""
    assert site.ask("//sub").status == 404


def test_head_has_the_headers_and_no_body(site: Site) -> None:
    """RFC 9110, 9.3.2; a Range means nothing there (14.2)."""
    for lines in ((), ("Range: bytes=0-1",)):
        got = site.ask("/digits.txt", *lines, method="HEAD")
        assert (got.status, got.headers["Content-Length"], got.body) == (200, "10", b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_other_methods_are_not_allowed(site: Site, method: str) -> None:
    """RFC 9110, 15.5.6: with the list of those that are."""
    got = site.ask("/digits.txt", "Content-Length: 0", method=method)
    assert got.status == 405
    assert set(got.headers["Allow"].split(",")) == {"GET", "HEAD"}


@pytest.mark.parametrize(
    ("wanted", "status", "body", "content_range"),
    [
        ("bytes=0-3", 206, b"0123", "bytes 0-3/10"),
        ("bytes=8-", 206, b"89", "bytes 8-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=-99", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=5-99", 206, b"56789", "bytes 5-9/10"),
        ("bytes=10-", 416, None, "bytes */10"),
        ("bytes=0-1,4-5", 200, b"0123456789", None),
        ("lines=0-1", 200, b"0123456789", None),
        ("bytes=", 200, b"0123456789", None),
        ("bytes=a-b", 200, b"0123456789", None),
    ],
)
def test_ranges(site: Site, wanted: str, status: int, body: bytes | None, content_range: str | None) -> None:
    """RFC 9110, 14: one range is honoured, 416 if it lies behind the end; what is not understood is ignored."""
    got = site.ask("/digits.txt", f"Range: {wanted}")
    assert (got.status, got.headers["Content-Range"]) == (status, content_range)
    assert body is None or got.body == body


def test_a_range_is_for_the_version_that_the_client_has(site: Site) -> None:
    """RFC 9110, 13.1.5: If-Range with the tag or the date, else the whole file comes."""
    whole = site.ask("/digits.txt")
    tag, date = whole.headers["ETag"], whole.headers["Last-Modified"]
    for condition, status in (
        (tag, 206),
        (date, 206),
        ('"other"', 200),
        (f"W/{tag}", 200),
        (formatdate(0, usegmt=True), 200),
        (formatdate(4e9, usegmt=True), 200),
        ("nonsense", 200),
    ):
        assert site.ask("/digits.txt", "Range: bytes=0-1", f"If-Range: {condition}").status == status, condition


def test_conditional_requests(site: Site) -> None:
    """RFC 9110, 13: what the client has is not sent again, and a condition that fails is said."""
    whole = site.ask("/digits.txt")
    tag, date = whole.headers["ETag"], whole.headers["Last-Modified"]
    for condition, status in (
        (f"If-None-Match: {tag}", 304),
        (f'If-None-Match: "other", {tag}', 304),
        ('If-None-Match: "other"', 200),
        ("If-None-Match: *", 304),
        (f"If-Modified-Since: {date}", 304),
        (f"If-Modified-Since: {formatdate(0, usegmt=True)}", 200),
        ('If-Match: "other"', 412),
        (f"If-Match: {tag}", 200),
        (f"If-Unmodified-Since: {formatdate(0, usegmt=True)}", 412),
    ):
        got = site.ask("/digits.txt", condition)
        assert got.status == status, condition
        assert (got.body == b"") == (status == 304)
        assert got.headers["Cache-Control"] == ("no-store" if status == 412 else "private, no-cache")


def test_a_folder_that_is_exchanged_is_served_as_it_is_now(tmp_path: Path) -> None:
    """A link to the current release, swapped by a deployment."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "index.html").write_text(name)
    current = tmp_path / "current"
    current.symlink_to("one")
    site = Site(current)
    try:
        assert site.ask("/").body == b"one"
        (tmp_path / "next").symlink_to("two")
        (tmp_path / "next").rename(current)
        assert site.ask("/").body == b"two"
    finally:
        site.close()


def test_the_socket_is_private_and_goes_away(tmp_path: Path) -> None:
    """Another user of the machine must not reach the files past the gate."""

    async def look() -> Path:
        async with StaticSites(new_folder_name()) as sites:
            upstream = UpstreamSettings(url=parse_upstream(f"static:{tmp_path}"))
            await sites.serve({"default": upstream})
            path = sites.addresses[upstream].path
            assert path.parent.stat().st_mode & 0o077 == 0
        return path

    assert not asyncio.run(look()).parent.exists()


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    """Its folder of sockets. What was left by others, and what a link leads to, stays."""
    names = [new_folder_name() for _ in range(4)]
    killed, linked, other, own = (Path(gettempdir(), name) for name in names)
    (tmp_path / "0.sock").touch()
    killed.mkdir()
    (killed / "0.sock").touch()
    linked.symlink_to(tmp_path)
    other.mkdir()

    async def serve() -> None:
        async with StaticSites(own.name, [killed.name, linked.name]) as sites:
            await sites.serve({"default": UpstreamSettings(url=parse_upstream(f"static:{tmp_path}"))})

    try:
        asyncio.run(serve())
        assert not killed.exists()
        assert other.exists()
        assert (tmp_path / "0.sock").exists()
    finally:
        linked.unlink()
        other.rmdir()


def test_the_folder_of_somebody_else_is_not_taken(tmp_path: Path) -> None:
    """Who made it could exchange the sockets in it."""
    name = new_folder_name()
    Path(gettempdir(), name).mkdir()

    async def serve() -> None:
        async with StaticSites(name) as sites:
            await sites.serve({"default": UpstreamSettings(url=parse_upstream(f"static:{tmp_path}"))})

    try:
        with pytest.raises(FileExistsError):
            asyncio.run(serve())
    finally:
        Path(gettempdir(), name).rmdir()


def test_without_a_folder_nothing_is_started() -> None:
    """Most gates serve no files."""

    async def look() -> int:
        async with StaticSites(new_folder_name()) as sites:
            await sites.serve({"default": UpstreamSettings(url=parse_upstream("http://127.0.0.1:8000"))})
            return len(sites.addresses)

    assert asyncio.run(look()) == 0


def test_what_aiohttp_cannot_read_is_one_line_in_the_log(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """The gate sends no such thing; a traceback would be as long as a stranger's patience."""
    assert site.ask("/digits.txt", "Sec-WebSocket-Key1: x").status == 400
    (record,) = caplog.records
    assert record.exc_info is None
    assert re.fullmatch(
        r"Error handling request(?: from .*)?: InvalidHeader at .+:\d+|.*: InvalidHeader", record.getMessage()
    )
