"""The invitations of certificates that a command has revoked or retired: nobody may fetch these any more."""

import argparse
import sys
from datetime import datetime

from gatekeeper.ca.index import Index
from gatekeeper.cli.ca.invitations import cancel_withdrawn
from gatekeeper.cli.ca.link import Destination
from gatekeeper.errors import ConfigurationError, InvitationError
from gatekeeper.invitations.folder import StoredInvitation


def cancelled_with(args: argparse.Namespace, index: Index, now: datetime) -> list[StoredInvitation]:
    """Cancel them, if the options or the gate's configuration name the folder.

    A folder or configuration that cannot be used is told on standard error, and no failure: what is revoked stays so,
    and a gate that reads the list refuses the link.
    """
    try:
        folder = Destination(args).known_folder()
        return cancel_withdrawn(folder, index, now) if folder is not None else []
    except (ConfigurationError, InvitationError) as error:
        print(f"gatekeeper: {error}; open invitations were not looked for", file=sys.stderr)
        return []


def cancelled_fields(cancelled: list[StoredInvitation]) -> dict[str, list[str]]:
    """Their ids, for ``--json``."""
    return {"cancelled": [one.identifier for one in cancelled]}


def print_cancelled_with(cancelled: list[StoredInvitation]) -> None:
    """A line for each."""
    for one in cancelled:
        print(f"The invitation of {one.invitation.name} ({one.identifier[:8]}) is cancelled; its files are destroyed.")
