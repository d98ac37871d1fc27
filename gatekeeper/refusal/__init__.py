"""What a visitor sees who is not let in, and what the gate answers of itself.

Values in, bytes out: no asyncio, no clock.

answer
    status, header fields and body; the proxy adds framing, ``Connection`` and ``Date``.
problem
    the answer for programs: ``application/problem+json`` (RFC 9457), in English.
page
    the answer for people: one HTML page without script and without anything from outside, in the visitor's language.
topic
    what a page is about: a reason of the gate, or one of the kinds of other errors.
catalogue
    everything the page says, in one language.
shown
    text that somebody else wrote, made fit to be looked at.
"""
