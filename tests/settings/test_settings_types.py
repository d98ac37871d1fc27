"""The kinds of value: what each reads, and in which words it refuses."""

from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from gatekeeper.settings import types
from gatekeeper.settings.addresses import Address, SocketPath, UpstreamURL

FOLDER = Path("/etc/gatekeeper")
SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


def read(kind: Any, value: object) -> Any:
    return TypeAdapter[Any](kind).validate_python(value, context=types.Loading(FOLDER))


@pytest.mark.parametrize(
    ("kind", "value", "got"),
    [
        (types.Duration, "90s", 90.0),
        (types.Wait, "0s", 0.0),
        (types.DurationOrOff, "off", None),
        (types.DurationOrOff, "14d", 1209600.0),
        (types.Size, "32KiB", 32768),
        (types.SizeOrUnlimited, "unlimited", None),
        (types.Network, "10.0.0.0/8", ip_network("10.0.0.0/8")),
        (types.Network, "192.0.2.7", ip_network("192.0.2.7/32")),
        (types.Network, "2001:db8::/32", ip_network("2001:db8::/32")),
        (types.Listen, "[::]:1", Address("::", 1)),
        (types.Listen, "unix:x", SocketPath(FOLDER / "x")),
        (types.ListenOrOff, "off", None),
        (types.URL, "static:www", UpstreamURL("static", path=FOLDER / "www")),
        (types.File, "x", FOLDER / "x"),
        (types.File, "/x", Path("/x")),
        (types.Folder, "../x", FOLDER / "../x"),
        (types.LogTarget, "stdout", "stdout"),
        (types.LogTarget, "stdout.log", FOLDER / "stdout.log"),
        (types.Workers, "auto", "auto"),
        (types.Workers, 1, 1),
        (types.Origins, True, True),
        (types.Origins, ["https://a.example:8443"], ("https://a.example:8443",)),
        (types.HostName, "Example.COM", "example.com"),
        (types.Serial, "0a1b", "0A1B"),
        (types.Serial, "00:00:A1", "A1"),
        (types.Serial, "1", "01"),
        (types.Serial, "0", "00"),
        (types.Serial, "-0f", "-0F"),
        (types.Fingerprint, SHA256.upper(), SHA256),
        (types.Fingerprint, ":".join(SHA256[i : i + 2] for i in range(0, 64, 2)), SHA256),
        (types.Pin, SHA256, SHA256),
        (types.Pin, "sha256/n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=", SHA256),
        (types.Pin, "sha256//n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=", SHA256),
        (types.RoutePath, "/", "/"),
        (types.RoutePath, "/*", "/*"),
        (types.RoutePath, "/a/b.c/*", "/a/b.c/*"),
        (types.RoutePath, "/.well-known/acme-challenge/*", "/.well-known/acme-challenge/*"),
        (types.RequestPath, "/health?full=1", "/health?full=1"),
        (types.Method, "GET", "GET"),
        (types.UpstreamName, "api_2-b", "api_2-b"),
        (types.WebURL, "http://ocsp.example.com:8080/path", "http://ocsp.example.com:8080/path"),
        (types.HeaderName, "X-Device", "X-Device"),
        (types.Template, "{cn} of {o}, until {not_after}", "{cn} of {o}, until {not_after}"),
    ],
)
def test_what_a_kind_reads(kind: Any, value: object, got: object) -> None:
    """Relative paths start at the folder; names of certificates get the form that certificates have."""
    assert read(kind, value) == got


WRONG = [
    (types.Duration, 5, 'should be a duration such as "30s", "500ms" or "2h"; got 5'),
    (types.Duration, 5.0, 'should be a duration such as "30s", "500ms" or "2h"; got 5.0'),
    (types.Duration, True, 'should be a duration such as "30s", "500ms" or "2h"; got true'),
    (types.Duration, "5", 'should be a duration such as "30s", "500ms" or "2h"; got "5"'),
    (types.Duration, "0s", "must be longer than nothing"),
    (types.Duration, "3651d", 'must not be longer than "3650d"; got "3651d"'),
    (types.Wait, "off", 'should be a duration such as "30s", "500ms" or "2h"; got "off"'),
    (types.DurationOrOff, False, 'should be a duration such as "30s", "500ms" or "2h", or "off"; got false'),
    (types.Size, 1024, 'should be a size such as "64KiB", "1MiB" or "512B"; got 1024'),
    (types.Size, "4MB", 'should be a size such as "64KiB", "1MiB" or "512B"; got "4MB"'),
    (types.SizeOrUnlimited, "off", 'should be a size such as "64KiB", "1MiB" or "512B", or "unlimited"; got "off"'),
    (types.Network, "10.0.0.1/8", 'has bits set behind the prefix; is "10.0.0.0/8" meant, or "10.0.0.1"?'),
    (types.Network, "10.0.0.0/33", "should be a network such as"),
    (types.Network, "localhost", "should be a network such as"),
    (types.Network, 10, "should be a network such as"),
    (types.Listen, 8443, 'should be an address and a port, such as "0.0.0.0:8443"; got 8443'),
    (types.Listen, "off", 'should be an address and a port, such as "0.0.0.0:8443" or "[::]:8443"; got "off"'),
    (types.ListenOrOff, False, 'should be an address and a port, such as "127.0.0.1:9000", or "off"; got false'),
    (types.URL, 8000, 'should be a URL such as "http://127.0.0.1:8000"; got 8000'),
    (types.File, "", 'should be the path of a file; got ""'),
    (types.File, "  ", 'should be the path of a file; got "  "'),
    (types.File, "a\0b", 'should be the path of a file; got "a?b"'),
    (types.File, ["x"], "should be the path of a file; got a list"),
    (types.Folder, {}, "should be the path of a folder; got a table"),
    (types.LogTarget, "", '"stdout", "stderr", "off" or the path of a file; got ""'),
    (types.Workers, 0, 'should be a number from 1 to 1024, or "auto" for one a core; got 0'),
    (types.Workers, True, 'should be a number from 1 to 1024, or "auto" for one a core; got true'),
    (types.Workers, "2", 'should be a number from 1 to 1024, or "auto" for one a core; got "2"'),
    (types.Workers, 2**70, "got a huge number"),
    (types.Origins, "https://a", "should be true, false or a list of origins"),
    (types.Origins, [], "should be true, false or a list of origins"),
    (types.Origins, ["https://a/"], 'should list origins such as "https://app.example.com"; got "https://a/"'),
    (types.Origins, ["*"], 'should list origins such as "https://app.example.com"; got "*"'),
    (types.Text, "a\nb", 'should be text on one line, not empty; got "a?b"'),
    (types.Text, " ", "should be text on one line, not empty"),
    (types.HostName, "a.example:80", "should be a host name or address"),
    (types.Serial, "xyz", "should be a serial number in hex"),
    (types.Serial, 10, "should be a serial number in hex"),
    (types.Fingerprint, SHA256[:-1], "should be a SHA-256 fingerprint"),
    (types.Pin, "sha256/x", "should be the SHA-256 of a public key"),
    (types.RoutePath, "admin", "should be a path"),
    (types.RoutePath, "", "should be a path"),
    (types.RoutePath, "*", "should be a path"),
    (types.RoutePath, "/a*", "should be a path"),
    (types.RoutePath, "/*/a", "should be a path"),
    (types.RoutePath, "/a//b", "should be a path"),
    (types.RoutePath, "/a/../b", "should be a path"),
    (types.RoutePath, "/..", "should be a path"),
    (types.RoutePath, "/a;x", "should be a path"),
    (types.RoutePath, "/%61", "should be a path"),
    (types.RoutePath, "/a?b", "should be a path"),
    (types.RoutePath, "/a\\b", "should be a path"),
    (types.RoutePath, "/a\n", "should be a path"),
    (types.RequestPath, "//evil.example", "should be a path"),
    (types.RequestPath, "/a b", "should be a path"),
    (types.RequestPath, "/a\r\nX: y", "should be a path"),
    (types.Method, "get", 'should be a method in capitals, such as "GET"; got "get"'),
    (types.UpstreamName, "a.b", "should be a name of letters"),
    (types.WebURL, "ocsp.example.com", "should be a URL"),
    (types.WebURL, "http://user@ocsp.example.com", "should be a URL"),
    (types.HeaderName, "X_Device", "should be the name of a header, without underscores"),
    (types.HeaderName, "X Device", "should be the name of a header"),
    (types.HeaderName, "X-Device:", "should be the name of a header"),
    (types.HeaderName, "host", "is set by gatekeeper itself"),
    (types.HeaderName, "Content-Length", "is set by gatekeeper itself"),
    (types.Template, "{name}", "may hold these in braces, and no others: cn, o,"),
    (types.Template, " {cn}", "must not begin or end with a blank"),
    (types.Template, "{cn}\t", "must not begin or end with a blank"),
    (types.Template, "{cn", "may hold these in braces"),
    (types.Template, "{cn}\r\nX: y", "should be text on one line"),
]


@pytest.mark.parametrize(("kind", "value", "sentence"), WRONG)
def test_what_a_kind_refuses(kind: Any, value: object, sentence: str) -> None:
    """The sentence goes on from the key."""
    with pytest.raises(ValidationError) as caught:
        read(kind, value)
    (error,) = caught.value.errors()
    assert sentence in str(error["ctx"]["error"])


@pytest.mark.parametrize("text", ["\x00\x1b[31m\u202e\n" * 40, "x" * 5000])
@pytest.mark.parametrize("kind", [types.Duration, types.Listen, types.URL, types.Serial, types.Pin, types.RoutePath])
def test_what_was_written_is_shown_short_and_without_control_characters(kind: Any, text: str) -> None:
    """A configuration may be generated from foreign input; the terminal of whoever checks it stays whole."""
    for value in (
        text,
        f"unix://{text}",
        f"http://{text}",
        f"http://a/{text}",
        f"[{text}]:1",
        f"a:{text}",
        f"*:{text}",
    ):
        with pytest.raises(ValidationError) as caught:
            read(kind, value)
        sentence = str(caught.value.errors()[0]["ctx"]["error"])
        assert sentence.isprintable()
        assert len(sentence) < 300


def test_code_may_give_values_ready_made() -> None:
    """Tests and commands build settings without writing TOML; a file cannot (see above)."""
    assert TypeAdapter[float](types.Duration).validate_python(0.05) == 0.05
    assert TypeAdapter[Any](types.Listen).validate_python(Address("::1", 0)) == Address("::1", 0)
    assert TypeAdapter[Any](types.File).validate_python("relative") == Path("relative")
