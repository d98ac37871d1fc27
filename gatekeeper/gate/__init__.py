"""Decides who is admitted. Values in, verdict out: no socket, no clock, no asyncio, no HTTP.

peer
    what TLS learned of the other side: the certificates it sent and what OpenSSL found wrong with them.
certificate
    what one certificate says, parsed once and never judged: it may be anybody's.
identity
    a certificate that was judged and admitted. Nothing is forwarded without one, and only `Admit` holds one.
verdict
    `Admit` or `Refuse`, made for a peer at a moment. It expires at its ``until``; then judge the peer again.
route
    which requests go to which upstream, and who may send them; rules say what a certificate must contain.
decision
    the result for one request: `Forward`, `Denied`, or an answer of the gate's own. An authorizer makes them for a
    visitor while one verdict holds; nothing is forwarded without one.
reason
    why a peer is refused, from a closed list that the page, the log, the metrics and the docs share.
answer
    whether a certificate was revoked: good, revoked or unknown, and until when that is known.
"""
