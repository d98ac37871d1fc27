"""The folder of ``[acme]``: what workers and replicas share, and the lock under which one of them orders.

Accounts, challenges and the lock are there once. A certificate and the state of its orders are there for each lineage
(`gatekeeper.settings.certificate_order.CertificateOrder`).
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from gatekeeper.settings.file_lock import try_lock
from gatekeeper.settings.files import acme_certificate

_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,200}", re.ASCII)  # RFC 8555, 8.3: base64url
_LARGEST = 1 << 20


@dataclass(frozen=True, slots=True)
class State:
    """The state of the orders for one certificate. Times are seconds since the epoch, 0 for none.

    ``renew_at`` (when to renew) and ``ask_at`` (when to ask the directory for renewal information again) belong to the
    certificate with ``serial``. ``failures`` counts failed attempts since the last success, ``retry_at`` is the time of
    the next one, ``error`` says what went wrong. ``issued`` and ``failed`` count all orders.
    """

    serial: str = ""
    directory: str = ""
    renew_at: float = 0.0
    ask_at: float = 0.0
    failures: int = 0
    retry_at: float = 0.0
    error: str = ""
    issued: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Account:
    """An account at a directory: its private key (PEM), and the URL that names it there."""

    key: str
    url: str


@dataclass(frozen=True, slots=True)
class ACMEFolder:
    """Reads and writes the files of one ``lineage`` in the folder. Every method may raise OSError; damaged files count
    as missing.
    """

    path: Path
    lineage: str = ""

    @property
    def certificate(self) -> Path:
        """The file with private key, certificate and chain: one file, so that they are replaced together."""
        return acme_certificate(self.path, self.lineage)

    def read_certificate(self) -> bytes:
        """The content of that file; b"" if there is none."""
        return _read(self.certificate)

    def read_certificates(self) -> list[bytes]:
        """The contents of the certificate files of all lineages, also those that are no longer ordered."""
        return [_read(path) for path in sorted(self.path.glob("certificate*.pem"))]

    def write_certificate(self, pem: bytes) -> None:
        """Replace it at once."""
        _write(self.certificate, pem)

    @property
    def state(self) -> State:
        """The state of this lineage's orders."""
        known = {one.name: type(one.default) for one in fields(State)}
        found = _read_json(self._state)
        return State(**{name: found[name] for name, kind in known.items() if isinstance(found.get(name), kind)})

    def write_state(self, state: State) -> None:
        """Remember it."""
        _write(self._state, json.dumps(asdict(state), indent=2).encode())

    @property
    def _state(self) -> Path:
        return self.path / (f"state-{self.lineage}.json" if self.lineage else "state.json")

    @contextmanager
    def lock(self) -> Iterator[bool]:
        """Yields True if this process has the lock, under which one process at a time orders; False if another has it.
        The lock ends with its process (flock(2)).
        """
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with try_lock(self.path / "lock") as alone:
            yield alone

    # -- accounts

    def account(self, directory: str) -> Account | None:
        """The account at a directory, None if there is none yet."""
        found = _read_json(self._account(directory))
        key, url = found.get("key"), found.get("url")
        return Account(key, url) if isinstance(key, str) and isinstance(url, str) else None

    def write_account(self, directory: str, account: Account) -> None:
        """Store the account: directories limit how many one may register."""
        _write(self._account(directory), json.dumps({"directory": directory, **asdict(account)}, indent=2).encode())

    def _account(self, directory: str) -> Path:
        return self.path / "accounts" / f"{hashlib.sha256(directory.encode()).hexdigest()[:16]}.json"

    # -- challenges

    def put_token(self, token: str, content: str) -> None:
        """Let every worker answer an http-01 challenge (RFC 8555, 8.3). ValueError if the token is malformed."""
        if not _TOKEN.fullmatch(token):
            raise ValueError(f"{token[:50]!r} is not a token")
        _write(self.path / "http-01" / token, content.encode("ascii"))

    def token(self, token: str) -> bytes:
        """The response to an http-01 challenge, b"" if there is none."""
        return _read(self.path / "http-01" / token) if _TOKEN.fullmatch(token) else b""

    def put_challenge_certificate(self, name: str, pem: bytes) -> None:
        """Let every worker answer a tls-alpn-01 challenge for this server name (RFC 8737, 3)."""
        _write(self._challenge_certificate(name), pem)

    def challenge_certificate(self, name: str) -> Path | None:
        """The file with certificate and key for a tls-alpn-01 challenge, None if there is none for this name."""
        path = self._challenge_certificate(name)
        return path if path.exists() else None

    def _challenge_certificate(self, name: str) -> Path:
        # Any client can send any name: only its digest becomes part of a path.
        return self.path / "tls-alpn-01" / f"{hashlib.sha256(name.lower().encode()).hexdigest()}.pem"

    def clear_challenges(self) -> None:
        """Remove all challenges. Only the process that has the lock may call this."""
        for name in ("http-01", "tls-alpn-01"):
            for path in sorted((self.path / name).glob("*")):
                with suppress(OSError):
                    path.unlink()


def _read(path: Path) -> bytes:
    # O_NOFOLLOW: root reads the folder at the start, and workers that are no longer root write it. O_NONBLOCK: a FIFO
    # there would block (open(2)).
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            return file.read(_LARGEST)
    except OSError:
        return b""


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(_read(path))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _write(path: Path, content: bytes) -> None:
    """Replace the file atomically. Only this user may read it, because it can hold keys."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
