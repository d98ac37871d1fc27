"""What a contender is, and what it is told."""

import abc
import resource
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks.certificates import Certificates
from benchmarks.processes import Command
from benchmarks.upstream import Upstream


@dataclass(frozen=True, slots=True)
class Setup:
    """How a contender is configured for a measurement."""

    workers: int = 1
    tickets: bool | None = None
    """TLS session tickets: on, off, or whatever the product does by itself."""
    all_identity: bool = False
    """All thirteen headers that gatekeeper always sets, the whole certificate among them, instead of the usual seven.

    The usual: X-Forwarded-For, X-Forwarded-Proto, X-Real-IP, and of the certificate verdict, subject, issuer, serial.
    nginx and HAProxy make each value anew for each request, which doubles what they cost, so by default they need not.
    """
    routes: int = 0
    """Further routes before the two that are used."""
    http2: bool = False
    """Clients may speak HTTP/2, and what is below ``/test.Echo/`` is a gRPC app."""
    crl: int | None = None
    """Entries of the revocation list; None: there is none."""


@dataclass(frozen=True, slots=True)
class Place:
    """Everything a contender needs to know to be started."""

    folder: Path
    port: int
    certificates: Certificates
    upstream: Upstream
    setup: Setup
    crl: Path | None = None
    """The revocation list that the setup asks for."""


class Contender(abc.ABC):
    """One product."""

    name: str
    identity_header: str = "x-ssl-client-serial"
    """Lower case; the upstream must get it, naming the client."""
    everywhere: bool = True
    """Whether it takes part in every scenario, not only in those for everyone: a run of all takes twelve minutes."""
    refuses: bool = True
    """Whether it can answer 403 to a client without a certificate."""

    @abc.abstractmethod
    def version(self) -> str | None:
        """The version, or None where the product is not installed."""

    @abc.abstractmethod
    def configure(self, place: Place) -> Command:
        """Write configuration into `place.folder` and say how to start it. The access log must be `access.log`."""

    def falls_short(self, setup: Setup) -> str | None:
        """Why the product cannot be set up like this, or None."""
        return None


def open_files() -> int:
    """How many files each process may open."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def most_connections() -> int:
    """How many clients a contender is told to take: more than any scenario brings, and less than the open files."""
    return open_files() * 3 // 5


def first_line(*argv: str) -> str | None:
    """What a program says of itself in its first line; None where it is not there or fails."""
    if shutil.which(argv[0]) is None:
        return None
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return (done.stdout or done.stderr).strip().splitlines()[0].strip() if done.returncode == 0 else None
