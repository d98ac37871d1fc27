"""Limits for TLS messages that carry no application data: KeyUpdates and alerts cost a client less than the gate."""

import ssl
import time
from collections.abc import Callable
from typing import Final

from gatekeeper.errors import TLSError

MESSAGES_PER_SECOND: Final = 100
"""How many KeyUpdates and alerts a client may send in a second once the handshake is done; one that asks for an answer
may count twice. Each takes 27 bytes to send and 14.5 µs to process, and carries no plaintext. Clients that exist send
one in 2^24 records (RFC 8446, 5.5)."""

SILENT_LIMIT: Final = 16384 + 2048 + 5
"""The largest record (RFC 5246, 6.2.3): more bytes without any plaintext held at least one record that carries none."""


class MessageLimit:
    """Counts what OpenSSL meets that is no application data; beyond `MESSAGES_PER_SECOND` it takes the rest of a flood
    out of OpenSSL's reach. ``clock`` is in seconds."""

    __slots__ = ("_clock", "_count", "_incoming", "_since", "exceeded")

    def __init__(self, incoming: ssl.MemoryBIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._incoming = incoming
        self._clock = clock
        self._since = 0.0
        self._count = 0
        self.exceeded = False

    def __call__(self) -> None:
        """Count one, in the middle of a read: 64 KiB of KeyUpdates, processed first and counted then, take 35 ms."""
        now = self._clock()
        if now - self._since >= 1.0:
            self._since, self._count = now, 0
        self._count += 1
        if self._count > MESSAGES_PER_SECOND:
            self.exceeded = True
            self._incoming.read()


class SilenceLimit:
    """The read of the fallback, where no callback counts messages. Those between two pieces of plaintext are bounded by
    their bytes, so up to 700 of them cost nothing but their time."""

    __slots__ = ("_incoming", "_read", "_silent")

    def __init__(self, read: Callable[[int], bytes], incoming: ssl.MemoryBIO) -> None:
        self._read = read
        self._incoming = incoming
        self._silent = 0

    def __call__(self, size: int) -> bytes:
        """Read; TLSError if too much came that was no plaintext."""
        before = self._incoming.pending
        try:
            plaintext = self._read(size)
        except ssl.SSLWantReadError:
            self._silent += before
            if self._silent > SILENT_LIMIT:
                raise TLSError("too many messages that carry nothing") from None
            raise
        self._silent = 0
        return plaintext
