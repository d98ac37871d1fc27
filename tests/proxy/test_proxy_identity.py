"""The signed assertion with its JWKS, and the warning before a certificate expires."""

import json
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from tests.certificates import DAY, NOW, Holder, make_client, new_key
from tests.proxy.scene import OK, Files, Scene, get, request

Make = Callable[..., Scene]


@pytest.fixture
def signing(make_scene: Make, files: Files) -> Scene:
    Holder(new_key(), files.alice.certificate).write(files.folder, "jwt")
    return make_scene(identity={"jwt": {"key": "jwt.key", "audience": "app"}})


def test_the_jwks_is_for_everybody(signing: Scene) -> None:
    """Apps fetch it without a certificate; HEAD has no body; nothing else is opened by it."""
    nobody = signing.visitor()
    nobody.send(get("/.well-known/gatekeeper/jwks.json"))
    head, _, body = nobody.read().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nContent-Type: application/json\r\nCache-Control: max-age=300\r\n" in head
    assert json.loads(body)["keys"][0]["kty"] == "EC"
    nobody.send(request("HEAD", "/.well-known/gatekeeper/jwks.json"))
    assert nobody.read().endswith(b"\r\n\r\n")
    nobody.send(get("/.well-known/gatekeeper/jwks.json/"))
    assert nobody.read().startswith(b"HTTP/1.1 403 ")
    assert signing.app.connections == []
    assert signing.statuses == [200, 200, 403]


def test_the_assertion_is_sent_and_renewed(signing: Scene) -> None:
    """The same from request to request, a new one after half its life, on the same connection."""
    alice = signing.alice()

    def token() -> bytes:
        alice.send(get("/"))
        head = signing.app.last.read()
        signing.serve(alice)
        (line,) = [line for line in head.split(b"\r\n") if line.startswith(b"Gatekeeper-Assertion: ")]
        return line

    first = token()
    assert token() == first
    signing.started += 149
    assert token() == first
    signing.started += 2
    assert token() != first


def test_who_is_about_to_expire_is_warned(make_scene: Make) -> None:
    """From 14 days before the end, in each response, however it is framed; the app hears of the days left."""
    scene = make_scene()
    ends = NOW + 15 * DAY
    alice = scene.visitor(make_client("alice", scene.files.authority, ends=ends))
    alice.send(get("/"))
    assert scene.serve(alice) == OK
    scene.started += 1.5 * 86400
    date = formatdate(ends.timestamp(), usegmt=True).encode()
    warning = b"\r\nGatekeeper-Certificate-Expires: " + date + b"\r\n"
    for days, response in ((13, OK), (12, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), (11, OK)):
        alice.send(get("/"))
        assert b"\r\nGatekeeper-Certificate-Days-Left: %d\r\n" % days in scene.app.last.read()
        assert warning in scene.serve(alice, response)
        scene.started += 86400
    assert len(scene.proxy.metrics.expiring_clients) == 1


def test_the_warning_is_no_business_of_strangers(make_scene: Make) -> None:
    """Nor of who is refused: its end is on the page already."""
    scene = make_scene(routes=[{"path": "/hook", "public": True}])
    nobody = scene.visitor()
    nobody.send(get("/hook"))
    assert scene.serve(nobody) == OK
    assert not scene.proxy.metrics.expiring_clients


def test_the_warning_can_be_switched_off(make_scene: Make) -> None:
    """One key for both headers."""
    scene = make_scene(identity={"expiry_warning": "off"})
    alice = scene.visitor(make_client("alice", scene.files.authority, ends=NOW + DAY))
    alice.send(get("/"))
    assert b"Days-Left" not in scene.app.last.read()
    assert scene.serve(alice) == OK


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "does not exist"),
        (b"", "is empty"),
        (b"-", "holds no PEM private key"),
        ("rsa", "is not an EC key on the curve P-256, which ES256 signs with"),
        ("p384", "is not an EC key on the curve P-256, which ES256 signs with"),
        ("encrypted", "is encrypted; the key must be without a passphrase"),
    ],
)
def test_a_signing_key_that_cannot_be_used(files: Files, tmp_path: Path, content: Any, sentence: str) -> None:
    """The gate does not start without the assertion that it was told to make."""
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    from gatekeeper.errors import ConfigurationError
    from gatekeeper.proxy.snapshot import build_snapshot

    keys: dict[str, Any] = {
        "rsa": lambda: Holder(rsa.generate_private_key(65537, 2048), files.alice.certificate).key_pem(),
        "p384": lambda: Holder(ec.generate_private_key(ec.SECP384R1()), files.alice.certificate).key_pem(),
        "encrypted": lambda: files.alice.key_pem(b"secret"),
    }
    key = tmp_path / "jwt.pem"
    if content is not None:
        key.write_bytes(keys[content]() if isinstance(content, str) else content)
    settings = files.settings(identity={"jwt": {"key": str(key), "audience": "app"}})
    with pytest.raises(ConfigurationError) as caught:
        build_snapshot(settings, {}, 0.0)
    assert str(caught.value) == f"identity.jwt.key: {key} {sentence}"
