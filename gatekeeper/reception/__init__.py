"""What the gate itself answers below ``/.gatekeeper/``, where it receives who has no certificate yet.

Runs on a thread beside the event loop, because invitations lie on a disk; `gatekeeper.proxy.errand` moves the bytes.

desk
    question in, reply out: who answers what.
question
    both as values.
invite
    an invitation: who may look at it or download it, and the download.
page
    what is shown about it, in the visitor's language and for the visitor's device.
enrolment
    an invitation for a computer that keeps its key: the request, and the certificate.
me
    what a visitor who was let in may know of themselves: certificate, routes, a renewal that waits.
sheet
    what the pages have in common.
guesses
    how often somebody may be wrong.
"""
