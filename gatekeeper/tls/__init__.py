"""TLS towards the visitor: every handshake completes; OpenSSL's findings are passed on as a value.

libssl, verifier, openssl
    the functions of the interpreter's own libssl, by their C names; what is done with them that `ssl` cannot: judging
    certificates, and handshakes that a bad one does not end.
proof, proof_certificates
    handshakes in memory that show, before the first visitor comes, that the binding does what is expected of it.
files, build, context
    key and certificate files; a `ServerContext` made of them at each start and reload, which all connections of a
    listener share. Its `Mode` tells whether bad certificates reach HTTP or get a TLS alert.
server_names, suites
    which certificate a visitor is shown, by SNI; cipher suites and groups by OpenSSL's names.
sessions
    which sessions may be resumed, for how long, and where they are kept until then.
memory_file, handshake_keys
    certificates and keys as files, for libraries that read nothing else; keys that can sign a handshake.
connection, message_limits
    one visitor's TLS, bytes in and bytes out, without a socket or asyncio; limits for messages without content.
peer
    who is on the other side of a connection, once its handshake is done.
proxy_protocol
    the PROXY header that may come before TLS.
client
    TLS from the gate to apps and to OCSP responders.
"""
