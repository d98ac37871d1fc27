"""The answer for gRPC clients: a status of gRPC and one line of text, in place of a body ("Trailers-Only" in gRPC over
HTTP/2, https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md).

gRPC-Web speaks through browsers and reads HTTP statuses: its requests get the same answers as everything else.
"""

import re
from urllib.parse import quote

# Media types that begin with "application/grpc" but are not gRPC over HTTP/2, such as "application/grpc-web".
_GRPC = re.compile(rb"application/grpc(?:\+[^;]*)?[ \t]*(?:;.*)?", re.IGNORECASE)
# gRPC's status for an HTTP status (doc/http-grpc-status-mapping.md); UNKNOWN is 2.
_STATUSES = {400: 13, 401: 16, 403: 7, 404: 12, 429: 14, 431: 13, 502: 14, 503: 14, 504: 14}
_UNKNOWN = 2
# A character can become twelve bytes when percent-encoded, and clients accept 8 KiB of metadata.
LONGEST_MESSAGE = 512
# PROTOCOL-HTTP2.md, "Percent-Encoded": visible ASCII and space stand for themselves, the percent sign does not.
_PLAIN = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")

CONTENT_TYPE = ("Content-Type", "application/grpc")
"""The first header of every answer in this form; on the wire its HTTP status is 200."""


def is_grpc(content_type: bytes) -> bool:
    """Whether a request with this media type is a call of gRPC."""
    return _GRPC.fullmatch(content_type) is not None


def headers(status: int, message: str) -> tuple[tuple[str, str], ...]:
    """The header fields of an answer that HTTP would give this status; ``message`` is cut where it is too long."""
    return (
        CONTENT_TYPE,
        ("Grpc-Status", str(_STATUSES.get(status, _UNKNOWN))),
        ("Grpc-Message", quote(message[:LONGEST_MESSAGE], _PLAIN, errors="replace")),
    )
