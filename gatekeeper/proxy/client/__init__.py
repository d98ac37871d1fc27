"""The visitor's side: connections, TLS, and the codec that turns bytes into requests and answers into bytes.

acceptor
    takes connections from the listening sockets, as many as the gate can hold.
proxy_header
    a connection from a load balancer, until its PROXY header has said for whom it is.
connection
    one client's transport and TLS; the handshake decides on the codec.
http1, http1_stream
    the codec for HTTP/1.1, which reads request heads; its stream, which reads bodies and frames responses.
http2, http2_stream
    the codec for HTTP/2, and the stream of one of its requests. `wire` knows the rules of both versions.
dispatch
    asks for a decision on each request, and acts on it.
"""
