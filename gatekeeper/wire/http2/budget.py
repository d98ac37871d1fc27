"""A budget for frames that carry nothing for an app (RFC 9113, 10.5).

Each is harmless and cheap to send, and costs the receiver as much as one that carries something: PING (CVE-2019-9512),
SETTINGS (CVE-2019-9515), empty DATA (CVE-2019-9518), PRIORITY (CVE-2019-9513), WINDOW_UPDATE, unknown ones. RST_STREAM
(CVE-2019-9514, CVE-2023-44487) and what makes us reset streams (CVE-2025-8671) have a budget of their own with
visitors.
"""

from typing import Final

# As nghttp2 has it for resets: a page that is left cancels a few hundred requests at once, and nothing goes on at 33 a
# second.
BURST: Final = 1000.0
PER_SECOND: Final = 33.0
# What a DATA frame of either direction earns: python-hyper and Firefox send two WINDOW_UPDATE for each that they get,
# grpcio a PING.
EARNED: Final = 4.0


class Budget:
    """A token bucket."""

    __slots__ = ("_at", "left")

    def __init__(self) -> None:
        self.left = BURST
        self._at = 0.0

    def earn(self, frames: int = 1) -> None:
        """Take note of DATA frames with content."""
        left = self.left + EARNED * frames
        self.left = left if left < BURST else BURST  # min() costs 0.1 µs more

    def spend(self, now: float, cost: float = 1.0) -> bool:
        """Take note of an odd frame; False if there were too many. ``now`` is in seconds, of any steady clock."""
        left = self.left + (now - self._at) * PER_SECOND
        self._at = now
        self.left = (left if left < BURST else BURST) - cost
        return self.left >= 0
