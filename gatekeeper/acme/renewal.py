"""Keeps the certificate of a folder good: orders the first one, renews it in time, and tries again after failures."""

import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Protocol

from gatekeeper.acme.folder import ACMEFolder, State
from gatekeeper.acme.schedule import Lifetime, renewal_time, retry_time
from gatekeeper.errors import ACMEError

_log = logging.getLogger("gatekeeper")

# How long to wait before renewal information is requested again, if the directory has none or could not be reached.
ASK_SECONDS = 6 * 3600.0


class Orders(Protocol):
    """Talks to directories. Both methods raise ACMEError if that fails."""

    def obtain(self, directory: str, names: Sequence[str]) -> bytes:
        """Order a certificate: its key and its chain, PEM."""

    def renewal_information(self, directory: str, pem: bytes) -> tuple[float | None, float]:
        """When the directory suggests to renew the certificate (RFC 9773), None if it does not, and when to ask again;
        seconds since the epoch.
        """


@dataclass(frozen=True, slots=True)
class Held:
    """A certificate in the folder."""

    pem: bytes
    serial: str
    names: frozenset[str]
    lifetime: Lifetime

    def is_for(self, names: Sequence[str]) -> bool:
        """Whether the certificate is valid for all of these names."""
        return self.names.issuperset(map(_as_certificates_say, names))


def certificate_to_show(folder: ACMEFolder, names: Sequence[str]) -> bytes:
    """The content of the certificate file that the gate should serve, b"" if there is none. If this lineage's
    certificate is not for all of the names, as after a change of the configuration, the longest-lived one of another
    lineage that is takes its place until the next order.
    """
    own = folder.read_certificate()
    held = _held(own)
    if held is not None and held.is_for(names):
        return own
    others = [
        (other.lifetime.ends, pem)
        for pem in folder.read_certificates()
        if (other := _held(pem)) and other.is_for(names)
    ]
    return max(others)[1] if others else own


def held_certificate(folder: ACMEFolder) -> Held | None:
    """The first certificate in the folder's file, None if there is none that can be read."""
    return _held(folder.read_certificate())


def _held(pem: bytes) -> Held | None:
    from cryptography import x509  # 9 MiB, which a gate that orders nothing does without

    at = pem.find(b"-----BEGIN CERTIFICATE-----")
    if at < 0:
        return None
    try:
        certificate = x509.load_pem_x509_certificate(pem[at:])
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound):
        return None
    begins, ends = certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp()
    said = {*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))}
    return Held(pem[at:], f"{certificate.serial_number:x}", frozenset(said), Lifetime(begins, ends))


def _as_certificates_say(name: str) -> str:
    """Names in the spelling that certificates use. An IPv6 address has many spellings; compared as text, a certificate
    would never match, and be ordered again at each check.
    """
    try:
        return str(ip_address(name))
    except ValueError:
        return name.lower()


class Renewal:
    """Renews the certificate of one lineage. `step` does what is due; any number of processes may call it."""

    def __init__(
        self,
        folder: ACMEFolder,
        names: Sequence[str],
        directories: Sequence[str],
        orders: Orders,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._folder = folder
        self._names = tuple(names)
        self._directories = tuple(directories)
        self._orders = orders
        self._chance = chance

    def step(self, now: float) -> None:
        """Do what is due at ``now`` (seconds since the epoch); to be called every half minute.

        OSError if the folder cannot be used. If a directory fails, only this attempt fails.
        """
        if self._is_due(now) or self._must_ask(now):
            with self._folder.lock() as alone:
                if alone:  # another process may have ordered before this one got the lock, so read everything again
                    if self._must_ask(now):
                        self._ask(now)
                    if self._is_due(now):
                        self._order(now)

    def _is_due(self, now: float) -> bool:
        state, held = self._folder.state, held_certificate(self._folder)
        if now < state.retry_at:
            return False
        if held is None or not held.is_for(self._names):
            return True
        return now >= held.lifetime.ends or (state.serial == held.serial and now >= state.renew_at)

    def _must_ask(self, now: float) -> bool:
        state, held = self._folder.state, held_certificate(self._folder)
        return held is not None and (state.serial != held.serial or now >= state.ask_at)

    def _ask(self, now: float) -> None:
        """Decide when to renew the certificate: when the directory suggests, if it does."""
        state, held = self._folder.state, held_certificate(self._folder)
        if held is None:
            return
        if state.serial != held.serial:
            state = replace(state, serial=held.serial, renew_at=renewal_time(held.lifetime, self._chance()))
        wanted, ask_at = None, now + ASK_SECONDS
        try:
            wanted, ask_at = self._orders.renewal_information(state.directory or self._directories[0], held.pem)
        except ACMEError as error:
            _log.info("acme: no renewal information: %s", error)
        if wanted is not None:
            # RFC 9773, 4.2: a time that has passed means now. No window reaches beyond the certificate's end.
            state = replace(state, renew_at=min(wanted, held.lifetime.ends))
        self._folder.write_state(replace(state, ask_at=max(ask_at, now + 60.0)))

    def _order(self, now: float) -> None:
        complaints = []
        for directory in self._directories:
            try:
                pem = self._orders.obtain(directory, self._names)
            except ACMEError as error:
                _log.warning("acme: no certificate from %s: %s", directory, error)
                complaints.append(f"{directory}: {error}")
                continue
            finally:
                self._folder.clear_challenges()
            self._folder.write_certificate(pem)
            self._succeeded(directory, now)
            return
        state = self._folder.state
        failures = state.failures + 1
        self._folder.write_state(
            replace(
                state,
                failures=failures,
                failed=state.failed + 1,
                retry_at=retry_time(failures, now, self._chance()),
                error="; ".join(complaints),
            )
        )

    def _succeeded(self, directory: str, now: float) -> None:
        state = self._folder.state
        self._folder.write_state(State(directory=directory, issued=state.issued + 1, failed=state.failed))
        self._ask(now)
        _log.info("acme: a new certificate for %s from %s", ", ".join(self._names), directory)
