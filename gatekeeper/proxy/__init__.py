"""Forwards requests: asyncio protocols and callbacks, without a task, a future or a queue for each request.

streams
    the narrow interfaces between the two sides. Read this first.
client
    the client's side: acceptor, PROXY header, connection and TLS, the codecs, the dispatch of a request.
upstream
    the app's side: endpoints, their connections and health, the pool that chooses one.
exchange
    one forwarded request and its response: choosing a connection to the app, retries, the switch to a tunnel.
relay
    the base class of exchange: backpressure, timeouts, and every way an exchange ends.
buffered_exchange, request_buffer
    an exchange that waits for the whole request (``upstream.request_buffering``); where it keeps the body.
local_request
    one request below ``/.gatekeeper/``, which the gate answers itself.
visit
    the state of one client connection: who the client is, what it may do, and until when.
proxy
    what all connections of a process share: the current snapshot, the open connections, the limits on new ones.
snapshot
    the loaded configuration as one immutable value. A reload replaces it.
loading
    loads the files that the settings name.
judge, ocsp, revocations, host_trust
    verdicts; OCSP responses; revocation lists; hosts with certificate authorities of their own.
crl_sources, crl_folder, crl_fetcher
    revocation lists by URL: their addresses, their files, and the fetching.
expiry
    one timer for all verdicts: ends tunnels and downloads whose certificate or revocation list expires.
request_limits
    ``limits.rate`` and ``limits.concurrent``.
journal
    writes the access log and the counters.
states, deadline
    the states of an exchange and the legal transitions; one timer for each stream.
forwarding, websocket
    the request headers that describe the client; WebSocket keys and frame boundaries.
"""
