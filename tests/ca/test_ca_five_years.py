"""A family's five years, day by day: whoever does as told is never locked out, and a lost phone is out at once.

Each day OpenSSL builds the path from ``ca.crt`` as it lies in the folder, and the gate's own judge looks at dates and
lists by a clock of the test.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from gatekeeper.ca.admission import Trust, admission, make_trust
from gatekeeper.ca.issuer import Issuer
from gatekeeper.ca.revocation import RevocationReason, is_due
from gatekeeper.ca.store import Store, create_store
from gatekeeper.errors import AuthorityError
from gatekeeper.gate.verdict import Reason
from tests.ca.conftest import NOW, PASSPHRASE

DAY = timedelta(days=1)
YEARS = 5
EC = "ec:p256"
LOST_ON = 700
# A renewal lies on the table for a few days before somebody installs it.
INSTALLED_AFTER = 5


@dataclass
class Device:
    """What a phone shows, and the renewal that waits to be installed."""

    name: str
    shown: x509.Certificate
    waiting: x509.Certificate | None = None
    since: int = 0
    lost: bool = False


class Family:
    """The authority's owner, who reads what `ca init` says and does it."""

    def __init__(self, path: Path, list_lifetime: timedelta | None) -> None:
        self.store: Store = create_store(
            path, "Home CA", PASSPHRASE, key_type=EC, lifetime=4 * 365 * DAY, crl_lifetime=list_lifetime, now=NOW
        )
        self.issuer = Issuer(self.store, PASSPHRASE)
        self.devices = [self._device(name, NOW) for name in ("anna", "ben", "tablet")]
        self.rollovers = self.retired = 0

    def _device(self, name: str, now: datetime) -> Device:
        entry = self.issuer.issue(name, key_type=EC, now=now).entry
        return Device(name, self.store.issued(entry))

    def live(self, day: int, now: datetime) -> None:
        """What happens on one day."""
        if is_due(self.store.crl(), now):  # the timer: ca crl --if-due
            self.issuer.rewrite_crl(now=now)
        if day == LOST_ON:
            self._lose("ben", now)
        if day % 30 == 0:
            self._look(day, now)
        for device in self.devices:
            if device.waiting is not None and day >= device.since + INSTALLED_AFTER:
                device.shown, device.waiting = device.waiting, None

    def _look(self, day: int, now: datetime) -> None:
        """Once a month: ca list, and what it asks for."""
        if self.store.certificate().not_valid_after_utc - now < 365 * DAY:
            self.issuer.roll_over(key_type=EC, lifetime=4 * 365 * DAY, now=now)
            self.rollovers += 1
        index = self.store.index()
        for entry in {*index.expiring(31 * DAY, now), *index.on_retiring(now)}:
            device = next(one for one in self.devices if one.name == entry.name and not one.lost)
            device.waiting = self.store.issued(self.issuer.renew(entry.name, keep_old=True, now=now).entry)
            device.since = day
        if self.store.retiring() is not None and all(one.waiting is None for one in self.devices):
            self.issuer.retire(now=now)
            self.retired += 1

    def _lose(self, name: str, now: datetime) -> None:
        index = self.store.index()
        serials = tuple(entry.serial for entry in index.in_force(name, now))
        self.issuer.revoke(serials, RevocationReason.KEY_COMPROMISE, now=now)
        for device in self.devices:
            device.lost = device.lost or device.name == name
        self.devices.append(self._device(name, now))

    def trust(self, now: datetime) -> Trust:
        authority, *also = self.store.authorities()
        return make_trust(authority, (self.store.path / "ca.crl").read_bytes(), also=also, now=now)


def days(family: Family) -> Iterator[tuple[int, datetime, Trust]]:
    """Each day, and what a gate trusts in its evening."""
    files, trust = b"", None
    for day in range(1, YEARS * 365):
        now = NOW + day * DAY
        family.live(day, now)
        there = b"".join((family.store.path / name).read_bytes() for name in ("ca.crt", "ca.crl"))
        if there != files or trust is None:
            files, trust = there, family.trust(now)
        yield day, now, replace(trust, now=now)


@pytest.mark.timeout(600)  # a busy machine plays five years in two minutes
@pytest.mark.parametrize(
    ("list_lifetime", "every"), [(None, 5), (30 * DAY, 2)], ids=["long list", "short list and timer"]
)
def test_nobody_is_locked_out_in_five_years(tmp_path: Path, list_lifetime: timedelta | None, every: int) -> None:
    """Issue, forget for a month, renew, lose a phone, roll the authority over, retire it: zero days outside.

    The family lives each day; everybody goes to the gate on each day that ``every`` divides.
    """
    family = Family(tmp_path / "ca", list_lifetime)
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
    assert (family.rollovers, family.retired) == (1, 1)


def test_without_the_monthly_look_somebody_is(tmp_path: Path) -> None:
    """The guard of the test above: the days are really looked at."""
    family = Family(tmp_path / "ca", None)
    trust = replace(family.trust(NOW), now=NOW + 366 * DAY)
    assert {admission(device.shown, trust).reason for device in family.devices} == {Reason.EXPIRED}
    with pytest.raises(AuthorityError, match="no old authority"):
        family.issuer.retire(now=NOW)
