"""Who has fetched a certificate of the next authority, by the folder of invitations; and `ca retire`, which waits."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gatekeeper.cli.ca.unfetched import lost, unfetched
from gatekeeper.gate.certificate import serial_hex
from gatekeeper.invitations.folder import CHAIN, Invitations
from gatekeeper.invitations.invitation import Invitation, InvitationKind
from gatekeeper.invitations.state import FETCH_SECONDS, Stage, State, over
from tests.certificates import make_authority, make_client
from tests.cli.conftest import Command

EC = ("--key", "ec:p256")
HERE = ("--invitations", "inv")
RENEW = ("renew", "--old-authority", "--invite", *HERE, "--url", "https://gate.example.com")
LOCKED_OUT = "1 would be locked out: alice; give each a new certificate first"


@pytest.fixture
def folder(tmp_path: Path, ca: Command) -> Invitations:
    """Alice is invited to fetch a certificate of the next authority; ben has one, and his old one is revoked."""
    (tmp_path / "inv").mkdir(0o700)
    ca("init", "--cn", "CA", *EC)
    ca("issue", "alice", *EC)
    ca("issue", "ben", *EC)
    ca("rollover", *EC)
    ca("renew", "ben")
    ca(*RENEW)
    return Invitations(tmp_path / "inv")


def move(folder: Invitations, stage: Stage) -> None:
    """Alice's invitation that is not over yet ends so."""
    (alive,) = (one for one in folder.all() if one.state.alive)
    assert alive.invitation.name == "alice"
    assert folder.move(alive, over(stage, time.time()))


def test_who_has_not_fetched_the_certificate_would_be_locked_out(folder: Invitations, ca: Command) -> None:
    """What is made is not yet there: she goes on with the old one."""
    assert LOCKED_OUT in ca("retire", *HERE, code=1)
    assert "1 still on the old authority" in ca("list", *HERE)


def test_who_has_fetched_it_has_moved(folder: Invitations, ca: Command, ca_json: Callable[..., Any]) -> None:
    """Whether or not the old one is still valid."""
    move(folder, Stage.USED)
    assert "No client is left on the old authority" in ca("list", *HERE)
    assert ca_json("retire", *HERE) == {"retired": True, "locked_out": [], "servers": [], "cancelled": []}


@pytest.mark.parametrize("stage", [Stage.ENDED, Stage.LOST, Stage.CANCELLED])
def test_whose_invitation_is_over_is_invited_again(folder: Invitations, ca: Command, stage: Stage) -> None:
    """Nobody can fetch that one any more."""
    if stage is Stage.CANCELLED:
        ca("invite", "--cancel", "alice", *HERE)
    else:
        move(folder, stage)
    assert LOCKED_OUT in ca("retire", *HERE, code=1)
    assert "not fetched" not in ca(*RENEW)
    assert len(list(folder.all())) == 2
    assert LOCKED_OUT in ca("retire", *HERE, code=1)
    move(folder, Stage.USED)
    assert "The old authority is retired" in ca("retire", *HERE)


def test_without_the_folder_nobody_knows_who_has_fetched(
    folder: Invitations, tmp_path: Path, ca: Command, ca_json: Callable[..., Any]
) -> None:
    """So nothing is retired until somebody says so; the list says where to look."""
    assert "who has fetched the new certificate is not known: alice; name the folder" in ca("retire", code=1)
    assert "1 have a new certificate beside the old one" in ca("list")
    (tmp_path / "gatekeeper.toml").write_text("[broken")
    assert "1 have a new certificate beside the old one" in ca("list")
    assert "gatekeeper.toml" in ca("retire", code=2)
    (tmp_path / "gatekeeper.toml").unlink()
    assert ca_json("retire", "--force")["retired"] is True


def test_a_revoked_certificate_is_used_by_nobody(folder: Invitations, ca: Command, ca_json: Callable[..., Any]) -> None:
    """Who had it is out already."""
    old = next(one for one in ca_json("list") if one["name"] == "alice")
    ca("revoke", old["serial"])
    assert "The old authority is retired" in ca("retire")


def test_what_a_machine_was_signed_may_be_fetched_for_a_day(tmp_path: Path) -> None:
    """No record tells whether it was. An invitation without a certificate has no serial number."""
    now = datetime.now(UTC)
    moment = now.timestamp()
    invitations, machine = Invitations(tmp_path), make_client("machine", make_authority())
    renewal = Invitation("machine", "1" * 64, made=moment, ends=moment + 60, kind=InvitationKind.RENEWAL)
    asked = Invitation("other", "2" * 64, made=moment, ends=moment + 60, kind=InvitationKind.REQUEST)
    invitations.add(renewal, {CHAIN: machine.certificate_pem}, State(Stage.SIGNED, int(moment), mark="3" * 32))
    invitations.add(asked, {})
    assert unfetched(invitations, now) == {serial_hex(machine.certificate.serial_number)}
    later = datetime.fromtimestamp(moment + FETCH_SECONDS + 1, UTC)
    assert unfetched(invitations, later) == lost(invitations, now) == frozenset()
