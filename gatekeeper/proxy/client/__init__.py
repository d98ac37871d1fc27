"""The visitor's side: connections, TLS, and the codec that turns bytes into requests and answers into bytes.

acceptor
    takes connections from the listening sockets, as many as the gate can hold.
proxy_header
    a connection from a load balancer, until its PROXY header has said for whom it is.
connection
    one client's connection.
"""
