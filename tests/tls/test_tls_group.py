"""The group of the key exchange, as the log and the counters have it."""

import ssl

import pytest

from gatekeeper.tls.connection import TLSConnection
from gatekeeper.tls.openssl import OpenSSL
from tests.certificates import make_client
from tests.tls.scene import VERSIONS, Scene, Visitor


def agreed(scene: Scene, version: ssl.TLSVersion, curve: str = "", **more: object) -> str:
    server, visitor = TLSConnection(scene.gate(**more)), Visitor(make_client("alice", scene.authority), version)  # type: ignore[arg-type]
    assert server.group == ""
    if curve:
        visitor.context.set_ecdh_curve(curve)
        visitor.connect()
    visitor.shake_hands(server)
    assert server.established
    return server.group


OLD, NEW = VERSIONS
# In TLS 1.2 the curve of the server's own certificate must be among those that the client offers.
CURVES = [
    (OLD, "prime256v1", "secp256r1"),
    (NEW, "prime256v1", "secp256r1"),
    (NEW, "secp384r1", "secp384r1"),
]


@pytest.mark.parametrize(("version", "curve", "group"), CURVES)
def test_the_group_has_its_name_of_the_rfc(scene: Scene, version: ssl.TLSVersion, curve: str, group: str) -> None:
    """RFC 8446, 4.2.7; the same for TLS 1.2, where it is the curve of ECDHE."""
    assert agreed(scene, version, curve) == group


def test_where_openssl_can_it_is_safe_against_quantum_computers(scene: Scene) -> None:
    """OpenSSL 3.5 prefers the hybrid with ML-KEM by itself; nothing here must keep it from doing so."""
    expected = "X25519MLKEM768" if ssl.OPENSSL_VERSION_INFO >= (3, 5) else "x25519"
    assert agreed(scene, ssl.TLSVersion.TLSv1_3) == expected


def test_an_openssl_without_names_for_groups(scene: Scene) -> None:
    """Before 3.0: the handshake is none the worse for it."""

    class Older(OpenSSL):
        def __init__(self) -> None:
            super().__init__()
            self._names_groups = False

    assert agreed(scene, ssl.TLSVersion.TLSv1_3, binding=Older) == ""
