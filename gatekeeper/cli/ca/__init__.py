"""``gatekeeper ca``: one module for each command, imported when the command runs.

So the running proxy, which has the same command line, never loads the authority.

arguments, argument_types
    the command line; numbers of days and durations in it.
options
    options that several commands share.
printing, fields
    output that several commands share, as text and as JSON.
link, invitations
    creating invitations; listing and cancelling them.
withdrawal
    cancelling those whose certificate was revoked or retired.
"""

from gatekeeper.cli.ca.arguments import add_command

__all__ = ["add_command"]
