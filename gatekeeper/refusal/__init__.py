"""The answers of the gate itself: refusals and errors, as a page or as JSON.

Values in, bytes out: no asyncio, no clock.

answer
    status, header fields and body; the proxy adds framing, ``Connection`` and ``Date``.
negotiation
    page or JSON, which language, which device to explain first.
problem
    the answer for programs: ``application/problem+json`` (RFC 9457), in English.
grpc
    the answer for gRPC clients: a status and one line.
page
    the answer for people: one HTML page without script and without anything from outside, in the visitor's language.
topic
    what a page is about: a reason of the gate, or one of the kinds of other errors.
catalogue
    everything the page says, in one language.
shown
    text from strangers, made safe to display.
"""
