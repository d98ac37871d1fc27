"""A family's five years with a real gate, real TLS and a false clock: nobody who does as told is ever locked out.

libfaketime gives the gate's process the day that the test wants, so OpenSSL's dates, the gate's, its lists and its log
are all of that day. The devices verify the gate with the authority that they were given with their certificate.
"""

import os
import re
import shutil
import signal
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gatekeeper.ca.issuer import Issuer
from gatekeeper.ca.revocation import RevocationReason, is_due
from gatekeeper.ca.store import Store, create_store
from gatekeeper.ca.transaction import BundleOptions
from tests.app import App
from tests.e2e.clients import app
from tests.gate_process import Gate, until
from tests.tools import needs

EC, PASSPHRASE = "ec:p256", b"four random words here"
DAY = timedelta(days=1)
BEGIN = datetime(2027, 3, 1, 12, 0, tzinfo=UTC)
YEARS, LOST_ON = 5, 700
# The authority's life, so that its end comes within the five years.
LIFETIME = 4 * 365 * DAY
# A renewal lies on the table for a few days before somebody installs it.
INSTALLED_AFTER = 5
# Everybody goes to the gate on each day of the weeks in which something changes, and on every tenth of the others.
EVERY, WEEK = 10, 8
# X509_V_FLAG_NO_CHECK_TIME: the devices' clock is this machine's, so the test compares the dates itself.
NO_CHECK_TIME = 0x200000


@dataclass
class Device:
    """A phone or a laptop: what it shows, whom it trusts, and the renewal that waits to be installed."""

    name: str
    context: ssl.SSLContext
    waiting: ssl.SSLContext | None = None
    since: int = 0
    lost: bool = False


class Clock:
    """The gate's clock: the time of a file, which libfaketime looks at."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self._file.touch()
        # The wrapper knows where the library lies on this machine.
        told = subprocess.run(["faketime", "-f", "+0", "env"], capture_output=True, text=True, check=True).stdout
        (library,) = re.findall(r"^LD_PRELOAD=(.*)$", told, re.MULTILINE)
        self.environ = {
            "LD_PRELOAD": library,
            "FAKETIME": "%",
            "FAKETIME_FOLLOW_FILE": str(self._file),
            "FAKETIME_DONT_RESET": "1",
            "FAKETIME_NO_CACHE": "1",  # else each process looks at the file every ten seconds
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",  # timers and timeouts stay real
            "NO_FAKE_STAT": "1",
            "TZ": "UTC",
        }

    def set(self, now: datetime) -> None:
        os.utime(self._file, (now.timestamp(), now.timestamp()))


class Family:
    """The authority's owner, who does once a month what `ca init` says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store: Store = create_store(
            folder / "ca", "Home CA", PASSPHRASE, key_type=EC, lifetime=LIFETIME, now=BEGIN
        )
        self.issuer = Issuer(self.store, PASSPHRASE)
        self.issuer.issue_server("nas", ("localhost",), key_type=EC, now=BEGIN)
        self.devices: list[Device] = []
        for name in ("anna", "ben", "tablet"):
            self._give(name, BEGIN)
        self.done: list[str] = []
        self._changed = 0

    def live(self, day: int, now: datetime) -> bool:
        """What happens on one day; whether the gate has to read its files anew."""
        before = len(self.done)
        if is_due(self.store.crl(), now):
            self.issuer.rewrite_crl(now=now)
            self.done.append("crl")
        if day == LOST_ON:
            self._lose("ben", now)
        if day % 30 == 0:
            self._look(day, now)
        for device in self.devices:
            if device.waiting is not None and day >= device.since + INSTALLED_AFTER:
                device.context, device.waiting = device.waiting, None
        if len(self.done) > before:
            self._changed = day
        return self._changed == day

    def is_busy(self, day: int) -> bool:
        """Whether something changed within the week, or waits to be installed."""
        return day < self._changed + WEEK or any(device.waiting for device in self.devices)

    def _look(self, day: int, now: datetime) -> None:
        """`ca list`, and what it asks for."""
        if self.store.certificate().not_valid_after_utc - now < 365 * DAY:
            self.issuer.roll_over(key_type=EC, lifetime=LIFETIME, now=now)
            self.done.append("rollover")
        index = self.store.index()
        for entry in {*index.expiring(31 * DAY, now), *index.on_retiring(now)}:
            if entry.name == "nas":
                self.issuer.renew("nas", keep_old=True, now=now)
                self.done.append("server")
                continue
            self.issuer.renew(entry.name, bundle=BundleOptions("a password"), keep_old=True, now=now)
            device = next(one for one in self.devices if one.name == entry.name and not one.lost)
            device.waiting, device.since = self._context(entry.name), day
        if self.store.retiring() is not None and all(one.waiting is None for one in self.devices):
            self.issuer.retire(now=now)
            self.done.append("retire")

    def _lose(self, name: str, now: datetime) -> None:
        serials = tuple(entry.serial for entry in self.store.index().in_force(name, now))
        self.issuer.revoke(serials, RevocationReason.KEY_COMPROMISE, now=now)
        for device in self.devices:
            device.lost = device.lost or device.name == name
        self._give(name, now)
        self.done.append("revoke")

    def _give(self, name: str, now: datetime) -> None:
        self.issuer.issue(name, bundle=BundleOptions("a password"), key_type=EC, now=now)
        self.devices.append(Device(name, self._context(name)))

    def _context(self, name: str) -> ssl.SSLContext:
        """A device with the newest bundle of this name: key, certificate, and the authority to verify the gate by."""
        certificate = self.folder / "ca" / f"{name}.crt"
        signer = self.store.signer(x509.load_pem_x509_certificate(certificate.read_bytes()))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=signer.public_bytes(Encoding.PEM).decode())
        context.verify_flags |= ssl.VerifyFlags(NO_CHECK_TIME)
        context.load_cert_chain(certificate, self.folder / "ca" / f"{name}.key", PASSPHRASE.decode())
        return context


@dataclass(frozen=True)
class House:
    """The family, its gate and the gate's clock."""

    family: Family
    gate: Gate
    clock: Clock

    def days(self) -> Iterator[tuple[int, datetime]]:
        """Each day at noon, with a gate that has noticed what the family did."""
        for day in range(1, YEARS * 365 + 1):
            now = BEGIN + day * DAY
            self.clock.set(now)
            changed = self.family.live(day, now)
            if changed:
                self._reload()
            yield day, now

    def _reload(self) -> None:
        """Twice: the first line may tell of a reload that began by itself before the last file was written."""
        for _ in range(2):
            reloads = self._reloads()
            self.gate.signal(signal.SIGHUP)
            until(lambda reloads=reloads: self._reloads() > reloads)  # type: ignore[misc]

    def _reloads(self) -> int:
        return sum("reloaded" in line for line in self.gate.err)

    def visit(self, device: Device, now: datetime) -> str:
        """A handshake and a request: "" for who is in, else why not."""
        try:
            with self.gate.connect(device.context) as connection:
                end = ssl.cert_time_to_seconds(connection.getpeercert()["notAfter"])  # type: ignore[arg-type]
                if end < now.timestamp():
                    return "the gate's own certificate has expired"
                connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                answer = b"".join(iter(lambda: connection.recv(65536), b""))
        except ssl.SSLCertVerificationError as error:
            return error.verify_message
        if answer.startswith(b"HTTP/1.1 200 "):
            return ""
        found = re.search(rb"(?i)gatekeeper-reason: (\S+)", answer)
        return found[1].decode() if found else answer[:40].decode()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    needs("faketime")
    family, clock = Family(tmp_path), Clock(tmp_path)
    clock.set(BEGIN)
    for name in ("ca.crt", "ca.crl"):
        (tmp_path / name).symlink_to(f"ca/{name}")
    for name in ("server.crt", "server.key"):
        (tmp_path / name).symlink_to(f"ca/nas{name.removeprefix('server')}")
    with (
        App(app) as behind,
        Gate(tmp_path, behind.url, client_auth='crl = "ca.crl"', log="off", environ=clock.environ) as gate,
    ):
        yield House(family, gate, clock)
    shutil.rmtree(tmp_path / "ca")


@pytest.mark.timeout(900)  # a minute on two cores that others use, too
def test_nobody_is_outside_on_any_day_of_five_years(house: House) -> None:
    """Issue, forget, renew, lose a phone, revoke, roll over, retire, renew the server: the days are counted."""
    outside, inside = [], []
    for day, now in house.days():
        if day % EVERY and not house.family.is_busy(day):
            continue
        for device in house.family.devices:
            why = house.visit(device, now)
            if why and not device.lost:
                outside.append((day, device.name, why))
            if not why and device.lost:
                inside.append((day, device.name))
    assert (len(outside), outside[:5]) == (0, []), house.gate.err[-12:]
    assert (len(inside), inside[:5]) == (0, [])
    done = house.family.done
    assert [done.count(one) for one in ("rollover", "retire", "revoke")] == [1, 1, 1]
    assert done.count("server") >= YEARS - 1
    # The guard of all this: with nobody looking, the years do lock everyone out.
    house.clock.set(BEGIN + (YEARS + 2) * 365 * DAY)
    left = {house.visit(device, BEGIN) for device in house.family.devices if not device.lost}
    assert left == {"expired"}
