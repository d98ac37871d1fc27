"""What the gate itself answers below ``/.gatekeeper/``: invitations, and what a visitor may know of themselves.

Runs on threads beside the event loop, because invitations lie on a disk; `gatekeeper.proxy` moves the bytes.

handler
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
    what an admitted visitor may know of themselves: certificate, routes, a renewal that waits.
layout
    what the pages have in common.
token_rate_limit
    how many unknown tokens an address may try.
"""
