"""Parses and writes HTTP: the only package that knows the HTTP parser. No socket, no clock, no asyncio.

head (`request`, `response`)
    the bytes of a message up to and including its blank line: start line and header block.
block
    everything in a request's head after the request line: what its fields mean together.
field (`headers`)
    one line of a block, judged by itself: passed on, dropped, or one of the few that mean something to a proxy.
framing
    where a body ends: nowhere (there is none), after a known length, after the last chunk, or with the connection.
identity, `presets`, custom
    the headers that tell an app who the visitor is; as other systems write them; as the operator names them.
assertion
    the same in one signed token, for apps that do not trust the network.
foreign
    identity headers of other proxies, which no visitor may send.
preflight
    the question of a browser before a request from another origin (CORS).
rewriting, webdav, https_url
    paths and hosts that differ between visitor and app, those that WebDAV names too; the https address of a plain HTTP
    request.
response_edits, lenient
    response headers that the operator sets; malformed responses, repaired.
cache, dates
    a bounded cache from bytes to what they mean; dates in headers.

Two judges look at every head: the rules here and llhttp. Both must agree that it is right; what either refuses ends in
`gatekeeper.errors.MessageError`.
"""
