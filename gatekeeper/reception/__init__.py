"""What the gate itself answers below ``/.gatekeeper/``, where it receives who has no certificate yet.

Runs on a thread beside the event loop, because invitations lie on a disk; `gatekeeper.proxy.errand` moves the bytes.

desk
    question in, reply out: who answers what.
question
    both as values.
invite
    an invitation: the page about it, and the download.
guesses
    how often somebody may be wrong.
"""
