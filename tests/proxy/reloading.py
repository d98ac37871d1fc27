"""Reloads under open connections: snapshots to reload, and what the connections carry."""

from dataclasses import replace

from gatekeeper.gate.certificate import read_certificate
from gatekeeper.gate.revocation import RevocationList, Revocations, issuer_of
from gatekeeper.gate.verdict import Policy
from gatekeeper.proxy.snapshot import Snapshot
from tests.certificates import Holder
from tests.proxy.scene import SWITCHED, UPGRADE, Scene, Visitor, get

CLOSED = b"\x88\x09\x03\xf0revoked"
BEGUN = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nonce upon a time"


def revoking(scene: Scene, *holders: Holder, next_update: float = 2e9) -> Snapshot:
    """The scene's snapshot, with a list that names these."""
    issuer = issuer_of(read_certificate(scene.files.authority.der))
    serials = frozenset(holder.certificate.serial_number for holder in holders)
    listed = RevocationList(issuer, 0.0, next_update, serials)
    return replace(scene.proxy.snapshot, policy=Policy(revocations=Revocations.of([listed])))


def renew(scene: Scene, snapshot: Snapshot) -> None:
    scene.proxy.renew(snapshot)
    scene.loop.settle()


def tunnel(scene: Scene, visitor: Visitor) -> None:
    visitor.send(UPGRADE)
    scene.loop.settle()
    scene.app.last.send(SWITCHED)
    assert visitor.read().startswith(b"HTTP/1.1 101 ")


def ask(scene: Scene, visitor: Visitor) -> bytes:
    visitor.send(get())
    scene.loop.settle()
    return visitor.read()
