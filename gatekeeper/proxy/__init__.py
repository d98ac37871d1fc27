"""Move it along: asyncio protocols and callbacks, no task, future or queue for each request.

acceptor
    takes connections from the listening sockets, as many as the gate can hold.
announced
    a connection from a load balancer, until its PROXY header has said for whom it is.
downstream
    a client's connection: TLS, heads, the verdict, and the answer to whoever is refused.
exchange
    one request of an admitted client and its response, from the first byte to the line in the access log.
life
    the stages of an exchange, and which may follow which; an illegal move is a bug and raises.
upstream
    a connection to the app; it serves one exchange at a time and is kept for the next.
endpoint
    one URL of an app: its idle connections and how it fares. A pool is all the endpoints of one app.
tunnel
    an exchange after 101 Switching Protocols: bytes, both ways, until either side ends.
snapshot
    everything that was configured and loaded, as one immutable value. A reload makes a new one.
proxy
    the running proxy of one process: the current snapshot, the open connections, the log, the counters.
expiry
    when verdicts end: one timer, for tunnels and streams whose certificate or revocation list runs out.
responders
    the OCSP responders, what they answered, and who waits for an answer.
"""
