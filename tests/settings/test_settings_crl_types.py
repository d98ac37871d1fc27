"""gatekeeper.settings.crl_types"""

from pathlib import Path

import pytest

from gatekeeper.settings.access import ClientAuthSettings
from tests.configurations import MINIMAL, loaded, mistakes


def configured(**keys: str) -> str:
    lines = "".join(f"{key} = {value}\n" for key, value in keys.items())
    return MINIMAL.replace("[client_auth]\n", f"[client_auth]\n{lines}")


def auth(folder: Path, **keys: str) -> ClientAuthSettings:
    return loaded(folder, configured(**keys)).settings.client_auth


def test_files_urls_and_distribution_points(tmp_path: Path) -> None:
    """Told apart by how they are written; a relative path starts at the configuration."""
    found = auth(
        tmp_path,
        crl='["ca.crl", "http://pki.example.com:8080/ca.crl", "cdp"]',
        crl_hosts='["PKI.example.com", "pki.example.com:8080"]',
        crl_folder='"crl"',
    )
    assert found.crl_files == (tmp_path / "ca.crl",)
    assert found.crl_urls == ("http://pki.example.com:8080/ca.crl",)
    assert found.uses_distribution_points
    assert found.crl_hosts == ("pki.example.com", "pki.example.com:8080")
    assert found.crl_folder == tmp_path / "crl"


@pytest.mark.parametrize("url", ["http://pki.example.com", "http://[2001:db8::1]:80/a?b=c#d", "http://10.0.0.1/ca.crl"])
def test_urls_as_they_are_written(tmp_path: Path, url: str) -> None:
    """Names and addresses, with a port and a query or without."""
    assert auth(tmp_path, crl=f'"{url}"', crl_folder='"crl"').crl_urls == (url,)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("https://pki.example.com/ca.crl", "should begin with http://"),
        ("ftp://pki.example.com/ca.crl", "should be the path of a file, a URL such as"),
        ("http://user@pki.example.com/ca.crl", "should be the path of a file, a URL such as"),
        ("http://pki.example.com\\\\@evil/ca.crl", "should be the path of a file, a URL such as"),
        ("http://", "should be the path of a file, a URL such as"),
        (" ", "should be the path of a file, a URL such as"),
    ],
)
def test_what_is_no_source_of_lists(tmp_path: Path, value: str, words: str) -> None:
    """Nothing that two programs could read in two ways, and no https, whose certificate may be on the list."""
    (found,) = mistakes(tmp_path, configured(crl=f'"{value}"'))
    assert words in found


@pytest.mark.parametrize("value", ["", "a b", "pki.example.com:0", "pki.example.com:70000", "http://pki.example.com"])
def test_what_is_no_host(tmp_path: Path, value: str) -> None:
    """A name or an address, and a port."""
    found = mistakes(tmp_path, configured(crl='"cdp"', crl_folder='"crl"', crl_hosts=f'"{value}"'))
    assert any("client_auth.crl_hosts" in one for one in found)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"crl": '"http://a.example/ca.crl"'}, "client_auth.crl_folder: is missing"),
        ({"crl": '"ca.crl"', "crl_folder": '"crl"'}, "client_auth.crl_folder: has no effect"),
        ({"crl": '"cdp"', "crl_folder": '"crl"'}, "client_auth.crl_hosts: is missing"),
        ({"crl": '"ca.crl"', "crl_hosts": '"a.example"'}, "client_auth.crl_hosts: has no effect"),
    ],
)
def test_what_belongs_together(tmp_path: Path, keys: dict[str, str], words: str) -> None:
    """Said when the configuration is loaded, not when the first list is missing."""
    assert any(words in one for one in mistakes(tmp_path, configured(**keys)))
