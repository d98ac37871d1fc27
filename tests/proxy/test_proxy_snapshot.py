"""What a request meets, as one value."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gatekeeper.errors import ConfigurationError
from gatekeeper.proxy.snapshot import build_snapshot
from tests.certificates import make_server
from tests.proxy.scene import Files, Scene


@pytest.mark.parametrize(
    ("address", "trusted"),
    [
        ("192.0.2.7", True),
        ("192.0.3.7", False),
        ("2001:db8::7", True),
        ("2001:db9::7", False),
        ("unix", False),
        ("unknown", False),
        ("192.0.2.7:80", False),
        ("", False),
    ],
)
def test_trusted_proxies(make_scene: Callable[..., Scene], address: str, trusted: bool) -> None:
    """By their networks; what is no address is trusted by nobody."""
    scene = make_scene(server={"trusted_proxies": ["192.0.2.0/24", "2001:db8::/32"]})
    assert scene.snapshot.trusts(address) is trusted


def test_nobody_is_trusted_unless_it_is_written(scene: Scene) -> None:
    """Not the machine itself either."""
    assert not scene.snapshot.trusts("127.0.0.1")


def test_a_protected_route_of_a_host_that_is_never_asked_is_a_mistake(files: Files, tmp_path: Path) -> None:
    """Nobody could use it; nothing is loaded before it is put right."""
    certificate, key = make_server("public.example.com", files.authority).write(tmp_path, "public")
    server = {"certificates": [{"certificate": str(certificate), "key": str(key), "ask": False}]}
    routes = [{"hosts": ["public.example.com"], "public": True, "path": "/hook"}, {}]
    with pytest.raises(ConfigurationError) as caught:
        build_snapshot(files.settings(server=server, routes=routes), {}, 0.0)
    assert [mistake.key for mistake in caught.value.mistakes] == ["routes[1]"]
    routes[0]["path"] = "/*"
    snapshot = build_snapshot(files.settings(server=server, routes=routes), {}, 0.0)
    assert [named.ask for named in snapshot.tls.names.all] == [True, False]


def test_suites_and_groups_are_those_of_the_configuration(files: Files) -> None:
    """Lists, or a string with colons, as OpenSSL has them."""
    server = {
        "ciphers": ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256"],
        "ciphersuites": "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384",
        "groups": "X25519:P-256",
    }
    tls = build_snapshot(files.settings(server=server), {}, 0.0).tls
    assert {one["name"] for one in tls.ssl_context.get_ciphers()} == {
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "TLS_AES_128_GCM_SHA256",
        "TLS_AES_256_GCM_SHA384",
    }
    assert tls.suites.groups == ("X25519", "P-256")


def test_titles_that_no_page_shows_are_a_warning(files: Files, tmp_path: Path) -> None:
    """The start page exists only with invitations. The gate works without it, so the key is no mistake."""
    titled = {"routes": [{"title": "Photos"}]}
    (told,) = (text for text in build_snapshot(files.settings(**titled), {}, 0.0).warnings(0.0) if "title" in text)
    assert told == "routes with a title appear nowhere: their start page, /.gatekeeper/me, needs [invitations]"
    shown = files.settings(**titled, invitations={"folder": str(tmp_path)})
    assert not any("title" in text for text in build_snapshot(shown, {}, 0.0).warnings(0.0))
