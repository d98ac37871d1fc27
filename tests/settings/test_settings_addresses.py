"""Listen addresses and upstream URLs."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeeper.settings.addresses import (
    Address,
    SocketPath,
    UpstreamURL,
    joined,
    parse_host,
    parse_listen,
    parse_upstream,
)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("0.0.0.0:8443", Address("0.0.0.0", 8443)),
        ("127.0.0.1:0", Address("127.0.0.1", 0)),
        ("[::]:8443", Address("::", 8443)),
        ("[2001:db8::1]:443", Address("2001:db8::1", 443)),
        ("localhost:65535", Address("localhost", 65535)),
        ("unix:/run/gate.sock", SocketPath(Path("/run/gate.sock"))),
        ("unix:gate.sock", SocketPath(Path("gate.sock"))),
    ],
)
def test_a_listen_address_reads_back_from_its_text(text: str, address: Address | SocketPath) -> None:
    """What was read is written the same."""
    assert parse_listen(text) == address
    assert str(address) == text


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "should be an address and a port"),
        ("8443", "should be an address and a port"),
        (":8443", 'names no address: write "0.0.0.0:8443"'),
        ("*:8443", 'names no address: write "0.0.0.0:8443"'),
        ("::1:8443", "in brackets"),
        ("[::1]", "a port from 0 to 65535"),
        ("[::g]:1", "is not an IPv6 address"),
        ("[127.0.0.1]:1", "is not an IPv6 address"),
        ("256.0.0.1:1", "is not an IPv4 address"),
        ("1.2.3:1", "is not an IPv4 address"),
        ("localhost:", "a port from 0 to 65535"),
        ("localhost:65536", "a port from 0 to 65535"),
        ("localhost:-1", "a port from 0 to 65535"),
        ("localhost:http", "a port from 0 to 65535"),
        ("localhost:٨٠", "a port from 0 to 65535"),
        ("-a:1", "is not a host name"),
        ("a b:1", "is not a host name"),
        ("http://localhost:1", "in brackets"),
        ("unix:", "names no socket"),
        ("unix:/", "names no socket"),
        ("unix://run/x", 'should be "unix:/path/to/socket"'),
        ("unix:/run/\0", "names no socket"),
    ],
)
def test_what_is_no_listen_address(text: str, sentence: str) -> None:
    """The sentence says how it should be written."""
    with pytest.raises(ValueError, match=r".") as caught:
        parse_listen(text)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("text", "url", "back"),
    [
        ("http://127.0.0.1:8000", UpstreamURL("http", "127.0.0.1", 8000), "http://127.0.0.1:8000"),
        ("http://app", UpstreamURL("http", "app", 80), "http://app:80"),
        ("https://app.internal/", UpstreamURL("https", "app.internal", 443), "https://app.internal:443"),
        ("http://[::1]:3000", UpstreamURL("http", "::1", 3000), "http://[::1]:3000"),
        ("http://[::1]", UpstreamURL("http", "::1", 80), "http://[::1]:80"),
        ("unix:/run/a.sock", UpstreamURL("unix", path=Path("/run/a.sock")), "unix:/run/a.sock"),
        ("unix:///run/a.sock", UpstreamURL("unix", path=Path("/run/a.sock")), "unix:/run/a.sock"),
        ("static:www", UpstreamURL("static", path=Path("www")), "static:www"),
        ("static:/", UpstreamURL("static", path=Path("/")), "static:/"),
    ],
)
def test_an_upstream_url(text: str, url: UpstreamURL, back: str) -> None:
    """The port that a scheme implies is filled in."""
    assert parse_upstream(text) == url
    assert str(url) == back


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "should begin with http://"),
        ("127.0.0.1:8000", "should begin with http://"),
        ("ftp://a", "should begin with http://"),
        ("HTTP://a", "should begin with http://"),
        ("http:/a", "should begin with http://"),
        ("http://", "names no host"),
        ("http://:80", "names no host"),
        ("http://a:0", "a port from 1 to 65535"),
        ("http://a:", "a port from 1 to 65535"),
        ("http://a:x", "a port from 1 to 65535"),
        ("http://user@a", "user name or password"),
        ("http://user:secret@a", "user name or password"),
        ("http://a/?x=1", "query or a fragment"),
        ("http://a?", "query or a fragment"),
        ("http://a#x", "query or a fragment"),
        ("http://a/app", 'take "/app" off'),
        ("http://a//", 'take "//" off'),
        ("http://a b", "contains a character"),
        ("http://a\n", "contains a character"),
        ("http://a\\b", "contains a character"),
        ("http://[::1", "is not a URL"),
        ("http://::1:80", "in brackets"),
        ("http://exämple", "contains a character"),
        ("unix:", "names no socket"),
        ("static:", "names no folder"),
        ("static://www", 'should be "static:/path/to/folder"'),
    ],
)
def test_what_is_no_upstream_url(text: str, sentence: str) -> None:
    """Nothing that the proxy would have to drop in silence is taken."""
    with pytest.raises(ValueError, match=r".") as caught:
        parse_upstream(text)
    assert sentence in str(caught.value)


def test_a_password_in_a_url_is_not_repeated() -> None:
    """The sentence ends up in logs."""
    with pytest.raises(ValueError, match="user name or password") as caught:
        parse_upstream("http://user:secret@a")
    assert "secret" not in str(caught.value)


@given(st.text())
def test_reading_raises_nothing_but_a_sentence(text: str) -> None:
    """Whatever is written, there is an answer or a sentence."""
    for prefix in ("", "http://", "https://", "unix:", "static:"):
        for parse in (parse_listen, parse_upstream, parse_host):
            try:
                parse(prefix + text)
            except ValueError as error:
                sentence = str(error)
            else:
                sentence = "fine"
            assert sentence


def test_where_to_connect() -> None:
    """A folder has no address of its own."""
    assert parse_upstream("http://[::1]:1").address == Address("::1", 1)
    assert parse_upstream("unix:/run/a.sock").address == SocketPath(Path("/run/a.sock"))
    assert parse_upstream("static:/srv").address is None


def test_relative_paths_start_at_a_folder() -> None:
    """Absolute ones stay, and so does what has no path."""
    folder = Path("/etc/gatekeeper")
    assert parse_upstream("static:www").within(folder).path == folder / "www"
    assert parse_upstream("static:/srv").within(folder).path == Path("/srv")
    assert parse_upstream("http://a").within(folder) == UpstreamURL("http", "a", 80)
    assert SocketPath(Path("x")).within(folder) == SocketPath(folder / "x")


def test_a_path_through_the_folder_above_is_short(tmp_path: Path) -> None:
    """Messages would show /etc/gatekeeper/../ssl/gate.key."""
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    assert joined(folder, Path("../ca.crt")) == tmp_path / "a" / "ca.crt"
    assert joined(folder, Path("../../ca/ca.crt")) == tmp_path / "ca" / "ca.crt"
    assert joined(folder, Path("..")) == tmp_path / "a"
    assert joined(folder, Path("/srv/../ca.crt")) == Path("/srv/../ca.crt")
    assert joined(folder, Path("link/../ca.crt")) == folder / "link/../ca.crt"
    assert SocketPath(Path("../socket")).within(folder) == SocketPath(tmp_path / "a" / "socket")


def test_a_path_through_a_symbolic_link_stays_what_it_is(tmp_path: Path) -> None:
    """path_resolution(7): the folder above a link is the one above its target."""
    (tmp_path / "far" / "target").mkdir(parents=True)
    (tmp_path / "far" / "ca.crt").touch()
    (tmp_path / "link").symlink_to(tmp_path / "far" / "target")
    (tmp_path / "link" / "below").mkdir()
    assert joined(tmp_path / "link", Path("../ca.crt")).samefile(tmp_path / "far" / "ca.crt")
    assert joined(tmp_path / "link" / "below", Path("../../ca.crt")).samefile(tmp_path / "far" / "ca.crt")
