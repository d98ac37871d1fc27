"""TLS towards the visitor: every handshake completes; OpenSSL's findings are passed on as a value.

binding
    `openssl.OpenSSL`: the functions of the interpreter's own libssl that Python does not offer.
proof
    handshakes in memory that show, before the first visitor comes, that the binding does what is expected of it.
mode
    whether bad certificates reach HTTP (`Mode.EVERY_CERTIFICATE`) or get a TLS alert (`Mode.ALERTS_ONLY`).
context
    `context.ServerContext`: everything that all connections of a listener share, made from files once per reload.
connection
    `connection.TLSConnection`: one visitor's TLS, bytes in and bytes out; no socket, no clock, no asyncio.
"""
