"""`enroll --renew` and real EST clients against a running gate; `ca watch` signs, and the key stays where it is."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509

from tests.app import App
from tests.e2e.authority import PASSPHRASE, ca
from tests.e2e.clients import app
from tests.gate_process import PATIENCE, Gate
from tests.tools import needs

EC = ("--key", "ec:p256")
WATCH = ("--invitations", "invitations", "--at-most-every", "1s", "--interval", "1s")
ROOT = Path(__file__).parents[2]


@dataclass
class Place:
    """An authority, a gate, and a machine with a certificate and a key of its own."""

    folder: Path
    gate: Gate

    def run(self, *words: object, code: int = 0) -> str:
        done = subprocess.run(
            [str(word) for word in words],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            env=environment(),
        )
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr

    def renew(self, *words: object, code: int = 0) -> str:
        command = (sys.executable, "-m", "gatekeeper", "enroll", "--renew", self.gate.address)
        return self.run(*command, "--out", "machine", "--cacert", "ca/ca.crt", *words, code=code)

    def request(self, key: str) -> None:
        """A PKCS #10 request for the machine's names, ``csr.der``."""
        names = ("-subj", "/OU=machines/CN=backup")
        self.run("openssl", "req", "-new", "-key", key, *names, "-outform", "DER", "-out", "csr.der")

    def status(self) -> str:
        """What the app's visitor gets with what lies on the machine."""
        return self.run(
            *("curl", "-sS", "-o", os.devnull, "-w", "%{http_code}", "--cacert", "ca/ca.crt"),
            *("--cert", "machine/backup.crt", "--key", "machine/backup.key", f"{self.gate.address}/"),
        )

    @property
    def certificate(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate((self.folder / "machine" / "backup.crt").read_bytes())

    @contextmanager
    def watching(self, *words: str) -> Iterator["subprocess.Popen[str]"]:
        """`gatekeeper ca watch` on the administrator's machine."""
        process = subprocess.Popen(
            [sys.executable, "-m", "gatekeeper", "ca", "--dir", "ca", "--json", "watch", *WATCH, *words],
            cwd=self.folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate()


def environment() -> dict[str, str]:
    return dict(os.environ, PYTHONPATH=str(ROOT), GATEKEEPER_CA_PASSPHRASE=PASSPHRASE)


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What every test begins with, made once."""
    tmp_path = tmp_path_factory.mktemp("authority")
    ca(tmp_path, "init", "--cn", "Home CA", *EC)
    ca(tmp_path, "server", "localhost", *EC)
    (tmp_path / "invitations").mkdir(0o700)
    (tmp_path / "machine").mkdir()
    for name in ("localhost.crt", "localhost.key"):
        (tmp_path / name.replace("localhost", "server")).write_bytes((tmp_path / "ca" / name).read_bytes())
    (tmp_path / "ca.crt").write_bytes((tmp_path / "ca" / "ca.crt").read_bytes())
    ca(tmp_path, "csr", "backup", "--no-passphrase", "--out", "machine", *EC)
    ca(tmp_path, "sign", "machine/backup.csr", "--ou", "machines", "--days", "2")
    (tmp_path / "machine" / "backup.crt").write_bytes((tmp_path / "ca" / "backup.crt").read_bytes())
    return tmp_path


@pytest.fixture
def place(furnished: Path, tmp_path: Path) -> Iterator[Place]:
    shutil.copytree(furnished, tmp_path, dirs_exist_ok=True)
    tables = '[invitations]\nfolder = "invitations"\n'
    with App(app) as behind, Gate(tmp_path, behind.url, tables=tables) as gate:
        yield Place(tmp_path, gate)


def test_a_machine_renews_itself(place: Place) -> None:
    """Not before it is time; then with a new key, signed by the watching authority; and the machine is in the app."""
    assert place.status() == "200"
    assert "it is renewed from" in place.renew()
    before = place.certificate
    with place.watching() as watch:
        assert json.loads(place.renew("--force", "--json"))["state"] == "renewed"
        assert watch.stdout is not None
        assert json.loads(watch.stdout.readline())["state"] == "signed"
    after = place.certificate
    assert after.public_key() != before.public_key()
    assert (after.subject, after.serial_number != before.serial_number) == (before.subject, True)
    assert place.status() == "200"
    assert not list((place.folder / "machine").glob("*.new"))
    assert not list((place.folder / "ca").glob("backup.key"))


def test_what_the_policy_leaves_a_person_approves(place: Place) -> None:
    """Too soon for `ca watch`; `ca approve` shows the key, and signs the same names."""
    assert "nobody has signed" in place.renew("--force", "--timeout", "1s", code=1)
    told = place.run(
        *(sys.executable, "-m", "gatekeeper", "ca", "watch", "--once", "--invitations", "invitations"),
    )
    assert "too short a time ago" in told
    told = ca(place.folder, "approve", "backup", "--yes", "--invitations", "invitations")
    assert "Renewal:" in told
    place.renew("--force")
    assert place.status() == "200"


def test_who_is_revoked_renews_nothing(place: Place) -> None:
    """The gate refuses; and with a request that waited already, the authority does."""
    assert "nobody has signed" in place.renew("--force", "--timeout", "1s", code=1)
    ca(place.folder, "revoke", "backup")
    told = place.run(sys.executable, "-m", "gatekeeper", "ca", "watch", "--once", *WATCH)
    assert "is revoked" in told
    assert "not valid any more" in ca(
        place.folder, "approve", "backup", "--yes", "--invitations", "invitations", code=1
    )


def test_strongswan_renews_by_est(place: Place) -> None:
    """A client that others wrote (RFC 7030): `pki --estca`, and `pki --est` with the old key and with a new one."""
    needs("pki", "openssl")
    place.run("pki", "--estca", "--url", place.gate.address, "--cacert", "ca/ca.crt", "--caout", "est-ca")
    (found,) = place.folder.glob("est-ca*")
    authority = x509.load_pem_x509_certificate((place.folder / "ca.crt").read_bytes())
    assert x509.load_der_x509_certificate(found.read_bytes()) == authority
    place.run("openssl", "x509", "-in", "machine/backup.crt", "-outform", "DER", "-out", "old.der")
    place.run("openssl", "ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", "new.pem")
    for key, trusting in (("machine/backup.key", ()), ("new.pem", ("--trust-gate",))):
        place.request(key)
        with place.watching(*trusting):
            told = subprocess.run(
                [
                    *("pki", "--est", "--url", place.gate.address, "--in", "csr.der", "--cacert", "ca/ca.crt"),
                    *("--cert", "old.der", "--key", "machine/backup.key", "--interval", "1", "--maxpolltime", "50"),
                ],
                cwd=place.folder, capture_output=True, timeout=PATIENCE,
            )  # fmt: skip
        assert told.returncode == 0, told.stderr
        (place.folder / "old.der").write_bytes(told.stdout)
        certificate = x509.load_der_x509_certificate(told.stdout)
        assert certificate.subject == place.certificate.subject


def test_curl_and_openssl_renew_by_est(place: Place) -> None:
    """As the RFC prescribes, with what every machine has; an unchanged key is proof enough."""
    needs("curl", "openssl")
    place.request("machine/backup.key")
    place.run("openssl", "base64", "-in", "csr.der", "-out", "csr.b64")
    curl = (
        *("curl", "-sS", "-D", "head", "-o", "answer", "-w", "%{http_code}", "--cacert", "ca/ca.crt"),
        *("--cert", "machine/backup.crt", "--key", "machine/backup.key"),
        *("-H", "Content-Type: application/pkcs10", "-H", "Content-Transfer-Encoding: base64"),
        *("--data-binary", "@csr.b64", f"{place.gate.address}/.well-known/est/simplereenroll"),
    )
    assert place.run(*curl) == "202"
    assert "retry-after: 5" in (place.folder / "head").read_text().lower()
    place.run(sys.executable, "-m", "gatekeeper", "ca", "watch", "--once", *WATCH)
    assert place.run(*curl) == "200"
    place.run("openssl", "base64", "-d", "-A", "-in", "answer", "-out", "answer.p7")
    told = place.run("openssl", "pkcs7", "-inform", "DER", "-in", "answer.p7", "-print_certs", "-out", "new.crt")
    assert told == ""
    (place.folder / "machine" / "backup.crt").write_bytes((place.folder / "new.crt").read_bytes())
    assert place.status() == "200"
