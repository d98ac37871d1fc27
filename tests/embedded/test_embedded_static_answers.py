"""Folders of files: the gate's own pages, caches, compressed neighbours, the page of a single-page application."""

import errno
import gzip
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gatekeeper.refusal.answer import RefusalPages
from tests.embedded.site import Site

PAGE = "Accept: text/html"
SCRIPT = b"alert(1)"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    base = tmp_path_factory.mktemp("site")
    folder = base / "www"
    (folder / "bare").mkdir(parents=True)
    (base / "secret.js.gz").write_bytes(b"secret")
    os.utime(base / "secret.js.gz", (4e9, 4e9))
    (folder / "index.html").write_text("home")
    (folder / "app.js").write_bytes(SCRIPT)
    (folder / "app.js.gz").write_bytes(gzip.compress(SCRIPT))
    (folder / "app.js.br").write_bytes(b"brotli")
    (folder / "app.js.zst").write_bytes(b"zstandard")
    (folder / "new.css").write_bytes(b"a{}")
    (folder / "new.css.gz").write_bytes(b"of yesterday")
    os.utime(folder / "new.css.gz", (1e9, 1e9))
    (folder / "linked.js").write_bytes(SCRIPT)
    (folder / "linked.js.gz").symlink_to(base / "secret.js.gz")
    (folder / "folder.js").write_bytes(SCRIPT)
    (folder / "folder.js.gz").mkdir()
    site = Site(folder)
    yield site
    site.close()


@pytest.fixture
def application(site: Site) -> Iterator[Site]:
    """The same folder, with a fallback and another Cache-Control."""
    application = Site(site.folder, cache_control="max-age=60", fallback="index.html")
    yield application
    application.close()


@pytest.mark.parametrize(
    ("target", "lines", "method", "status"),
    [
        ("/missing", (), "GET", 404),
        ("/.env", (), "GET", 404),
        ("/index.html", ("Content-Length: 0",), "POST", 405),
        ("/index.html", ("Range: bytes=4-",), "GET", 416),
        ("/index.html", ('If-Match: "other"',), "GET", 412),
    ],
)
def test_errors_are_the_gates_own_answers(
    site: Site, target: str, lines: tuple[str, ...], method: str, status: int
) -> None:
    """In both forms, with the number by which the log knows the request."""
    number = "X-Request-Id: 0123456789abcdef"
    problem = site.ask(target, number, *lines, method=method)
    assert (problem.status, problem.headers["Content-Type"]) == (status, "application/problem+json")
    assert b'"request_id": "0123456789abcdef"' in problem.body
    page = site.ask(target, number, PAGE, "Accept-Language: de", *lines, method=method)
    assert (page.status, page.headers["Content-Type"]) == (status, "text/html; charset=utf-8")
    assert page.headers["Content-Language"] == "de"
    assert page.headers["Cache-Control"] == "no-store"
    assert b"01234567" in page.body


def test_errors_have_the_headers_that_their_status_asks_for(site: Site) -> None:
    """RFC 9110, 15.5.6: what is allowed; 15.5.17: how long the file is."""
    assert set(site.ask("/", method="DELETE").headers["Allow"].split(",")) == {"GET", "HEAD"}
    assert site.ask("/index.html", "Range: bytes=4-").headers["Content-Range"] == "bytes */4"


def test_an_error_to_head_has_no_body(site: Site) -> None:
    """RFC 9110, 9.3.2."""
    got = site.ask("/missing", PAGE, method="HEAD")
    assert (got.status, got.body) == (404, b"")
    assert int(got.headers["Content-Length"]) > 0


def test_a_condition_goes_before_a_range(site: Site) -> None:
    """RFC 9110, 13.2.2: what the client has already is not measured."""
    tag = site.ask("/index.html").headers["ETag"]
    assert site.ask("/index.html", f"If-None-Match: {tag}", "Range: bytes=4-").status == 304


def test_a_file_that_cannot_be_read_is_said(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """403: whoever runs the site has to give the gate the permission. root, as whom tests may run, has every one."""

    def refused(*_: object) -> int:
        raise PermissionError

    monkeypatch.setattr(os, "open", refused)
    got = site.ask("/index.html")
    assert got.status == 403
    assert b"no permission" in got.body


@pytest.fixture
def forbidding(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Takes the permission to search a folder away, as chmod would for anybody but root, as whom tests may run."""
    lstat = os.lstat

    def forbid(folder: Path) -> None:
        def refused(path: Any, **more: Any) -> os.stat_result:
            if Path(path).parent == folder:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
            return lstat(path, **more)

        monkeypatch.setattr(os, "lstat", refused)

    return forbid


@pytest.mark.parametrize("target", ["/closed/", "/closed/a.txt", "/closed/b.txt", "/in"])
def test_a_folder_that_cannot_be_searched_is_said(
    tmp_path: Path, forbidding: Callable[[Path], None], target: str, caplog: pytest.LogCaptureFixture
) -> None:
    """403, also for what may not even exist in there; the log names the folder once."""
    closed = tmp_path / "www" / "closed"
    closed.mkdir(parents=True)
    (closed / "a.txt").write_text("a")
    (tmp_path / "www" / "in").symlink_to(closed / "a.txt")
    site = Site(tmp_path / "www")
    forbidding(closed)
    statuses = [site.ask(target).status for _ in range(2)]
    site.close()
    assert statuses == [403, 403]
    assert [record.getMessage() for record in caplog.records if record.name == "gatekeeper"] == [
        f"static: the gate has no permission to read {str(closed)!a}"
    ]


@pytest.mark.parametrize("where", ["www", "."])
def test_a_site_that_cannot_be_searched_is_said(
    tmp_path: Path, forbidding: Callable[[Path], None], where: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The folder of the site itself, and one above it."""
    (tmp_path / "www").mkdir()
    site = Site(tmp_path / "www")
    forbidding(tmp_path / where)
    got = site.ask("/")
    site.close()
    assert got.status == 403
    assert f"the gate has no permission to read {str(tmp_path / where)!a}" in caplog.text


def test_a_link_to_a_place_outside_that_cannot_be_searched_is_not_found(
    tmp_path: Path, forbidding: Callable[[Path], None]
) -> None:
    """As any link that leads outside: the answer tells nothing of what is there."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "out").symlink_to(tmp_path / "outside" / "secret")
    site = Site(tmp_path / "www")
    forbidding(tmp_path / "outside")
    got = site.ask("/out")
    site.close()
    assert got.status == 404


@pytest.mark.parametrize(("target", "exchanged"), [("/sub/file.js", "sub/file.js"), ("/sub/file.js", "sub")])
@pytest.mark.parametrize("coding", ["identity", "gzip"])
def test_a_link_that_is_swapped_in_leads_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str, exchanged: str, coding: str
) -> None:
    """Between the look at a file and its opening, somebody who can write to the folder exchanges it, or its folder."""
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("open files have no names here")
    (tmp_path / "outside").mkdir()
    (tmp_path / "www" / "sub").mkdir(parents=True)
    for folder, content in (("outside", "secret"), ("www/sub", "public")):
        for name in ("file.js", "file.js.gz"):
            (tmp_path / folder / name).write_text(content)
    (tmp_path / "outside" / "sub").symlink_to(tmp_path / "outside")
    opened = os.open

    def exchange(path: str, flags: int) -> int:
        if not (tmp_path / "before").exists():
            suffix = ".gz" if coding == "gzip" and exchanged.endswith(".js") else ""
            name = tmp_path / "www" / f"{exchanged}{suffix}"
            name.rename(tmp_path / "before")
            name.symlink_to(tmp_path / "outside" / Path(f"{exchanged}{suffix}").name)
        return opened(path, flags)

    site = Site(tmp_path / "www")
    monkeypatch.setattr(os, "open", exchange)
    try:
        got = site.ask(target, f"Accept-Encoding: {coding}")
    finally:
        monkeypatch.undo()
        site.close()
    assert (tmp_path / "before").exists()
    assert b"secret" not in got.body
    assert got.status == (200 if coding == "gzip" and exchanged.endswith(".js") else 404)


def test_files_are_closed_again(tmp_path: Path) -> None:
    """Whole, in part, unsent, and in errors."""
    (tmp_path / "index.html").write_text("home")
    site = Site(tmp_path)
    for lines in ((), ("Range: bytes=0-1",), ("Range: bytes=9-",), ("If-None-Match: *",), ('If-Match: "a"',)):
        for method in ("GET", "HEAD"):
            site.ask("/index.html", *lines, method=method)
    site.close()
    folder = Path("/proc/self/fd")
    held = {os.path.realpath(one) for one in folder.iterdir()} if folder.is_dir() else set()
    assert str(tmp_path.resolve() / "index.html") not in held


def test_pages_follow_a_reload(site: Site) -> None:
    """The contact of the configuration that is in force now."""
    before = site.sites.pages
    site.sites.pages = RefusalPages(contact="webmaster@example.com")
    assert b"webmaster@example.com" in site.ask("/missing", PAGE).body
    site.sites.pages = before
    assert b"webmaster@example.com" not in site.ask("/missing", PAGE).body


@pytest.mark.parametrize(
    "target",
    ["/", "/missing", "/bare", "/index.html", "/%", "/%zz", "/%ff", "/[", "//[", "/a:b", "/?[", "/;"],
)
def test_no_answer_names_the_server(site: Site, target: str) -> None:
    """Neither Python's version nor aiohttp's; and no target is too odd to be answered as missing."""
    for method in ("GET", "HEAD", "PUT", "OPTIONS"):
        got = site.ask(target, "If-None-Match: *", method=method)
        assert "Server" not in got.headers
        assert got.status in (304, 301, 404, 405)
        assert b"Python" not in got.body


def test_the_limits_are_the_gates(site: Site) -> None:
    """A cookie, a number of headers and a target that other servers find too large: the gate has let them pass."""
    assert site.ask("/index.html", f"Cookie: {'c' * 100_000}").status == 200
    assert site.ask("/index.html", *(f"X-{number}: 1" for number in range(1000))).status == 200
    assert site.ask(f"/index.html?{'q' * 100_000}").status == 200


def test_caches_must_ask_whether_a_file_has_changed(site: Site) -> None:
    """And only the visitor's own may keep it, because another visitor may not be let in."""
    for target, lines, status in (
        ("/index.html", (), 200),
        ("/index.html", ("Range: bytes=0-1",), 206),
        ("/index.html", ("If-None-Match: *",), 304),
        ("/bare", (), 301),
    ):
        got = site.ask(target, *lines)
        assert (got.status, got.headers["Cache-Control"]) == (status, "private, no-cache")


def test_cache_control_is_configured(application: Site) -> None:
    """upstream.cache_control; not for errors, which may be gone in a moment."""
    assert application.ask("/index.html").headers["Cache-Control"] == "max-age=60"
    assert application.ask("/missing").headers["Cache-Control"] == "no-store"


def test_without_a_cache_control_none_is_sent(site: Site) -> None:
    """For who wants the caches to guess (RFC 9111, 4.2.2)."""
    silent = Site(site.folder, cache_control="")
    try:
        assert "Cache-Control" not in silent.ask("/index.html").headers
    finally:
        silent.close()


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        (None, None),
        ("", None),
        ("identity", None),
        ("gzip", "gzip"),
        ("GZIP", "gzip"),
        ("gzip, deflate, br, zstd", "br"),
        ("gzip, zstd", "zstd"),
        ("br;q=0.5, gzip", "gzip"),
        ("br;q=0, gzip;q=0.001", "gzip"),
        ("br;q=0, zstd; q=0.000, gzip ; q=0", None),
        ("*", None),
        ("x-gzip-of-mine", None),
        ("br;q=high", None),
    ],
)
def test_a_compressed_neighbour_is_sent_to_who_takes_it(site: Site, accepted: str | None, coding: str | None) -> None:
    """RFC 9110, 12.5.3, with the type of the file itself; caches are told what the choice depended on."""
    bodies = {None: SCRIPT, "br": b"brotli", "zstd": b"zstandard", "gzip": gzip.compress(SCRIPT)}
    got = site.ask("/app.js", *(() if accepted is None else (f"Accept-Encoding: {accepted}",)))
    assert (got.headers["Content-Encoding"], got.headers["Vary"]) == (coding, "Accept-Encoding")
    assert got.headers.get_content_type() in ("text/javascript", "application/javascript")
    assert gzip.decompress(got.body) == SCRIPT if coding == "gzip" else got.body == bodies[coding]


def test_a_compressed_neighbour_is_a_version_of_its_own(site: Site) -> None:
    """RFC 9110, 8.8.3: with its own tag; ranges are those of what travels (14.2)."""
    whole, compressed = site.ask("/app.js"), site.ask("/app.js", "Accept-Encoding: br")
    assert whole.headers["ETag"] != compressed.headers["ETag"]
    part = site.ask("/app.js", "Accept-Encoding: br", "Range: bytes=0-1", f"If-Range: {compressed.headers['ETag']}")
    assert (part.status, part.body, part.headers["Content-Encoding"]) == (206, b"br", "br")
    other = site.ask("/app.js", "Accept-Encoding: br", "Range: bytes=0-1", f"If-Range: {whole.headers['ETag']}")
    assert (other.status, other.body) == (200, b"brotli")
    head = site.ask("/app.js", "Accept-Encoding: br", method="HEAD")
    assert (head.headers["Content-Length"], head.headers["Content-Encoding"]) == ("6", "br")


@pytest.mark.parametrize("target", ["/new.css", "/linked.js", "/folder.js"])
def test_a_neighbour_that_does_not_stand_for_the_file_is_not_sent(site: Site, target: str) -> None:
    """One that is older than the file, a link, which could lead outside, and a folder."""
    got = site.ask(target, "Accept-Encoding: gzip")
    assert (got.status, got.headers["Content-Encoding"]) == (200, None)
    assert got.body == (site.folder / target[1:]).read_bytes()


def test_a_compressed_file_that_is_asked_for_is_only_a_file(site: Site) -> None:
    """A download: a browser must not unpack it."""
    got = site.ask("/app.js.gz", "Accept-Encoding: gzip")
    assert (got.headers["Content-Encoding"], got.headers.get_content_type()) == (None, "application/gzip")


@pytest.mark.parametrize("target", ["/users/7", "/users/john.doe", "/bare/", "/index.html/", "/users/"])
def test_a_path_without_a_file_gets_the_fallback(application: Site, target: str) -> None:
    """A page that somebody has bookmarked in an application that makes its own paths; nothing else gets it there."""
    got = application.ask(target, PAGE)
    assert (got.status, got.body, got.headers["Vary"]) == (200, b"home", "Accept-Encoding, Accept")
    assert application.ask(target, "Accept: */*").status == 404


@pytest.mark.parametrize("target", ["/.env", "/..", "/a/../b", "/%2e%2e/a", "/a%2fb", "/a%00", "//a", "/.git/config"])
def test_a_path_that_means_nothing_gets_no_fallback(application: Site, target: str) -> None:
    """What is refused is refused with a fallback too."""
    assert application.ask(target, PAGE).status == 404


def test_a_file_goes_before_the_fallback(application: Site) -> None:
    """And a folder is still told its slash."""
    assert application.ask("/app.js", PAGE).body == SCRIPT
    assert application.ask("/bare", PAGE).status == 301


def test_a_fallback_does_not_lead_outside(tmp_path: Path) -> None:
    """It can be a link like every other file."""
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "index.html").symlink_to(tmp_path / "secret")
    site = Site(tmp_path / "www", fallback="index.html")
    try:
        assert site.ask("/a", PAGE).status == 404
    finally:
        site.close()
