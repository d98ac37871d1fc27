"""When a certificate is to be renewed, and when to try again after a failure."""

from dataclasses import dataclass

DAY = 86400.0
# How long a directory is left alone after the first failure, and at most. Let's Encrypt allows five failed validations
# an hour for each account and host name; these are four.
FIRST_RETRY_SECONDS = 300.0
LAST_RETRY_SECONDS = 6 * 3600.0
# Certificates that live less than this are renewed at half of their life, others when a third is left, as Let's Encrypt
# recommends (letsencrypt.org/docs/integration-guide).
SHORT_LIVED_SECONDS = 10 * DAY
# The part of its life over which the renewals of certificates that were made together are spread.
SPREAD = 1 / 20


@dataclass(frozen=True, slots=True)
class Lifetime:
    """From when to when a certificate is good, in seconds since the epoch."""

    begins: float
    ends: float


def renewal_time(lifetime: Lifetime, chance: float) -> float:
    """When to renew where the directory does not say; ``chance`` is a random number from 0 to 1."""
    length = lifetime.ends - lifetime.begins
    part = 1 / 2 if length < SHORT_LIVED_SECONDS else 2 / 3
    return lifetime.begins + length * (part - chance * SPREAD)


def retry_time(failures: int, now: float, chance: float) -> float:
    """When to try again after so many failures in a row; spread, so that replicas do not come together."""
    seconds = min(FIRST_RETRY_SECONDS * 2.0 ** min(failures - 1, 16), LAST_RETRY_SECONDS)
    return now + seconds * (1 + chance / 10)
