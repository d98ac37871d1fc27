"""gatekeeper.ca.bundle"""

import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from gatekeeper.ca.authority import Authority
from gatekeeper.ca.bundle import make_password, read_bundle
from gatekeeper.ca.certificates import Credential, issue_client
from gatekeeper.errors import AuthorityError
from tests.tools import needs

PASSWORD = "k7m2p-correct"


@pytest.fixture(scope="module", params=["rsa:2048", "ec:p256"])
def alice(request: pytest.FixtureRequest, home: Authority, now: datetime) -> Credential:
    return issue_client(home, "alice", key_type=request.param, now=now)


@pytest.fixture(params=[False, True], ids=["modern", "compat"])
def bundle(request: pytest.FixtureRequest, alice: Credential, tmp_path: Path) -> Path:
    path = tmp_path / "alice.p12"
    path.write_bytes(alice.bundle(PASSWORD, compat=request.param))
    return path


def test_it_holds_key_certificate_and_authority(bundle: Path, alice: Credential) -> None:
    """What goes in comes out."""
    opened = read_bundle(bundle.read_bytes(), PASSWORD, "alice.p12")
    assert opened.certificate == alice.certificate
    assert opened.others == (alice.authority,)
    assert opened.key is not None
    assert opened.key.private_numbers() == alice.key.private_numbers()


def test_a_wrong_password_is_a_sentence(bundle: Path) -> None:
    """A wrong password says so and names the file."""
    with pytest.raises(AuthorityError, match=r"^wrong password for alice\.p12, or"):
        read_bundle(bundle.read_bytes(), "wrong", "alice.p12")


@pytest.mark.parametrize("password", ["", " ", "\t"])
def test_an_empty_password_is_refused(alice: Credential, password: str) -> None:
    """A bundle without a password is a private key in clear text."""
    with pytest.raises(AuthorityError, match="empty password"):
        alice.bundle(password)


def test_a_made_password_is_strong_and_can_be_typed() -> None:
    """Four groups of five from 32 letters and digits are 100 bits; none looks like another."""
    passwords = {make_password() for _ in range(200)}
    assert len(passwords) == 200
    for password in passwords:
        assert [len(group) for group in password.split("-")] == [5, 5, 5, 5]
        assert not set(password) & set("lo01ABCDEFGHIJKLMNOPQRSTUVWXYZ")


def test_modern_is_aes_and_sha256(alice: Credential, openssl: Any) -> None:
    """The modern form has PBES2 with AES-256 and a SHA-256 MAC, and openssl opens it as it is."""
    said = openssl("pkcs12", "-info", "-noout", "-passin", f"pass:{PASSWORD}", stdin=alice.bundle(PASSWORD))
    assert "MAC: sha256" in said
    assert said.count("PBES2, PBKDF2, AES-256-CBC") == 2


def test_compat_is_3des_and_sha1(alice: Credential, openssl: Any) -> None:
    """The compatible form has 3DES and a SHA-1 MAC throughout, and openssl opens it with -legacy."""
    content = alice.bundle(PASSWORD, compat=True)
    said = openssl("pkcs12", "-legacy", "-info", "-noout", "-passin", f"pass:{PASSWORD}", stdin=content)
    assert "MAC: sha1" in said
    assert said.count("pbeWithSHA1And3-KeyTripleDES-CBC") == 2


def test_openssl_gets_the_key_out(bundle: Path, alice: Credential, openssl: Any) -> None:
    """`openssl pkcs12 -nodes` writes the very key and certificate."""
    said = openssl("pkcs12", "-legacy", "-in", bundle, "-passin", f"pass:{PASSWORD}", "-nodes")
    assert alice.certificate_pem.decode() in said
    assert "friendlyName: alice" in said
    assert "PRIVATE KEY" in said


def test_nss_imports_it(bundle: Path, tmp_path: Path) -> None:
    """Firefox's library takes both forms: pk12util imports, certutil lists key and certificate."""
    needs("pk12util", "certutil")
    database = f"sql:{tmp_path}"
    run("certutil", "-N", "-d", database, "--empty-password")
    run("pk12util", "-i", bundle, "-d", database, "-W", PASSWORD)
    assert "alice" in run("certutil", "-K", "-d", database)
    assert "alice" in run("certutil", "-L", "-d", database)


def test_java_reads_it(bundle: Path) -> None:
    """Java's keytool reads both forms and finds a private key in them."""
    needs("keytool")
    said = run("keytool", "-list", "-keystore", bundle, "-storetype", "PKCS12", "-storepass", PASSWORD)
    assert "alice" in said
    assert "PrivateKeyEntry" in said


def run(*command: object) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, timeout=60, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
