"""Upstreams that lead to the gate itself, or to its keys."""

from pathlib import Path

import pytest

from gatekeeper.config.misdirected import misdirected
from tests.configurations import CLIENT_AUTH, MINIMAL, SERVER, loaded


def told(folder: Path, text: str) -> list[str]:
    configuration = loaded(folder, text)
    return list(misdirected(configuration.settings, configuration.source.path))


@pytest.mark.parametrize(
    ("listen", "url", "loops"),
    [
        ("127.0.0.1:8443", "http://127.0.0.1:8443", True),
        ("0.0.0.0:8443", "https://127.0.0.1:8443", True),
        ("0.0.0.0:8443", "http://127.1.2.3:8443", True),
        ("0.0.0.0:443", "https://localhost", True),
        ("127.0.0.1:8443", "http://0.0.0.0:8443", True),
        ("127.0.0.1:8443", "http://[::ffff:127.0.0.1]:8443", True),
        ("[::]:8443", "h2://[::1]:8443", True),
        ("[::1]:8443", "http://LOCALHOST:8443", True),
        ("gate.lan:8443", "http://Gate.lan:8443", True),
        ("192.0.2.1:8443", "http://192.0.2.1:8443", True),
        ("unix:/run/gate/socket", "unix:/run/x/../gate/socket", True),
        ("127.0.0.1:8443", "http://127.0.0.1:8000", False),
        ("127.0.0.1:8443", "http://127.0.0.2:8443", False),
        ("[::]:8443", "http://127.0.0.1:8443", True),
        ("0.0.0.0:8443", "http://[::1]:8443", False),
        ("[::1]:8443", "http://127.0.0.1:8443", False),
        ("0.0.0.0:8443", "http://192.0.2.1:8443", False),
        ("0.0.0.0:8443", "http://app.lan:8443", False),
        ("0.0.0.0:8443", "http://app.localhost:8443", True),
        ("0.0.0.0:8443", "http://notlocalhost:8443", False),
        ("unix:/run/gate/socket", "unix:/run/app/socket", False),
        ("unix:/run/gate/socket", "http://127.0.0.1:8443", False),
    ],
)
def test_an_upstream_that_is_the_gate_itself(listen: str, url: str, loops: bool, tmp_path: Path) -> None:
    """Each request would come back to the gate, and none would reach an app."""
    text = f'{SERVER}listen = "{listen}"\n{CLIENT_AUTH}[upstreams.app]\nurl = "{url}"\n[[routes]]\nupstream = "app"\n'
    found = told(tmp_path, text)
    assert [one.startswith("upstreams.app is ") and "where the gate itself listens" in one for one in found] == [
        True
    ] * loops


def test_an_ipv6_listener_beside_one_for_ipv4(tmp_path: Path) -> None:
    """[::] takes no IPv4 then, so an app may listen at the loopback address."""
    text = MINIMAL.replace("http://127.0.0.1:8000", "http://127.0.0.1:8443")
    listens = text.replace("[server]", '[server]\nlisten = ["[::]:8443", "192.0.2.1:8443"]')
    assert told(tmp_path, listens) == []


def test_an_upstream_that_is_another_listener_of_the_gate(tmp_path: Path) -> None:
    """The admin listener would be published to all visitors."""
    text = MINIMAL.replace("http://127.0.0.1:8000", "http://127.0.0.1:9000")
    assert told(tmp_path, text) == [
        "upstream is http://127.0.0.1:9000, where the gate itself listens (admin.listen, 127.0.0.1:9000), so visitors "
        "would read /status and /metrics; write the address of the app"
    ]
    text = MINIMAL.replace("http://127.0.0.1:8000", "http://127.0.0.1:80").replace(
        "[server]", '[server]\nredirect = "0.0.0.0:80"'
    )
    assert "(server.redirect, 0.0.0.0:80)" in told(tmp_path, text)[0]


def site(folder: str) -> str:
    return MINIMAL.replace("http://127.0.0.1:8000", f"static:{folder}")


def test_a_site_that_is_the_whole_machine(tmp_path: Path) -> None:
    """Whatever is where."""
    (found,) = told(tmp_path, site("/"))
    assert found.startswith("upstream is static:/, so visitors can read every file that the gate can; name a folder")


def test_a_site_with_the_gates_own_files(tmp_path: Path) -> None:
    """The configuration and the server's key, also through another name of the folder."""
    (tmp_path / "link").symlink_to(tmp_path)
    for name in (".", "link"):
        (found,) = told(tmp_path, site(name))
        assert f"so visitors can read {tmp_path}/privkey.pem, {tmp_path}/gatekeeper.toml;" in found


@pytest.mark.parametrize("place", ["site/keys/privkey.pem", "site/../site/privkey.pem"])
def test_a_site_with_the_servers_key(place: str, tmp_path: Path) -> None:
    """Anywhere below the folder."""
    (found,) = told(tmp_path, site("site").replace("privkey.pem", place))
    assert "privkey.pem; name a folder with nothing but the site" in found


def test_a_site_with_the_authority(tmp_path: Path) -> None:
    """The key beside the certificate that the gate reads, and that of another authority in the folder itself."""
    (tmp_path / "site" / "ca").mkdir(parents=True)
    text = site("site").replace("client-ca.crt", "site/authority/ca.crt")
    assert told(tmp_path, text) == []
    (tmp_path / "site" / "ca" / "ca.key").touch()
    assert f"can read {tmp_path}/site/ca/ca.key;" in told(tmp_path, text)[0]
    (tmp_path / "site" / "ca" / "ca.key").unlink()
    (tmp_path / "site" / "authority").mkdir()
    (tmp_path / "site" / "authority" / "ca.key").touch()
    assert f"can read {tmp_path}/site/authority/ca.key;" in told(tmp_path, text)[0]


def test_a_site_with_the_invitations(tmp_path: Path) -> None:
    """Whoever reads one is admitted."""
    text = site("site") + '[invitations]\nfolder = "site/invitations"\n'
    assert f"can read {tmp_path}/site/invitations;" in told(tmp_path, text)[0]


def test_a_site_of_its_own(tmp_path: Path) -> None:
    """The authority's certificate in it is public."""
    assert told(tmp_path, site("site").replace("client-ca.crt", "site/ca.crt")) == []
