"""HTTP/2 without I/O (RFC 9113, RFC 7541, RFC 8441): bytes in, calls out; calls in, bytes out. No socket, no clock.

frames
    the frame layer: constants, and the bytes of the frames that are sent.
hpack, huffman
    reading field blocks. A dynamic table is an immutable value, so a block read before under the same table is cached.
fields
    what one field says by itself, and the rules that HTTP/2 has on top of HTTP/1.1's.
requests, responses
    a field list written as the HTTP/1.1 head it stands for, and read by the reader of HTTP/1.1: the two judges of
    `gatekeeper.wire` look at every message, whatever version it came in.
encode
    field blocks that are sent. They never use the dynamic table, so a block depends on its head alone and is cached.
frame_handlers, control, messages
    which function acts on a frame; frames about the connection; frames that carry messages.
budget
    limits for frames that carry nothing for an app.
connection
    the receiving half, which both roles share: frames, settings, flow control, limits against floods.
stream
    one stream, as its owner sees it, and the sending half of its connection.
server, client
    the two roles: towards visitors, and towards apps.
"""
