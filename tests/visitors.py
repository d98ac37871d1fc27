"""Everybody who comes to a gate: certificates of every kind, as files, and the answer that each must get."""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gatekeeper.ca.authority import make_authority
from gatekeeper.ca.certificates import Credential, issue_client, issue_server, self_signed
from gatekeeper.ca.subject import make_subject

EC = "ec:p256"  # quick to make
DAY = timedelta(days=1)

# Every kind of visitor but the good one, and the reason to be told.
REFUSED = {
    "nobody": "no_certificate",
    "expired": "expired",
    "early": "not_yet_valid",
    "foreign": "untrusted_issuer",
    "alone": "untrusted_issuer",
    "server": "wrong_purpose",
    "blank": "blank_name",
    "nameless": "blank_name",
}


@dataclass(frozen=True)
class Visitors:
    """A folder with ca.crt, and NAME.crt and NAME.key for every kind of visitor."""

    folder: Path
    password: str = "a password"

    @classmethod
    def make(cls, folder: Path) -> "Visitors":
        now = datetime.now(UTC)
        home = make_authority("Home CA", key_type=EC, now=now)
        elsewhere = make_authority("Home CA", key_type=EC, now=now)
        visitors = cls(folder)
        (folder / "ca.crt").write_bytes(home.certificate_pem)
        credentials = {
            "server": issue_server(home, "localhost", "127.0.0.1", key_type=EC, now=now),
            "alice": issue_client(home, make_subject("alice", emails=["alice@example.com"]), key_type=EC, now=now),
            "expired": issue_client(home, "old", key_type=EC, now=now - 9 * DAY, lifetime=DAY),
            "early": issue_client(home, "early", key_type=EC, now=now + DAY),
            "foreign": issue_client(elsewhere, "alice", key_type=EC, now=now),
            "alone": self_signed("alice", key_type=EC, now=now),
            "blank": issue_client(home, " ", key_type=EC, now=now),
            "nameless": issue_client(home, None, key_type=EC, now=now),
        }
        for name, credential in credentials.items():
            visitors.write(name, credential)
        (folder / "alice.p12").write_bytes(credentials["alice"].bundle(visitors.password))
        return visitors

    def write(self, name: str, credential: Credential) -> None:
        self.certificate(name).write_bytes(credential.chain_pem)
        self.key(name).write_bytes(credential.key_pem())

    def certificate(self, name: str) -> Path:
        return self.folder / f"{name}.crt"

    def key(self, name: str) -> Path:
        return self.folder / f"{name}.key"

    def furnish(self, folder: Path) -> Path:
        """Put into a new folder what a gate needs."""
        for name in ("ca.crt", "server.crt", "server.key"):
            (folder / name).write_bytes((self.folder / name).read_bytes())
        return folder

    def context(self, name: str, version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
        """A client that verifies the gate's certificate and shows that of ``name``; "nobody" has none."""
        context = ssl.create_default_context(cafile=str(self.folder / "ca.crt"))
        # From Python 3.13 on strict by default, about the server's certificate, which is not what is tested here.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        # Up to 3.11.2 a connection that is cut off looks as if it was closed (CPython issue 95494).
        context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
        if version is not None:
            context.minimum_version = context.maximum_version = version
        if name != "nobody":
            context.load_cert_chain(self.certificate(name), self.key(name))
        return context

    def curl(self, name: str, version: ssl.TLSVersion | None = None) -> list[str]:
        """The same as options of curl, which would ask for HTTP/2 by itself."""
        options = ["--http1.1", "--silent", "--show-error", "--max-time", "60", "--cacert", str(self.folder / "ca.crt")]
        if version is not None:
            number = {ssl.TLSVersion.TLSv1_2: "1.2", ssl.TLSVersion.TLSv1_3: "1.3"}[version]
            options += [f"--tlsv{number}", "--tls-max", number]
        if name != "nobody":
            options += ["--cert", str(self.certificate(name)), "--key", str(self.key(name))]
        return options
