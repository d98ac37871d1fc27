"""Invitations: what `gatekeeper ca invite` leaves in a folder, and the gate hands out once.

token
    256 random bits in a link; anyone who knows them may use the invitation. Only their hash is ever stored.
invitation
    the content of ``invitation.json``: whom it is for, until when, which files.
state
    the states of an invitation. The state is the name of a folder, so a rename changes it; of two processes that try
    the same rename, one fails.
renewal
    what a machine asks for over TLS with the certificate that it has: an invitation that nobody made.
request
    a certificate request for an invitation: checked before it is stored.
directory
    an open directory, below which no symbolic link is followed.
folder
    the folder of all invitations, shared by the administrator and every worker of every gate.

::

    FOLDER/                    the folder of ``[invitations]``
      5f0c…/                   an invitation: the first 32 hex digits of SHA-256(token)
        invitation.json
        open/                  its state, and in it, as long as it may be taken, the encrypted files
          modern.p12 …
"""
