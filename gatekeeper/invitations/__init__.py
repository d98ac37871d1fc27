"""Invitations: what `gatekeeper ca invite` leaves in a folder, and the gate hands out once.

token
    256 random bits in a link; anyone who knows them may use the invitation. Only their hash is ever stored.
invitation
    for whom, until when, which files: ``invitation.json``.
state
    open, taken, left, and the ways to be over. The state of an invitation is the name of a folder, so that one rename
    moves it on; of two who try the same rename, one fails.
renewal
    what a machine asks for over TLS with the certificate that it has: an invitation that nobody made.
directory
    a folder that is open, and below which no symbolic link is followed.
folder
    where they lie, shared by the administrator and every worker of every gate.

::

    FOLDER/                    the folder of ``[invitations]``
      5f0c…/                   an invitation: the first 32 hex digits of SHA-256(token)
        invitation.json
        open/                  its state, and in it, as long as it may be taken, the encrypted files
          modern.p12 …
"""
