"""An invitation whose certificate this gate refuses: nothing is handed out, and the page says why."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gatekeeper.gate.certificate import read_certificate, serial_hex
from gatekeeper.invitations.invitation import InvitationKind
from gatekeeper.invitations.state import Stage, State
from gatekeeper.proxy.snapshot import Snapshot
from tests.certificates import Holder, make_authority, make_client
from tests.invitations.invited import invite
from tests.proxy.inviting import Inviting, Make, status
from tests.proxy.reloading import renew, revoking
from tests.proxy.scene import get

NO_LONGER = b"The certificate of this invitation is no longer valid"
HTML = "Accept: text/html"


@pytest.fixture
def inviting(make_scene: Make, tmp_path: Path) -> Inviting:
    return Inviting(make_scene, tmp_path)


def put(inviting: Inviting, holder: Holder, issuer: Holder | None = None, **more: Any) -> None:
    """Invite alice to this certificate. ``issuer`` is None for what an earlier version stored."""
    chain = holder.certificate_pem + issuer.certificate_pem if issuer is not None else b""
    serial = serial_hex(holder.certificate.serial_number)
    inviting.invited = invite(inviting.folder, inviting.scene.wall(), chain=chain, serial=serial, **more)


def revoked(inviting: Inviting, holder: Holder) -> Snapshot:
    """The gate's snapshot once it has read a list with this certificate."""
    listed = revoking(inviting.scene, holder).policy.revocations
    snapshot = inviting.scene.proxy.snapshot
    return replace(snapshot, policy=replace(snapshot.policy, revocations=listed))


def trusting(inviting: Inviting, *authorities: Holder) -> Snapshot:
    """The gate's snapshot once `client_auth.ca` holds these."""
    snapshot = inviting.scene.proxy.snapshot
    read = tuple(read_certificate(one.der) for one in authorities)
    return replace(snapshot, policy=replace(snapshot.policy, authorities=read))


@pytest.mark.parametrize("earlier", [False, True])
def test_a_revoked_certificate_is_not_handed_out(inviting: Inviting, earlier: bool) -> None:
    """410, on the page and for the download, as soon as the list is loaded; others are handed out."""
    authority = inviting.scene.files.authority
    alice, other = make_client("alice", authority), make_client("other", authority)
    put(inviting, alice, None if earlier else authority)
    renew(inviting.scene, revoked(inviting, other))
    assert status(inviting.ask()) == 200
    renew(inviting.scene, revoked(inviting, alice))
    assert NO_LONGER in inviting.ask(HTML)
    assert status(inviting.ask()) == inviting.download() == 410
    assert inviting.stage is Stage.OPEN


@pytest.mark.parametrize("names", [("old", "new"), ("Home CA", "Home CA")])
def test_a_certificate_of_a_retired_authority_is_not_handed_out(inviting: Inviting, names: tuple[str, str]) -> None:
    """As long as the gate trusts both, it is. `gatekeeper ca rollover` gives the next authority the same name."""
    old, new = map(make_authority, names)
    put(inviting, make_client("alice", old), old)
    renew(inviting.scene, trusting(inviting, old, new))
    assert status(inviting.ask()) == 200
    renew(inviting.scene, trusting(inviting, new))
    assert NO_LONGER in inviting.ask(HTML)
    assert inviting.download() == 410


def test_a_certificate_below_an_intermediate_authority_is_handed_out(inviting: Inviting) -> None:
    """Where the gate trusts the one above it."""
    root = make_authority("root")
    intermediate = make_authority("intermediate", root)
    put(inviting, make_client("alice", intermediate), intermediate)
    renew(inviting.scene, trusting(inviting, root))
    assert inviting.download() == 200


def test_what_was_signed_for_a_computer_is_not_handed_out(inviting: Inviting) -> None:
    """The same for the certificate of an approved request."""
    authority = inviting.scene.files.authority
    host = make_client("host", authority)
    state = State(Stage.SIGNED, int(inviting.scene.wall()), mark="1" * 32)
    put(inviting, host, authority, kind=InvitationKind.REQUEST, state=state)
    fetch = get(f"{inviting.invited.target}/certificate")
    visitor = inviting.stranger()
    visitor.send(fetch)
    assert status(visitor.read()) == 200
    renew(inviting.scene, revoked(inviting, host))
    visitor.send(fetch)
    assert status(visitor.read()) == 410


def test_a_renewal_that_was_revoked_is_not_offered(inviting: Inviting) -> None:
    """At /.gatekeeper/me the visitor sees no renewal any more."""
    authority = inviting.scene.files.authority
    shown = read_certificate(inviting.scene.files.alice.der).sha256
    after = make_client("alice", authority)
    put(inviting, after, authority, replaces=shown)
    me = get("/.gatekeeper/me")
    alice = inviting.scene.alice()
    alice.send(me)
    assert json.loads(alice.read().partition(b"\r\n\r\n")[2])["renewal"] is not None
    renew(inviting.scene, revoked(inviting, after))
    alice.send(me)
    assert json.loads(alice.read().partition(b"\r\n\r\n")[2])["renewal"] is None
