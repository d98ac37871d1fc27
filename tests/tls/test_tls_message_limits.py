"""TLS messages that carry no application data: how many are counted, and what happens to the rest."""

import ssl

import pytest

from gatekeeper.errors import TLSError
from gatekeeper.tls.message_limits import MESSAGES_PER_SECOND, SILENT_LIMIT, MessageLimit, SilenceLimit


def test_the_rest_of_a_flood_is_out_of_reach() -> None:
    """One message too many, and OpenSSL finds nothing more to process in what has come already."""
    incoming = ssl.MemoryBIO()
    limit = MessageLimit(incoming)
    incoming.write(b"x" * 1000)
    for _ in range(MESSAGES_PER_SECOND):
        limit()
    assert (limit.exceeded, incoming.pending) == (False, 1000)
    limit()
    assert (limit.exceeded, incoming.pending) == (True, 0)


def test_messages_that_take_their_time_are_no_flood() -> None:
    """The limit is for each second, not for a connection's life."""
    now = 1000.0
    limit = MessageLimit(ssl.MemoryBIO(), lambda: now)
    for _ in range(3):
        for _ in range(MESSAGES_PER_SECOND):
            limit()
        now += 1.0
    assert not limit.exceeded


class Script:
    """A read that gives what is scripted; None is a read that finds no plaintext."""

    def __init__(self, incoming: ssl.MemoryBIO) -> None:
        self.incoming = incoming
        self.plaintext: bytes | None = None

    def __call__(self, size: int) -> bytes:
        self.incoming.read()
        if self.plaintext is None:
            raise ssl.SSLWantReadError
        return self.plaintext


def test_silence_is_measured_between_two_pieces_of_plaintext() -> None:
    """Plaintext shows that a record was one; more than the largest record without any is a flood."""
    incoming = ssl.MemoryBIO()
    script = Script(incoming)
    limit = SilenceLimit(script, incoming)
    for _ in range(2):
        script.plaintext = None
        incoming.write(b"x" * SILENT_LIMIT)
        with pytest.raises(ssl.SSLWantReadError):
            limit(1)
        script.plaintext = b"a"
        assert limit(1) == b"a"
    script.plaintext = None
    incoming.write(b"x" * (SILENT_LIMIT + 1))
    with pytest.raises(TLSError, match="carry nothing"):
        limit(1)
