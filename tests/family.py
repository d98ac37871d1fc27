"""A family and its authority for five years, day by day: what `ca init` tells its owner to do, and what happens."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Generic, TypeVar

from gatekeeper.ca.creation import NewAuthority, create_store
from gatekeeper.ca.index import Entry
from gatekeeper.ca.issuer import Issuer
from gatekeeper.ca.revocation import RevocationReason, is_due
from gatekeeper.ca.rollover import retire, roll_over
from gatekeeper.ca.store import Store
from gatekeeper.ca.transaction import BundleOptions

DAY = timedelta(days=1)
YEARS, LOST_ON = 5, 700
EC = "ec:p256"
# The authority's life, so that its end comes within the five years.
LIFETIME = 4 * 365 * DAY
# A renewal lies on the table for a few days before somebody installs it.
INSTALLED_AFTER = 5
Shown = TypeVar("Shown")


@dataclass
class Device(Generic[Shown]):
    """A phone or a laptop: what it shows to a gate, and the renewal that waits to be installed."""

    name: str
    shown: Shown
    waiting: Shown | None = None
    since: int = 0
    lost: bool = False


class Family(Generic[Shown]):
    """The authority's owner, who looks at it once a month. ``done`` is what was done, in order.

    A subclass says by `shown` what a device makes of its certificate; with ``bundle`` it gets a .p12 too.
    """

    def __init__(
        self, path: Path, passphrase: bytes, begin: datetime, crl_lifetime: timedelta | None = None,
        bundle: BundleOptions | None = None,
    ) -> None:  # fmt: skip
        self.store: Store = create_store(
            path, NewAuthority("Home CA", EC, LIFETIME), passphrase, crl_lifetime=crl_lifetime, now=begin
        )
        self.issuer = Issuer(self.store, passphrase)
        self.done: list[str] = []
        self.devices: list[Device[Shown]] = []
        self._bundle = bundle
        for name in ("anna", "ben", "tablet"):
            self._give(name, begin)

    def shown(self, entry: Entry) -> Shown:
        """What a device shows that has just got this certificate."""
        raise NotImplementedError

    def live(self, day: int, now: datetime) -> None:
        """What happens on one day."""
        if is_due(self.store.crl(), now):  # the timer: ca crl --if-due
            self.issuer.rewrite_crl(now=now)
            self.done.append("crl")
        if day == LOST_ON:
            self._lose("ben", now)
        if day % 30 == 0:
            self._look(day, now)
        for device in self.devices:
            if device.waiting is not None and day >= device.since + INSTALLED_AFTER:
                device.shown, device.waiting = device.waiting, None

    def _look(self, day: int, now: datetime) -> None:
        """`ca list`, and what it asks for."""
        if self.store.certificate().not_valid_after_utc - now < 365 * DAY:
            roll_over(self.issuer, key_type=EC, lifetime=LIFETIME, now=now)
            self.done.append("rollover")
        index = self.store.index()
        for entry in {*index.expiring(31 * DAY, now), *index.on_retiring(now)}:
            self._renew(entry.name, day, now)
        if self.store.retiring() is not None and all(one.waiting is None for one in self.devices):
            retire(self.issuer, now=now)
            self.done.append("retire")

    def _renew(self, name: str, day: int, now: datetime) -> None:
        devices = [one for one in self.devices if one.name == name and not one.lost]
        bundle = self._bundle if devices else None
        renewed = self.issuer.renew(name, bundle=bundle, keep_old=True, now=now)
        for device in devices:
            device.waiting, device.since = self.shown(renewed.entry), day
        if not devices:
            self.done.append("server")

    def _lose(self, name: str, now: datetime) -> None:
        serials = tuple(entry.serial for entry in self.store.index().in_force(name, now))
        self.issuer.revoke(serials, RevocationReason.KEY_COMPROMISE, now=now)
        for device in self.devices:
            device.lost = device.lost or device.name == name
        self._give(name, now)
        self.done.append("revoke")

    def _give(self, name: str, now: datetime) -> None:
        issued = self.issuer.issue(name, bundle=self._bundle, key_type=EC, now=now)
        self.devices.append(Device(name, self.shown(issued.entry)))
