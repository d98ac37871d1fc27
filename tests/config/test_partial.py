"""gatekeeper.config.partial: what of a file with mistakes can still be checked."""

from pathlib import Path
from typing import Any

import pytest

from gatekeeper.config.partial import partial_settings
from gatekeeper.config.source import KeyPath
from gatekeeper.settings.tables import Settings
from gatekeeper.settings.validation import Loading

SERVER = {"certificate": "a.crt", "key": "a.key", "key_passphrase_file": "secret"}
CLIENT_AUTH = {"ca": "ca.crt", "crl": "ca.crl", "hosts": [{"hosts": ["b.example.com"], "ca": "b.crt"}]}
DOCUMENT = {"server": SERVER, "client_auth": CLIENT_AUTH, "upstreams": {"app": {"url": "http://a"}}}


def partial(*mistaken: KeyPath, **tables: Any) -> Settings:
    return partial_settings(DOCUMENT | tables, mistaken, Loading(Path("/etc")))


def test_what_is_right_stays() -> None:
    """A mistaken key has its default; its neighbours have the values of the file."""
    settings = partial(("server", "min_tls"), server=SERVER | {"min_tls": "1.4"})
    assert settings.server.min_tls == "1.2"
    assert settings.server.certificate == Path("/etc/a.crt")
    assert settings.client_auth.crl == (Path("/etc/ca.crl"),)
    assert list(settings.every_upstream) == ["app"]


def test_a_key_is_left_out_with_the_passphrase_that_it_needs() -> None:
    """Otherwise the right key would be reported as encrypted."""
    server = partial(("server", "key_passphrase_file")).server
    assert (server.certificate, server.key, server.key_passphrase_file) == (None, None, None)


@pytest.mark.parametrize(
    "mistaken", [("client_auth", "ca"), ("client_auth", "hosts", 0, "ca"), ("client_auth", "hosts")]
)
def test_without_all_authorities_there_are_none_to_compare_with(mistaken: KeyPath) -> None:
    """Otherwise a CRL of the missing authority would be reported as signed by nobody who is trusted."""
    auth = partial(mistaken).client_auth
    assert auth.ca == ()
    assert auth.crl == (Path("/etc/ca.crl"),)


@pytest.mark.parametrize("value", [5, "text", [], {"unknown": 1}, {"ca": 5}])
def test_a_table_that_cannot_be_read_is_left_out(value: Any) -> None:
    """The others are checked all the same."""
    settings = partial(("client_auth",), client_auth=value, acme=value, maintenance=value)
    assert (settings.client_auth.ca, settings.acme, settings.maintenance) == ((), None, None)
    assert settings.server.certificate == Path("/etc/a.crt")


def test_a_list_or_a_map_loses_only_what_is_wrong() -> None:
    """An upstream by its name; routes as a whole, because an index would name another one."""
    upstreams = {"app": {"url": "http://a"}, "other": {"url": "nowhere"}}
    settings = partial(
        ("upstreams", "other", "url"), ("routes", 1, "path"), upstreams=upstreams, routes=[{}, {"path": 1}]
    )
    assert list(settings.every_upstream) == ["app"]
    assert settings.routes == ()
