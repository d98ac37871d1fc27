"""The kinds of value: what each reads, and in which words it refuses."""

from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from gatekeeper import kinds
from gatekeeper.addresses import Address, SocketPath, UpstreamURL

FOLDER = Path("/etc/gatekeeper")
SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


def read(kind: Any, value: object) -> Any:
    return TypeAdapter[Any](kind).validate_python(value, context=kinds.Loading(FOLDER))


@pytest.mark.parametrize(
    ("kind", "value", "got"),
    [
        (kinds.Duration, "90s", 90.0),
        (kinds.Wait, "0s", 0.0),
        (kinds.DurationOrOff, "off", None),
        (kinds.DurationOrOff, "14d", 1209600.0),
        (kinds.Size, "32KiB", 32768),
        (kinds.SizeOrUnlimited, "unlimited", None),
        (kinds.Network, "10.0.0.0/8", ip_network("10.0.0.0/8")),
        (kinds.Network, "192.0.2.7", ip_network("192.0.2.7/32")),
        (kinds.Network, "2001:db8::/32", ip_network("2001:db8::/32")),
        (kinds.Listen, "[::]:1", Address("::", 1)),
        (kinds.Listen, "unix:x", SocketPath(FOLDER / "x")),
        (kinds.ListenOrOff, "off", None),
        (kinds.URL, "static:www", UpstreamURL("static", path=FOLDER / "www")),
        (kinds.File, "x", FOLDER / "x"),
        (kinds.File, "/x", Path("/x")),
        (kinds.Folder, "../x", FOLDER / "../x"),
        (kinds.LogTarget, "stdout", "stdout"),
        (kinds.LogTarget, "stdout.log", FOLDER / "stdout.log"),
        (kinds.Workers, "auto", "auto"),
        (kinds.Workers, 1, 1),
        (kinds.Origins, True, True),
        (kinds.Origins, ["https://a.example:8443"], ("https://a.example:8443",)),
        (kinds.HostName, "Example.COM", "example.com"),
        (kinds.Serial, "0a1b", "0A1B"),
        (kinds.Serial, "00:00:A1", "A1"),
        (kinds.Serial, "1", "01"),
        (kinds.Serial, "0", "00"),
        (kinds.Serial, "-0f", "-0F"),
        (kinds.Fingerprint, SHA256.upper(), SHA256),
        (kinds.Fingerprint, ":".join(SHA256[i : i + 2] for i in range(0, 64, 2)), SHA256),
        (kinds.Pin, SHA256, SHA256),
        (kinds.Pin, "sha256/n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=", SHA256),
        (kinds.Pin, "sha256//n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=", SHA256),
        (kinds.RoutePath, "/", "/"),
        (kinds.RoutePath, "/*", "/*"),
        (kinds.RoutePath, "/a/b.c/*", "/a/b.c/*"),
        (kinds.RoutePath, "/.well-known/acme-challenge/*", "/.well-known/acme-challenge/*"),
        (kinds.RequestPath, "/health?full=1", "/health?full=1"),
        (kinds.Method, "GET", "GET"),
        (kinds.UpstreamName, "api_2-b", "api_2-b"),
        (kinds.WebURL, "http://ocsp.example.com:8080/path", "http://ocsp.example.com:8080/path"),
        (kinds.HeaderName, "X-Device", "X-Device"),
        (kinds.Template, "{cn} of {o}, until {not_after}", "{cn} of {o}, until {not_after}"),
    ],
)
def test_what_a_kind_reads(kind: Any, value: object, got: object) -> None:
    """Relative paths start at the folder; names of certificates get the form that certificates have."""
    assert read(kind, value) == got


WRONG = [
    (kinds.Duration, 5, 'should be a duration such as "30s", "500ms" or "2h"; got 5'),
    (kinds.Duration, 5.0, 'should be a duration such as "30s", "500ms" or "2h"; got 5.0'),
    (kinds.Duration, True, 'should be a duration such as "30s", "500ms" or "2h"; got true'),
    (kinds.Duration, "5", 'should be a duration such as "30s", "500ms" or "2h"; got "5"'),
    (kinds.Duration, "0s", "must be longer than nothing"),
    (kinds.Duration, "3651d", 'must not be longer than "3650d"; got "3651d"'),
    (kinds.Wait, "off", 'should be a duration such as "30s", "500ms" or "2h"; got "off"'),
    (kinds.DurationOrOff, False, 'should be a duration such as "30s", "500ms" or "2h", or "off"; got false'),
    (kinds.Size, 1024, 'should be a size such as "64KiB", "1MiB" or "512B"; got 1024'),
    (kinds.Size, "4MB", 'should be a size such as "64KiB", "1MiB" or "512B"; got "4MB"'),
    (kinds.SizeOrUnlimited, "off", 'should be a size such as "64KiB", "1MiB" or "512B", or "unlimited"; got "off"'),
    (kinds.Network, "10.0.0.1/8", 'has bits set behind the prefix; is "10.0.0.0/8" meant, or "10.0.0.1"?'),
    (kinds.Network, "10.0.0.0/33", "should be a network such as"),
    (kinds.Network, "localhost", "should be a network such as"),
    (kinds.Network, 10, "should be a network such as"),
    (kinds.Listen, 8443, 'should be an address and a port, such as "0.0.0.0:8443"; got 8443'),
    (kinds.Listen, "off", 'should be an address and a port, such as "0.0.0.0:8443" or "[::]:8443"; got "off"'),
    (kinds.ListenOrOff, False, 'should be an address and a port, such as "127.0.0.1:9000", or "off"; got false'),
    (kinds.URL, 8000, 'should be a URL such as "http://127.0.0.1:8000"; got 8000'),
    (kinds.File, "", 'should be the path of a file; got ""'),
    (kinds.File, "  ", 'should be the path of a file; got "  "'),
    (kinds.File, "a\0b", 'should be the path of a file; got "a?b"'),
    (kinds.File, ["x"], "should be the path of a file; got a list"),
    (kinds.Folder, {}, "should be the path of a folder; got a table"),
    (kinds.LogTarget, "", '"stdout", "stderr", "off" or the path of a file; got ""'),
    (kinds.Workers, 0, 'should be a number from 1 to 1024, or "auto" for one a core; got 0'),
    (kinds.Workers, True, 'should be a number from 1 to 1024, or "auto" for one a core; got true'),
    (kinds.Workers, "2", 'should be a number from 1 to 1024, or "auto" for one a core; got "2"'),
    (kinds.Workers, 2**70, "got a huge number"),
    (kinds.Origins, "https://a", "should be true, false or a list of origins"),
    (kinds.Origins, [], "should be true, false or a list of origins"),
    (kinds.Origins, ["https://a/"], 'should list origins such as "https://app.example.com"; got "https://a/"'),
    (kinds.Origins, ["*"], 'should list origins such as "https://app.example.com"; got "*"'),
    (kinds.Text, "a\nb", 'should be text on one line, not empty; got "a?b"'),
    (kinds.Text, " ", "should be text on one line, not empty"),
    (kinds.HostName, "a.example:80", "should be a host name or address"),
    (kinds.Serial, "xyz", "should be a serial number in hex"),
    (kinds.Serial, 10, "should be a serial number in hex"),
    (kinds.Fingerprint, SHA256[:-1], "should be a SHA-256 fingerprint"),
    (kinds.Pin, "sha256/x", "should be the SHA-256 of a public key"),
    (kinds.RoutePath, "admin", "should be a path"),
    (kinds.RoutePath, "", "should be a path"),
    (kinds.RoutePath, "*", "should be a path"),
    (kinds.RoutePath, "/a*", "should be a path"),
    (kinds.RoutePath, "/*/a", "should be a path"),
    (kinds.RoutePath, "/a//b", "should be a path"),
    (kinds.RoutePath, "/a/../b", "should be a path"),
    (kinds.RoutePath, "/..", "should be a path"),
    (kinds.RoutePath, "/a;x", "should be a path"),
    (kinds.RoutePath, "/%61", "should be a path"),
    (kinds.RoutePath, "/a?b", "should be a path"),
    (kinds.RoutePath, "/a\\b", "should be a path"),
    (kinds.RoutePath, "/a\n", "should be a path"),
    (kinds.RequestPath, "//evil.example", "should be a path"),
    (kinds.RequestPath, "/a b", "should be a path"),
    (kinds.RequestPath, "/a\r\nX: y", "should be a path"),
    (kinds.Method, "get", 'should be a method in capitals, such as "GET"; got "get"'),
    (kinds.UpstreamName, "a.b", "should be a name of letters"),
    (kinds.WebURL, "ocsp.example.com", "should be a URL"),
    (kinds.WebURL, "http://user@ocsp.example.com", "should be a URL"),
    (kinds.HeaderName, "X_Device", "should be the name of a header, without underscores"),
    (kinds.HeaderName, "X Device", "should be the name of a header"),
    (kinds.HeaderName, "X-Device:", "should be the name of a header"),
    (kinds.HeaderName, "host", "is set by gatekeeper itself"),
    (kinds.HeaderName, "Content-Length", "is set by gatekeeper itself"),
    (kinds.Template, "{name}", "may hold these in braces, and no others: cn, o,"),
    (kinds.Template, "{cn", "may hold these in braces"),
    (kinds.Template, "{cn}\r\nX: y", "should be text on one line"),
]


@pytest.mark.parametrize(("kind", "value", "sentence"), WRONG)
def test_what_a_kind_refuses(kind: Any, value: object, sentence: str) -> None:
    """The sentence goes on from the key."""
    with pytest.raises(ValidationError) as caught:
        read(kind, value)
    (error,) = caught.value.errors()
    assert sentence in str(error["ctx"]["error"])


@pytest.mark.parametrize("text", ["\x00\x1b[31m\u202e\n" * 40, "x" * 5000])
@pytest.mark.parametrize("kind", [kinds.Duration, kinds.Listen, kinds.URL, kinds.Serial, kinds.Pin, kinds.RoutePath])
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
    assert TypeAdapter[float](kinds.Duration).validate_python(0.05) == 0.05
    assert TypeAdapter[Any](kinds.Listen).validate_python(Address("::1", 0)) == Address("::1", 0)
    assert TypeAdapter[Any](kinds.File).validate_python("relative") == Path("relative")
