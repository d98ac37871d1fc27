"""Listing and cancelling invitations."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

from cryptography import x509
from rich.table import Table
from rich.text import Text

from gatekeeper.ca.index import Index, Status, iso
from gatekeeper.ca.names import printable
from gatekeeper.cli.terminal import print_json, show
from gatekeeper.errors import InvitationError
from gatekeeper.gate.certificate import serial_hex
from gatekeeper.invitations.folder import CHAIN, Invitations, StoredInvitation
from gatekeeper.invitations.state import Stage, now_is

_STYLES = {
    Stage.OPEN: "green",
    Stage.ASKED: "yellow",
    Stage.TAKEN: "yellow",
    Stage.LEFT: "yellow",
    Stage.CANCELLED: "red",
    Stage.LOST: "red",
}
_WORDS = {
    Stage.OPEN: "open",
    Stage.TAKEN: "being downloaded",
    Stage.LEFT: "interrupted, may be repeated",
    Stage.ASKED: "requested, to be approved",
    Stage.SIGNED: "approved, to be fetched",
    Stage.USED: "used",
    Stage.LOST: "interrupted, deleted",
    Stage.ENDED: "expired unused",
    Stage.CANCELLED: "cancelled",
}


def print_invitations(invitations: Invitations, *, as_json: bool) -> None:
    """``--list``: every invitation and its state."""
    now = datetime.now(UTC).timestamp()
    every = [StoredInvitation(one.invitation, now_is(one.state, one.invitation.ends, now)) for one in invitations.all()]
    every.sort(key=lambda one: one.invitation.made)
    if as_json:
        print_json([_fields(one) for one in every])
    elif every:
        show(_table(every))
    else:
        print("Nobody is invited.")


def _fields(one: StoredInvitation) -> dict[str, object]:
    invitation, state = one.invitation, one.state
    return {
        "name": invitation.name,
        "id": one.identifier,
        "kind": invitation.kind,
        "state": state.stage,
        "since": _iso(state.since) if state.since else None,
        "made": _iso(invitation.made),
        "ends": _iso(invitation.ends),
        "serial": invitation.serial or None,
    }


def _table(every: Iterable[StoredInvitation]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("Name", overflow="fold")
    table.add_column("State", no_wrap=True)
    table.add_column("Since", no_wrap=True)
    table.add_column("Until", no_wrap=True)
    table.add_column("Id", no_wrap=True)
    for one in every:
        stage = one.state.stage
        since = one.state.since or one.invitation.made
        until = _minute(one.invitation.ends) if one.state.alive else ""
        table.add_row(
            Text(printable(one.invitation.name)),
            Text(_WORDS[stage], style=_STYLES.get(stage, "")),
            _minute(since),
            until,
            one.identifier[:8],
        )
    return table


def cancel(invitations: Invitations, what: str) -> list[StoredInvitation]:
    """``--cancel``: cancel the open invitations of a name, or the one with this id; InvitationError if none is."""
    now = datetime.now(UTC).timestamp()
    named = [one for one in invitations.all() if what == one.invitation.name or is_id(what, one)]
    if not named:
        raise InvitationError(f"nobody called {what!r} is invited, and no invitation has this id")
    named = [with_serial(invitations, invitations.aged(one, now)) for one in named]
    cancelled = [one for one in named if invitations.cancel(one, now)]
    if not cancelled:
        last = max(named, key=lambda one: one.invitation.made)
        raise InvitationError(
            f"there is nothing to cancel: the invitation of {what} is over ({_WORDS[last.state.stage]}); "
            "to revoke the certificate: gatekeeper ca revoke"
        )
    return cancelled


def cancel_withdrawn(invitations: Invitations, index: Index, now: datetime) -> list[StoredInvitation]:
    """Cancel the open invitations whose certificate this authority has revoked, or retired with an old authority."""
    entries = {entry.serial: entry for entry in index.entries}
    cancelled = []
    for one in invitations.all():
        found = with_serial(invitations, invitations.aged(one, now.timestamp()))
        serial = int(found.invitation.serial or "0", 16)
        entry = entries.get(serial)
        retired = entry is not None and index.status(entry, now) is Status.RETIRED
        if (retired or index.revocation(serial)) and invitations.cancel(found, now.timestamp()):
            cancelled.append(found)
    return cancelled


def with_serial(invitations: Invitations, one: StoredInvitation) -> StoredInvitation:
    """A computer's invitation with the serial number of the certificate that was signed for it, and may have been
    fetched.
    """
    chain = invitations.read(one, CHAIN) if one.state.stage is Stage.SIGNED else None
    if chain is None:
        return one
    try:
        serial = serial_hex(x509.load_pem_x509_certificate(chain).serial_number)
    except ValueError:
        return one
    return StoredInvitation(replace(one.invitation, serial=serial), one.state)


def print_cancelled(cancelled: list[StoredInvitation], revoked: tuple[int, ...], *, as_json: bool) -> None:
    """The result of ``--cancel``; ``revoked`` are the serial numbers that the authority here revoked."""
    if as_json:
        serials = [serial_hex(serial) for serial in revoked]
        print_json({"cancelled": [one.identifier for one in cancelled], "revoked": serials})
        return
    for one in cancelled:
        name = printable(one.invitation.name)
        print(f"The invitation of {name} ({one.identifier[:8]}) is cancelled; its files are destroyed.")
    for one in cancelled:
        if one.invitation.serial and int(one.invitation.serial, 16) in revoked:
            print(f"Its certificate ({one.invitation.serial}) is revoked.")
        elif one.invitation.serial:
            print(f"Its certificate ({one.invitation.serial}) was not revoked here; if it is still in force,")
            print(f"where the authority is: gatekeeper ca revoke {one.invitation.serial}")


def is_id(what: str, one: StoredInvitation) -> bool:
    """Whether ``what`` is the beginning of an invitation's id, at least 8 characters long."""
    return len(what) >= 8 and one.identifier.startswith(what.lower())


def _minute(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}"


def _iso(seconds: float) -> str:
    return iso(datetime.fromtimestamp(seconds, UTC))
