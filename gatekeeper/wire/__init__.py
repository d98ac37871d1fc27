"""Parses and writes HTTP: the only package that knows the HTTP parser. No socket, no clock, no asyncio.

head (`request`, `response`)
    the bytes of a message up to and including its blank line: start line and header block.
block
    everything in a request's head after the request line: what its fields mean together.
field (`headers`)
    one line of a block, judged by itself: passed on, dropped, or one of the few that mean something to a proxy.
framing
    where a body ends: nowhere (there is none), after a known length, after the last chunk, or with the connection.
preset
    the headers in which an app learns who is there, as another system writes them.
assertion
    the same in one signed token, for apps that do not trust the network.
preflight
    the question of a browser before a request from another origin.

Two judges look at every head: the rules here and llhttp. Both must agree that it is right; what either refuses ends in
`gatekeeper.errors.MessageError`.
"""
