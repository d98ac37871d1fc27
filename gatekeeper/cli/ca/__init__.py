"""``gatekeeper ca``: a module for each command, loaded when the command is run.

So the running proxy, which shares this command line, never loads the authority.

arguments
    what can be typed.
options
    what the options that several commands share stand for.
printing, fields
    what the commands' output has in common, in words and as JSON.
link, invitations
    invitations: where they are put, and what became of them.
"""

from gatekeeper.cli.ca.arguments import add_command

__all__ = ["add_command"]
