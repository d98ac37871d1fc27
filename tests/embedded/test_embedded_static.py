"""Folders of files: what is served, and that nothing outside the folder is."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest
from aiohttp import ClientSession, UnixConnector
from yarl import URL

from gatekeeper.addresses import parse_upstream
from gatekeeper.embedded.static import StaticSites
from gatekeeper.settings import UpstreamSettings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    site = tmp_path / "site"
    (site / "docs").mkdir(parents=True)
    (site / "empty").mkdir()
    (site / "index.html").write_text("<p>home")
    (site / "docs" / "index.html").write_text("<p>docs")
    (site / "a b.txt").write_text("0123456789")
    (tmp_path / "secret.txt").write_text("secret")
    (site / "out").symlink_to(tmp_path)
    (site / "secret.txt").symlink_to(tmp_path / "secret.txt")
    (site / "trap").mkdir()
    (site / "trap" / "index.html").symlink_to(tmp_path / "secret.txt")
    (site / "inside.txt").symlink_to(site / "a b.txt")
    (site / "loop").symlink_to(site / "loop")
    return site


def ask(
    folder: Path, target: str, headers: Mapping[str, str] | None = None, method: str = "GET"
) -> tuple[int, Mapping[str, str], bytes]:
    """Status, headers and body; the target goes out as it is written here."""

    async def talk() -> tuple[int, Mapping[str, str], bytes]:
        upstream = UpstreamSettings(url=parse_upstream(f"static:{folder}"))
        async with StaticSites() as sites:
            await sites.serve({"default": upstream})
            connector = UnixConnector(str(sites.addresses[folder].path))
            async with ClientSession(connector=connector) as session:
                url = URL(f"http://site{target}", encoded=True)
                async with session.request(method, url, headers=headers, allow_redirects=False) as answer:
                    return answer.status, answer.headers, await answer.read()

    return asyncio.run(talk())


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("/", b"<p>home"),
        ("/index.html", b"<p>home"),
        ("/docs/", b"<p>docs"),
        ("/a%20b.txt", b"0123456789"),
        ("/inside.txt", b"0123456789"),
        ("/a%20b.txt?v=1", b"0123456789"),
    ],
)
def test_files_and_index_files_are_served(folder: Path, target: str, body: bytes) -> None:
    """Links too, as long as they stay inside."""
    status, _, got = ask(folder, target)
    assert (status, got) == (200, body)


@pytest.mark.parametrize(
    "target",
    [
        "/missing",
        "/empty/",
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/docs/%2e%2e%2f%2e%2e%2fsecret.txt",
        "/..%2fsecret.txt",
        "/secret.txt",
        "/out/secret.txt",
        "/out/",
        "/trap/",
        "//etc/passwd",
        "/%2fetc/passwd",
        "/a%00b",
        "/loop",
        "/" + "x" * 300,
        "/index.html/",
    ],
)
def test_everything_else_is_not_found(folder: Path, target: str) -> None:
    """No listing of folders, no way out of the folder: by dots, by links, by absolute paths."""
    status, _, body = ask(folder, target)
    assert status == 404
    assert b"secret" not in body


@pytest.mark.parametrize(
    ("target", "location"),
    [
        ("/docs", "./docs/"),
        ("/docs?a=%20", "./docs/?a=%20"),
        ("//docs", "./docs/"),
        ("//example.com/..", "./../"),
        ("/%5cexample.com/%2e%2e", "./../"),
    ],
)
def test_a_folder_without_its_slash_is_redirected_to_the_same_host(folder: Path, target: str, location: str) -> None:
    """A redirect to //example.com/ would lead the visitor to another host."""
    status, headers, _ = ask(folder, target)
    assert status == 301
    assert URL("https://gate.example" + target, encoded=True).join(URL(headers["Location"])).host == "gate.example"
    assert headers["Location"].startswith("./")
    assert location in (headers["Location"], "./../")


def test_parts_and_conditions(folder: Path) -> None:
    """RFC 9110, 13 and 14."""
    status, headers, body = ask(folder, "/a%20b.txt", {"Range": "bytes=2-4"})
    assert (status, body, headers["Content-Range"]) == (206, b"234", "bytes 2-4/10")
    assert ask(folder, "/a%20b.txt", {"Range": "bytes=20-"})[0] == 416
    _, headers, _ = ask(folder, "/a%20b.txt")
    assert ask(folder, "/a%20b.txt", {"If-None-Match": headers["ETag"]})[0] == 304
    assert ask(folder, "/a%20b.txt", {"If-Modified-Since": headers["Last-Modified"]})[0] == 304
    status, headers, body = ask(folder, "/a%20b.txt", method="HEAD")
    assert (status, headers["Content-Length"], body) == (200, "10", b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_files_cannot_be_written(folder: Path, method: str) -> None:
    """RFC 9110, 15.5.6."""
    assert ask(folder, "/index.html", method=method)[0] == 405


def test_the_socket_is_private_and_goes_away(folder: Path) -> None:
    """Another user of the machine must not reach the files past the gate."""

    async def look() -> Path:
        async with StaticSites() as sites:
            await sites.serve({"default": UpstreamSettings(url=parse_upstream(f"static:{folder}"))})
            path = sites.addresses[folder].path
            assert path.parent.stat().st_mode & 0o077 == 0
        return path

    assert not asyncio.run(look()).parent.exists()


def test_without_a_folder_nothing_is_started() -> None:
    """Most gates serve no files."""

    async def look() -> int:
        async with StaticSites() as sites:
            await sites.serve({"default": UpstreamSettings(url=parse_upstream("http://127.0.0.1:8000"))})
            return len(sites.addresses)

    assert asyncio.run(look()) == 0
