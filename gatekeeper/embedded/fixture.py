"""The files of ``gatekeeper demo`` in one folder: authority, certificates of every kind, configuration."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from gatekeeper.ca.authority import Authority, make_authority
from gatekeeper.ca.bundle import make_password
from gatekeeper.ca.certificates import Credential, issue_client, issue_server, self_signed
from gatekeeper.ca.revocation import Revocation, make_crl
from gatekeeper.gate.verdict import Reason
from gatekeeper.settings.addresses import ListenAddress

_KEY = "ec:p256"  # fast to generate; strength does not matter in a demo
_DAY = timedelta(days=1)

_CONFIGURATION = """\
[server]
listen = "{listen}"
certificate = "server.crt"
key = "server.key"

[client_auth]
ca = "ca.crt"
crl = "ca.crl"

[upstream]
url = "{upstream}"

[refusal]
contact = "whoever started this demo"

[admin]
listen = "127.0.0.1:0"

[log]
access = "access.log"
"""


@dataclass(frozen=True, slots=True)
class DemoClient:
    """A kind of client: its title, its certificate, and the reason why it is refused, None if it is admitted."""

    title: str
    credential: Credential | None
    refused: Reason | None


@dataclass(frozen=True, slots=True)
class DemoFixture:
    """The folder of a demo, created by `make_fixture`."""

    folder: Path
    clients: tuple[DemoClient, ...]
    password: str

    @property
    def configuration(self) -> Path:
        """The gate's configuration file."""
        return self.folder / "gatekeeper.toml"

    @property
    def authority(self) -> Path:
        """The authority's certificate, which also signed the server's."""
        return self.folder / "ca.crt"

    def files(self, name: str) -> tuple[Path, Path]:
        """The files of certificate and key of a client."""
        return self.folder / f"{name}.crt", self.folder / f"{name}.key"


def make_fixture(folder: Path, listen: ListenAddress, upstream: str, now: datetime) -> DemoFixture:
    """Create all files in ``folder``, which must be empty and private: it will hold unencrypted keys."""
    home = make_authority("Demo CA", key_type=_KEY, now=now)
    server = issue_server(home, "localhost", "127.0.0.1", "::1", key_type=_KEY, now=now)
    alice = issue_client(home, "alice", key_type=_KEY, now=now, lifetime=30 * _DAY)
    lost = issue_client(home, "lost", key_type=_KEY, now=now, lifetime=30 * _DAY)
    crl = make_crl(home, [Revocation(lost.certificate.serial_number, now)], now=now)
    clients = (*_clients(home, alice, server, now), DemoClient("revoked", lost, Reason.REVOKED))
    fixture = DemoFixture(folder, clients, make_password())
    fixture.authority.write_bytes(home.certificate_pem)
    (folder / "ca.crl").write_bytes(crl.public_bytes(Encoding.PEM))
    for name, credential in (("server", server), ("alice", alice)):
        certificate, key = fixture.files(name)
        certificate.write_bytes(credential.chain_pem)
        key.write_bytes(credential.key_pem())
    (folder / "alice.p12").write_bytes(alice.bundle(fixture.password))
    fixture.configuration.write_text(_CONFIGURATION.format(listen=listen, upstream=upstream))
    return fixture


def _clients(home: Authority, alice: Credential, server: Credential, now: datetime) -> Iterator[DemoClient]:
    elsewhere = make_authority("Other CA", key_type=_KEY, now=now)
    yield DemoClient("no certificate", None, Reason.NO_CERTIFICATE)
    yield DemoClient("valid", alice, None)
    expired = issue_client(home, "old", key_type=_KEY, now=now - 30 * _DAY, lifetime=29 * _DAY)
    yield DemoClient("expired", expired, Reason.EXPIRED)
    early = issue_client(home, "early", key_type=_KEY, now=now + _DAY, lifetime=_DAY)
    yield DemoClient("not yet valid", early, Reason.NOT_YET_VALID)
    yield DemoClient("foreign CA", issue_client(elsewhere, "alice", key_type=_KEY, now=now), Reason.UNTRUSTED_ISSUER)
    yield DemoClient("self-signed", self_signed("alice", key_type=_KEY, now=now), Reason.UNTRUSTED_ISSUER)
    yield DemoClient("wrong purpose", server, Reason.WRONG_PURPOSE)
    yield DemoClient("blank name", issue_client(home, " ", key_type=_KEY, now=now), Reason.BLANK_NAME)
    yield DemoClient("no name", issue_client(home, None, key_type=_KEY, now=now), Reason.BLANK_NAME)
