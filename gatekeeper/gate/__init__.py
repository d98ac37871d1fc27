"""Decides who is admitted. Values in, verdict out: no sockets, no clock, no asyncio, no HTTP.

peer
    what TLS learned about the other side: the certificates it sent, and the errors that OpenSSL found in them.
certificate
    the contents of one certificate, parsed once. Nothing in it is verified.
identity
    a certificate that was judged and admitted. Nothing is forwarded without one, and only `Admit` holds one.
verdict
    `Admit` or `Refuse`, made for a peer at one moment. It expires at its ``until``; the peer is then judged again.
route
    which requests go to which upstream, and who may send them; rules say what a certificate must contain.
decision
    the result for one request: `Forward`, `Denied`, or a response of the gate's own. An authorizer decides about a
    visitor's requests until the verdict expires; nothing is forwarded without a decision.
reason
    why a peer is refused, from a closed list that the page, the log, the metrics and the docs share.
revocation status
    whether a certificate was revoked (good, revoked or unknown), and until when this is known.

Modules that these words do not name:

routes, rules, rule_warnings, paths, addresses
    which route matches; which certificates match; rules that certificates of several authorities could match; paths
    that servers read in different ways; networks.
names, keys
    which texts may be names; which public keys are strong enough.
ocsp
    OCSP requests and responses.
unasked
    routes that are closed because their visitors are never asked for a certificate.
"""
