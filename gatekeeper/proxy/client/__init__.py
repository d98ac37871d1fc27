"""The visitor's side: connections, TLS, and the codec that turns bytes into requests and answers into bytes.

acceptor
    takes connections from the listening sockets, as many as the gate can hold.
proxy_header
    a connection from a load balancer, until its PROXY header has said for whom it is.
connection
    one client's transport and TLS; the handshake decides on the codec.
http1
    the codec for HTTP/1.1: where request heads are read and answers get their framing. `wire` knows the rules.
dispatch
    asks for a decision on each request, and acts on it.
"""
