"""Which certificates have not reached their holders: they lie in an invitation, or it ended before anyone came."""

import argparse
from collections.abc import Iterator
from datetime import datetime

from gatekeeper.cli.ca.invitations import with_serial
from gatekeeper.cli.ca.link import Destination
from gatekeeper.invitations.folder import Invitations
from gatekeeper.invitations.state import UNFETCHED, Stage, now_is


def unfetched(invitations: Invitations, now: datetime) -> frozenset[str]:
    """Their serial numbers in hex.

    No record tells whether a machine has fetched what was signed for it: it counts as not fetched while it can be
    (`FETCH_SECONDS`), and as fetched afterwards.
    """
    return frozenset(serial for serial, stage in _stages(invitations, now) if stage is not Stage.USED)


def lost(invitations: Invitations, now: datetime) -> frozenset[str]:
    """Those of them that nobody can fetch any more."""
    return frozenset(serial for serial, stage in _stages(invitations, now) if stage in UNFETCHED)


def known_unfetched(args: argparse.Namespace, now: datetime) -> frozenset[str] | None:
    """`unfetched` by the folder that the options or the gate's configuration name; None if they name none.

    ConfigurationError or InvitationError if one of them cannot be read.
    """
    folder = Destination(args).known_folder()
    return None if folder is None else unfetched(folder, now)


def _stages(invitations: Invitations, now: datetime) -> Iterator[tuple[str, Stage]]:
    for one in invitations.all():
        serial = with_serial(invitations, one).invitation.serial
        if serial:
            yield serial, now_is(one.state, one.invitation.ends, now.timestamp()).stage
