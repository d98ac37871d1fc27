"""The client's side: connections, TLS, and the codecs that parse requests and write responses.

acceptor
    accepts connections from the listening sockets, within the limits.
proxy_header
    reads the PROXY header of a load balancer, before TLS.
redirect
    answers plain HTTP with a redirect to https.
connection
    one client's transport and TLS. ALPN in the handshake selects the codec.
http1, http1_stream
    the HTTP/1.1 codec, which reads request heads, and its stream, which reads bodies and frames responses.
http2, http2_stream, http2_request
    the HTTP/2 codec, the stream of one of its requests, and the content that the client sends with it. The rules of
    both versions are in `gatekeeper.wire`.
http2_pending
    which requests wait for an OCSP responder.
http2_refusals
    when an HTTP/2 connection ends whose client was refused.
misdirected
    421 for a request on an HTTP/2 connection that was made for another host.
dispatch
    gets the decision on each request, and carries it out.
"""
