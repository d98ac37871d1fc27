"""A family's five years, day by day: whoever does as told is never locked out, and a lost phone is out at once.

Each day OpenSSL builds the path from ``ca.crt`` as it lies in the folder, and the gate's own judge looks at dates and
lists by a clock of the test.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from gatekeeper.ca.admission import Trust, admission, make_trust
from gatekeeper.ca.index import Entry
from gatekeeper.ca.rollover import retire
from gatekeeper.errors import AuthorityError
from gatekeeper.gate.verdict import Reason
from tests.ca.conftest import NOW, PASSPHRASE
from tests.family import DAY, YEARS, Family


class Phones(Family[x509.Certificate]):
    """A family whose devices show their certificates."""

    def shown(self, entry: Entry) -> x509.Certificate:
        return self.store.issued(entry)

    def trust(self, now: datetime) -> Trust:
        authority, *also = self.store.authorities()
        return make_trust(authority, (self.store.path / "ca.crl").read_bytes(), also=also, now=now)


def days(family: Phones) -> Iterator[tuple[int, datetime, Trust]]:
    """Each day, and what a gate trusts in its evening."""
    files, trust = b"", None
    for day in range(1, YEARS * 365):
        now = NOW + day * DAY
        family.live(day, now)
        there = b"".join((family.store.path / name).read_bytes() for name in ("ca.crt", "ca.crl"))
        if there != files or trust is None:
            files, trust = there, family.trust(now)
        yield day, now, replace(trust, now=now)


@pytest.mark.timeout(900)  # a busy machine plays five years in two minutes
@pytest.mark.parametrize(
    ("list_lifetime", "every"), [(None, 5), (30 * DAY, 2)], ids=["long list", "short list and timer"]
)
def test_nobody_is_locked_out_in_five_years(tmp_path: Path, list_lifetime: timedelta | None, every: int) -> None:
    """Issue, forget for a month, renew, lose a phone, roll the authority over, retire it: zero days outside.

    The family lives each day; everybody goes to the gate on each day that ``every`` divides.
    """
    family = Phones(tmp_path / "ca", PASSPHRASE, NOW, list_lifetime)
    locked_out, let_in = [], []
    for day, _, trust in days(family):
        for device in family.devices if day % every == 0 else ():
            reason = admission(device.shown, trust).reason
            if reason is not None and not device.lost:
                locked_out.append((day, device.name, reason))
            if reason is None and device.lost:
                let_in.append((day, device.name))
    assert locked_out == []
    assert let_in == []
    assert [family.done.count(one) for one in ("rollover", "retire", "revoke")] == [1, 1, 1]


def test_without_the_monthly_look_somebody_is(tmp_path: Path) -> None:
    """The guard of the test above: the days are really looked at."""
    family = Phones(tmp_path / "ca", PASSPHRASE, NOW)
    trust = replace(family.trust(NOW), now=NOW + 366 * DAY)
    assert {admission(device.shown, trust).reason for device in family.devices} == {Reason.EXPIRED}
    with pytest.raises(AuthorityError, match="no old authority"):
        retire(family.issuer, now=NOW)
