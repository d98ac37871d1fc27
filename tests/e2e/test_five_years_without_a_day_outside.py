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
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gatekeeper.ca.index import Entry
from gatekeeper.ca.transaction import BundleOptions
from tests.app import App
from tests.e2e.clients import app
from tests.family import DAY, EC, YEARS, Device, Family
from tests.gate_process import Gate, until
from tests.tools import needs

PASSPHRASE = b"four random words here"
BEGIN = datetime(2027, 3, 1, 12, 0, tzinfo=UTC)
# Everybody goes to the gate on each day of the weeks in which something changes, and on every tenth of the others.
EVERY, WEEK = 10, 8
# X509_V_FLAG_NO_CHECK_TIME: the devices' clock is this machine's, so the test compares the dates itself.
NO_CHECK_TIME = 0x200000


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


class Guests(Family[ssl.SSLContext]):
    """A family whose devices visit the gate, which has a certificate of the same authority."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        super().__init__(folder / "ca", PASSPHRASE, BEGIN, bundle=BundleOptions("a password"))
        self.issuer.issue_server("nas", ("localhost",), key_type=EC, now=BEGIN)
        self._changed = 0

    def changes(self, day: int, now: datetime) -> bool:
        """Live a day; whether the gate has to read its files anew."""
        before = len(self.done)
        self.live(day, now)
        if len(self.done) > before:
            self._changed = day
        return self._changed == day

    def is_busy(self, day: int) -> bool:
        """Whether something changed within the week, or waits to be installed."""
        return day < self._changed + WEEK or any(device.waiting for device in self.devices)

    def shown(self, entry: Entry) -> ssl.SSLContext:
        """A device with the newest bundle of this name: key, certificate, and the authority to verify the gate by."""
        certificate = self.folder / "ca" / f"{entry.name}.crt"
        signer = self.store.signer(x509.load_pem_x509_certificate(certificate.read_bytes()))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=signer.public_bytes(Encoding.PEM).decode())
        context.verify_flags |= ssl.VerifyFlags(NO_CHECK_TIME)
        context.load_cert_chain(certificate, self.folder / "ca" / f"{entry.name}.key", PASSPHRASE.decode())
        return context


@dataclass(frozen=True)
class House:
    """The family, its gate and the gate's clock."""

    family: Guests
    gate: Gate
    clock: Clock

    def days(self) -> Iterator[tuple[int, datetime]]:
        """Each day at noon, with a gate that has noticed what the family did."""
        for day in range(1, YEARS * 365 + 1):
            now = BEGIN + day * DAY
            self.clock.set(now)
            if self.family.changes(day, now):
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

    def visit(self, device: Device[ssl.SSLContext], now: datetime) -> str:
        """A handshake and a request: "" for who is in, else why not."""
        try:
            with self.gate.connect(device.shown) as connection:
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
    family, clock = Guests(tmp_path), Clock(tmp_path)
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
