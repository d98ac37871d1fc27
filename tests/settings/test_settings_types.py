"""The types of settings: what each reads, and the sentence with which it rejects."""

from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gatekeeper.settings import types
from gatekeeper.settings.addresses import Address, SocketPath, UpstreamURL
from tests.settings.reading import FOLDER, read


@pytest.mark.parametrize(
    ("kind", "value", "got"),
    [
        (types.Duration, "90s", 90.0),
        (types.Delay, "0s", 0.0),
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
        (types.Folder, "../x", FOLDER.parent / "x"),
        (types.LogTarget, "stdout", "stdout"),
        (types.LogTarget, "stdout.log", FOLDER / "stdout.log"),
        (types.Workers, "auto", "auto"),
        (types.Workers, 1, 1),
        (types.HostName, "Example.COM", "example.com"),
        (types.UpstreamName, "api_2-b", "api_2-b"),
    ],
)
def test_what_a_type_reads(kind: Any, value: object, got: object) -> None:
    """Relative paths start at the folder of the configuration file."""
    assert read(kind, value) == got


WRONG = [
    (types.Duration, 5, 'should be a duration such as "30s", "500ms" or "2h"; got 5'),
    (types.Duration, 5.0, 'should be a duration such as "30s", "500ms" or "2h"; got 5.0'),
    (types.Duration, True, 'should be a duration such as "30s", "500ms" or "2h"; got true'),
    (types.Duration, "5", 'should be a duration such as "30s", "500ms" or "2h"; got "5"'),
    (types.Duration, "0s", "must be longer than 0"),
    (types.Duration, "3651d", 'must not be longer than "3650d"; got "3651d"'),
    (types.Delay, "off", 'should be a duration such as "30s", "500ms" or "2h"; got "off"'),
    (types.DurationOrOff, False, 'should be a duration such as "30s", "500ms" or "2h", or "off"; got false'),
    (types.Size, 1024, 'should be a size such as "64KiB", "1MiB" or "512B"; got 1024'),
    (types.Size, "4MB", 'should be a size such as "64KiB", "1MiB" or "512B"; got "4MB"'),
    (types.SizeOrUnlimited, "off", 'should be a size such as "64KiB", "1MiB" or "512B", or "unlimited"; got "off"'),
    (types.Network, "10.0.0.1/8", 'has bits set after the prefix; is "10.0.0.0/8" meant, or "10.0.0.1"?'),
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
    (types.Workers, 0, 'should be a number from 1 to 1024, or "auto" for one per core; got 0'),
    (types.Workers, True, 'should be a number from 1 to 1024, or "auto" for one per core; got true'),
    (types.Workers, "2", 'should be a number from 1 to 1024, or "auto" for one per core; got "2"'),
    (types.Workers, 2**70, "got a huge number"),
    (types.Text, "a\nb", 'should be text on one line, not empty; got "a?b"'),
    (types.Text, " ", "should be text on one line, not empty"),
    (types.HostName, "a.example:80", "should be a host name or address"),
    (types.UpstreamName, "a.b", "should be a name of letters"),
]


@pytest.mark.parametrize(("kind", "value", "sentence"), WRONG)
def test_what_a_type_rejects(kind: Any, value: object, sentence: str) -> None:
    """The sentence continues the key's name."""
    with pytest.raises(ValidationError) as caught:
        read(kind, value)
    (error,) = caught.value.errors()
    assert sentence in str(error["ctx"]["error"])
