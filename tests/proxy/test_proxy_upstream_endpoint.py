"""Where an app is, and how a connection to it is made."""

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from gatekeeper.errors import ConfigurationError
from gatekeeper.proxy.upstream.endpoints import make_endpoints
from gatekeeper.settings.addresses import Address, SocketPath
from tests.proxy.scene import OK, Files, Scene, get


def test_an_app_by_a_unix_socket(make_scene: Callable[..., Scene]) -> None:
    """Its path is the address, and HTTP/1.0 visitors come as to localhost."""
    scene = make_scene(upstream={"url": "unix:/run/app.sock"})
    alice = scene.alice()
    alice.send(b"GET / HTTP/1.0\r\n\r\n")
    assert scene.app.attempts == ["/run/app.sock"]
    assert b"\r\nHost: localhost\r\n" in scene.app.last.read()


def test_an_app_over_tls_is_verified(make_scene: Callable[..., Scene]) -> None:
    """By the name in its URL, or the one that was configured."""
    for upstream, name in (
        ({"url": "https://app.internal"}, "app.internal"),
        ({"url": "https://10.0.0.1:8443", "server_name": "app.internal"}, "app.internal"),
    ):
        scene = make_scene(upstream=upstream)
        scene.loop.names["app.internal"] = ["10.0.0.1"]
        alice = scene.alice()
        alice.send(get("/"))
        tls, server_name = scene.app.how[-1]
        assert server_name == name
        assert tls.verify_mode is ssl.CERT_REQUIRED
        assert tls.check_hostname
        assert scene.serve(alice) == OK


def test_verification_is_off_only_if_it_is_said_so(make_scene: Callable[..., Scene]) -> None:
    """unsafe_skip_verify."""
    scene = make_scene(upstream={"url": "https://10.0.0.1:8443", "unsafe_skip_verify": True})
    scene.alice().send(get("/"))
    tls, _ = scene.app.how[-1]
    assert tls.verify_mode is ssl.CERT_NONE


def test_an_app_whose_certificate_is_wrong_cannot_be_reached(make_scene: Callable[..., Scene]) -> None:
    """The visitor gets 502 and learns nothing of the inside."""
    scene = make_scene(upstream={"url": "https://10.0.0.1:8443"})
    scene.app.refuses = ssl.SSLCertVerificationError("certificate verify failed: secret internals")
    alice = scene.alice()
    alice.send(get("/"))
    answer = alice.read()
    assert answer.startswith(b"HTTP/1.1 502 ")
    assert b"secret" not in answer


@pytest.mark.parametrize(("port", "status"), [(8443, 502), (8000, 200)])
def test_a_name_that_leads_to_the_gate_itself_is_no_app(scene: Scene, port: int, status: int) -> None:
    """Each request on a public route would come back to the gate, and again, until all connections are taken."""
    scene.endpoints[0].own_listeners = (Address("0.0.0.0", 8443),)
    scene.app.peername = ("127.0.0.1", port)
    alice = scene.alice()
    alice.send(get("/"))
    if status == 200:
        assert scene.serve(alice) == OK
    assert scene.statuses == [status]
    assert scene.app.last.is_gone == (status == 502)


def test_a_static_folder_is_where_it_is_served(files: Files, tmp_path: Path) -> None:
    """By a private Unix socket."""
    settings = files.settings(upstream={"url": f"static:{tmp_path}"}).every_upstream["default"]
    (endpoint,) = make_endpoints("default", settings, {settings: SocketPath(Path("/run/0.sock"))})
    assert str(endpoint.address) == "unix:/run/0.sock"


@pytest.mark.parametrize(
    ("upstream", "key"),
    [
        ({"url": "static:missing"}, "upstream.url"),
        ({"url": "static:ca.crt"}, "upstream.url"),
        ({"url": "static:.", "fallback": "missing.html"}, "upstream.fallback"),
        ({"url": "https://a", "ca": "missing.crt"}, "upstream.ca"),
        ({"url": "https://a", "certificate": "missing.crt", "key": "missing.key"}, "upstream.certificate"),
        ({"url": "https://a", "certificate": "server.crt", "key": "ca.crt"}, "upstream.certificate"),
    ],
)
def test_files_that_cannot_be_used(files: Files, upstream: dict[str, str], key: str) -> None:
    """Said at the start, with the key of the configuration."""
    settings = files.settings(upstream=upstream).every_upstream["default"]
    with pytest.raises(ConfigurationError) as wrong:
        make_endpoints("default", settings, {})
    (mistake,) = wrong.value.mistakes
    assert mistake.key == key


def test_files_of_another_upstream_are_named_by_it(files: Files) -> None:
    """`upstreams.api`, as it stands in the file."""
    settings = files.settings(upstream={"url": "https://a", "ca": "missing.crt"}).every_upstream["default"]
    with pytest.raises(ConfigurationError, match=r"upstreams\.api\.ca"):
        make_endpoints("api", settings, {})
