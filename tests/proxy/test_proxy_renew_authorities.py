"""A reload with other authorities, as open connections see it."""

import time

from gatekeeper.proxy.snapshot import Snapshot, build_snapshot
from tests.certificates import Holder, make_authority
from tests.proxy.reloading import ask, renew, tunnel
from tests.proxy.scene import Files, Scene, get


def other_world(scene: Scene, files: Files, *authorities: Holder) -> Snapshot:
    path = files.folder / "other-ca.crt"
    path.write_bytes(b"".join(one.certificate_pem for one in authorities))
    settings = files.settings(client_auth={"ca": "other-ca.crt"})
    return build_snapshot(settings, scene.proxy.snapshot.upstreams, time.time())


def test_a_connection_is_verified_by_the_new_authorities(scene: Scene, files: Files) -> None:
    """Its certificate was good for the old CA. Here the new one even has the same name."""
    alice = scene.alice()
    alice.send(get())
    scene.loop.settle()
    scene.serve(alice)
    renew(scene, other_world(scene, files, make_authority("Home CA")))
    assert b"Gatekeeper-Reason: untrusted_issuer\r\n" in ask(scene, alice)


def test_a_tunnel_of_a_removed_authority_is_closed(scene: Scene, files: Files) -> None:
    """At once, not at its next request, which never comes."""
    alice = scene.alice()
    tunnel(scene, alice)
    renew(scene, other_world(scene, files, make_authority("Other CA")))
    assert alice.read() == b"\x88\x12\x03\xf0untrusted_issuer"
    assert alice.was_sent_away


def test_an_added_authority_disturbs_nobody(scene: Scene, files: Files) -> None:
    """The old one is still there: tunnels go on, requests too."""
    alice, other = scene.alice(), scene.alice()
    tunnel(scene, alice)
    renew(scene, other_world(scene, files, files.authority, make_authority("Other CA")))
    assert not alice.was_sent_away
    other.send(get())
    scene.loop.settle()
    assert scene.serve(other).startswith(b"HTTP/1.1 200 ")


def test_a_handshake_during_a_reload_is_judged_by_the_new_authorities(scene: Scene, files: Files) -> None:
    """It began with the old TLS context and ended after the reload."""
    alice = scene.connect()
    renew(scene, other_world(scene, files, make_authority("Other CA")))
    alice.shake_hands(files.alice)
    assert b"Gatekeeper-Reason: untrusted_issuer\r\n" in ask(scene, alice)
