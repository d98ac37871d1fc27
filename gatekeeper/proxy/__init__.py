"""Moves requests along: asyncio protocols and callbacks, no task, future or queue for each request.

streams
    the narrow interfaces between the two sides. Read this first.
client
    the visitor's side: acceptor, PROXY header, connection and TLS, the codec, the dispatch of a request.
upstream
    the app's side: endpoints, their connections and health, the pool that chooses one.
exchange
    one forwarded request and its response: where they go, what is repeated, when they become a tunnel.
relay
    its base: backpressure, time limits, and each way an exchange ends.
local_request
    one request that the gate answers itself, below ``/.gatekeeper/``.
visit
    who is at the other end of a connection, what they may do, until when.
proxy
    the running proxy of one process: the snapshot in force, the open connections, room for more.
snapshot
    everything that was configured and loaded, as one immutable value. A reload makes a new one.
judge, ocsp, revocations
    verdicts, the answers of OCSP responders, revocation lists.
crl_sources, crl_folder, crl_fetcher
    lists that are fetched: from where, where they are kept, when and by whom.
expiry
    when verdicts end: one timer, for tunnels and streams whose certificate or revocation list runs out.
journal
    what happened, for the access log and the counters.
states, deadline
    the states of an exchange and the moves between them; one timer for each stream.
forwarding, websocket
    what the app is told about the visitor; the key of a WebSocket handshake, and where frames end.
"""
