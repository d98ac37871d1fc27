"""The app's side: connections to its endpoints, and the codecs that write requests and parse responses.

http1
    one HTTP/1.1 connection to an app; it serves one exchange at a time and is kept for the next.
http2, http2_stream, http2_endpoint
    one HTTP/2 connection to an app, shared by many exchanges; one stream of it; the endpoint with such connections.
lenient
    an HTTP/1.1 connection whose malformed responses are repaired (``upstream.lenient``).
closing
    how the connection to an app ended.
endpoint
    one URL of an app: how it is reached, its idle connections, its health.
health, check, http2_check
    whether an endpoint gets requests; the active check of ``health_path``.
pool
    all endpoints of one app: which one a request goes to, and the queue for ``max_connections``.
"""
