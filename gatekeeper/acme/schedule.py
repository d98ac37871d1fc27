"""When a certificate is to be renewed, and when to try again after a failure."""

from dataclasses import dataclass

DAY = 86400.0
# The delay before the next attempt after the first failure, and the longest. Let's Encrypt allows five failed
# validations an hour for each account and host name; these are four.
FIRST_RETRY_SECONDS = 300.0
LAST_RETRY_SECONDS = 6 * 3600.0
# Certificates with a shorter lifetime are renewed at half of it, others when a third is left, as Let's Encrypt
# recommends (letsencrypt.org/docs/integration-guide).
SHORT_LIVED_SECONDS = 10 * DAY
# The part of the lifetime over which the renewals of certificates that were issued together are spread.
SPREAD = 1 / 20


@dataclass(frozen=True, slots=True)
class Lifetime:
    """The validity period of a certificate, in seconds since the epoch."""

    begins: float
    ends: float


def renewal_time(lifetime: Lifetime, chance: float) -> float:
    """When to renew if the directory suggests nothing; ``chance`` is a random number from 0 to 1."""
    length = lifetime.ends - lifetime.begins
    part = 1 / 2 if length < SHORT_LIVED_SECONDS else 2 / 3
    return lifetime.begins + length * (part - chance * SPREAD)


def retry_time(failures: int, now: float, chance: float) -> float:
    """When to try again after this many failures in a row; randomized, so that replicas do not try at the same time."""
    seconds = min(FIRST_RETRY_SECONDS * 2.0 ** min(failures - 1, 16), LAST_RETRY_SECONDS)
    return now + seconds * (1 + chance / 10)
