"""The rules that reject malformed messages, each with the status and the sentence of the answer.

``docs/http.md`` has a row for each, ``tests/corpus/`` at least one message that breaks it, and a test holds the three
together. A rule's name there is its name here in small letters and with hyphens.
"""

from enum import Enum

from gatekeeper.errors import MessageError


class MessageRule(Enum):
    """Why a message is rejected. The sender sees the sentence; all sentences differ."""

    # The request line (RFC 9112, 3).
    REQUEST_LINE = 400, "The request line is malformed, or does not end in CRLF."
    LINE_TOO_LONG = 414, "The request line is too long."
    VERSION = 505, "This server supports HTTP/1.1 and HTTP/1.0."
    METHOD = 501, "CONNECT and TRACE are not supported."
    TARGET_FORM = 400, "The target is neither a path nor a URL of this server."
    TARGET_HOST = 400, "The target and Host name different servers."
    # The header section (RFC 9112, 5 and 2.2).
    FIELD_LINE = 400, "A header line is malformed, or does not end in CRLF."
    HEAD_TOO_LARGE = 431, "The request header is too large."
    FIELD_COUNT = 431, "The request has too many header fields."
    HOST_MISSING = 400, "Host is missing."
    HOST_MALFORMED = 400, "Host is not a single host name."
    CONNECTION_LIST = 400, "Connection is not a list of options."
    CONNECTION_NAMES = 400, "Connection names a field that does not belong to the connection."
    EXPECTATION = 417, "The only expectation supported here is 100-continue."
    # Where the body ends (RFC 9112, 6 and 7).
    LENGTH_AND_CODING = 400, "Content-Length and Transfer-Encoding came together."
    LENGTH_MALFORMED = 400, "Content-Length is not a single number."
    CODING_MALFORMED = 400, "Transfer-Encoding does not end in exactly one chunked."
    CODING_UNKNOWN = 501, "The only transfer coding supported here is chunked."
    CODING_IN_HTTP_1_0 = 400, "HTTP/1.0 has no Transfer-Encoding."
    CHUNK_SIZE = 400, "A chunk size is malformed."
    CHUNK_END = 400, "A chunk does not end where its size says, or a line does not end in CRLF."
    CHUNK_EXTENSIONS = 400, "The chunk extensions are too long."
    TRAILERS_TOO_LARGE = 431, "The trailer section is too large."
    # What an upstream may not send. The client gets 502, or where the response had begun, a cut one.
    RESPONSE_STATUS_LINE = 502, "Its status line is malformed, or does not end in CRLF."
    RESPONSE_FIELD_LINE = 502, "A line of its header is malformed, or does not end in CRLF."
    RESPONSE_HEAD_TOO_LARGE = 502, "Its header is too large."
    RESPONSE_CODING = 502, "Its Transfer-Encoding is not chunked, or came with Content-Length or in HTTP/1.0."
    RESPONSE_LENGTH = 502, "Its Content-Length is not a single number."
    RESPONSE_INTERIM = 502, "It contains too many interim responses."
    RESPONSE_SWITCH = 502, "It switches to a protocol that the client did not request."
    RESPONSE_CONNECTION = 502, "Its Connection is not a list of options."

    def __init__(self, status: int, sentence: str) -> None:
        self.status = status
        self.sentence = sentence

    @property
    def id(self) -> str:
        """The name in docs and corpus."""
        return self.name.lower().replace("_", "-")

    def error(self) -> MessageError:
        """What to raise where the rule is broken."""
        return MessageError(self.status, self.sentence)
