"""Local requests, below ``/.gatekeeper/``: invitations, and what visitors may learn about themselves.

Runs on threads beside the event loop, because invitations are files; `gatekeeper.proxy` moves the bytes.

handler
    request in, reply out, on a thread.
answers
    dispatches to the modules below; loaded for the first request.
request
    both as values.
invite
    an invitation: who may open or download it, and the download.
page
    the invitation's page, in the visitor's language and for the visitor's device.
withdrawn
    whether the certificate of an invitation still counts here.
enrolment
    an invitation for a computer that keeps its key: the request, and the certificate.
renewal
    a machine asks for its next certificate, with the one that it has.
est
    the same for devices that speak EST (RFC 7030), and the authorities' certificates.
me
    what admitted visitors may learn about themselves: certificate, routes, a pending renewal.
layout
    what the pages share.
token_rate_limit
    how many unknown tokens an address may try.
"""
