"""From an empty folder to certificates, by the real command."""

import json
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.e2e.authority import PASSPHRASE, ca, ca_json
from tests.tools import needs

EC = ("--key", "ec:p256")


def openssl(*arguments: object) -> str:
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_three_lines_make_an_authority_a_server_and_a_client(tmp_path: Path) -> None:
    """init, server, issue: openssl verifies what they made, and what they print says where it lies and what is next."""
    needs("openssl")
    said = ca(tmp_path, "init", "--cn", "Home CA", *EC)
    assert "ca/ca.crt" in said
    assert 'ca = "ca/ca.crt"\n  crl = "ca/ca.crl"\n' in said
    said = ca(tmp_path, "server", "localhost", "--dns", "localhost", "--ip", "127.0.0.1", *EC)
    assert 'key = "ca/localhost.key"' in said
    said = ca(tmp_path, "issue", "alice", "--email", "alice@example.com", *EC)
    assert "ca/alice.p12" in said
    for where in ("Windows", "macOS", "Linux", "Firefox", "iOS", "Android"):
        assert where in said
    password = said.split("Password of alice.p12: ")[1].split()[0]
    assert """  echo 'pass="PASSWORD"' |\n  curl -K - --cert-type P12 --cert ca/alice.p12 https:""" in said
    check = ("verify", "-CAfile", tmp_path / "ca/ca.crt", "-crl_check", "-CRLfile", tmp_path / "ca/ca.crl")
    assert "OK" in openssl(*check, "-purpose", "sslclient", tmp_path / "ca/alice.crt")
    assert "OK" in openssl(*check, "-purpose", "sslserver", tmp_path / "ca/localhost.crt")
    assert "PRIVATE KEY" in openssl("pkcs12", "-in", tmp_path / "ca/alice.p12", "-passin", f"pass:{password}", "-nodes")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "ca").iterdir()}
    assert stat.S_IMODE((tmp_path / "ca").stat().st_mode) == 0o700
    for secret in ("ca.key", "alice.key", "alice.p12", "localhost.key"):
        assert modes[secret] == 0o600
    everything = b"".join(path.read_bytes() for path in (tmp_path / "ca").rglob("*") if path.is_file())
    assert password.encode() not in everything
    assert PASSPHRASE.encode() not in everything


def test_a_client_keeps_its_own_key(tmp_path: Path) -> None:
    """csr there, sign here, p12 there: the key never travels, and no folder of the authority is needed there."""
    needs("openssl")
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    ca(here, "init", "--cn", "Home CA", *EC)
    ca(there, "csr", "carol", *EC, passphrase="carol's own")
    assert stat.S_IMODE((there / "carol.key").stat().st_mode) == 0o600
    assert "cannot be recovered" in ca(there, "csr", "carol", *EC, code=1, passphrase="carol's own")
    ca(here, "sign", there / "carol.csr")
    assert not (here / "ca/carol.key").exists()
    (there / "carol.crt").write_bytes((here / "ca/carol.crt").read_bytes())
    (there / "password").write_text("chosen by carol\n")
    ca(there, "p12", "carol", "--key", "carol.key", "--certificate", "carol.crt", "--ca", here / "ca/ca.crt",
       "--password-file", "password", passphrase="carol's own")  # fmt: skip
    said = ca(here, "show", there / "carol.p12", "--password-file", there / "password")
    assert "The gate admits it." in said


def test_the_recipe_goes_on_with_gatekeeper(tmp_path: Path) -> None:
    """An authority and a client made by openssl alone: adopted, shown, renewed by the same CSR, revoked by its file."""
    needs("openssl")
    password = ("-passin", f"pass:{PASSPHRASE}")
    openssl("genrsa", "-aes256", "-passout", f"pass:{PASSPHRASE}", "-out", tmp_path / "ca.key", "2048")
    openssl("req", "-new", "-x509", "-days", "365", "-key", tmp_path / "ca.key", *password, "-subj", "/CN=Home CA",
            "-out", tmp_path / "ca.crt")  # fmt: skip
    openssl("genrsa", "-aes256", "-passout", f"pass:{PASSPHRASE}", "-out", tmp_path / "user.key", "2048")
    openssl("req", "-new", "-key", tmp_path / "user.key", *password, "-subj", "/CN=user", "-out", tmp_path / "user.csr")
    openssl("x509", "-req", "-days", "365", "-in", tmp_path / "user.csr", "-CA", tmp_path / "ca.crt", "-CAkey",
            tmp_path / "ca.key", *password, "-set_serial", "01", "-out", tmp_path / "user.crt")  # fmt: skip
    ca(tmp_path, "init", "--adopt", "ca.crt", "ca.key")
    assert "The gate admits it." in ca(tmp_path, "show", "user.crt")
    ca(tmp_path, "sign", "user.csr")
    assert "no certificate with serial 01" in ca(tmp_path, "revoke", "01", code=1)
    assert ca_json(tmp_path, "revoke", "user.crt")["revoked"] == ["01"]
    assert "refuses it: revoked" in ca(tmp_path, "show", "user.crt")
    assert "The gate admits it." in ca(tmp_path, "show", "user")
    check = ("verify", "-CAfile", tmp_path / "ca.crt", "-crl_check", "-CRLfile", tmp_path / "ca/ca.crl")
    assert "OK" in openssl(*check, tmp_path / "ca/user.crt")
    assert "(not from here)" in ca(tmp_path, "list")


def test_the_folder_comes_from_option_or_environment(tmp_path: Path) -> None:
    """--dir before or after the word, else $GATEKEEPER_CA, else ./ca; the passphrase also from a file."""
    (tmp_path / "secret").write_text(PASSPHRASE + "\n")
    (tmp_path / "secret").chmod(0o600)
    file = ("--passphrase-file", "secret")
    ca(tmp_path, "--dir", "one", *file, "init", "--cn", "One", *EC, passphrase=None)
    ca(tmp_path, "init", "--dir", "two", "--cn", "Two", *file, *EC, passphrase=None)
    assert "CN=One" in ca(tmp_path, "show", "ca", GATEKEEPER_CA="one")
    assert "CN=Two" in ca(tmp_path, "show", "ca", "--dir", "two", GATEKEEPER_CA="one")


def test_two_commands_at_once(tmp_path: Path) -> None:
    """Real commands side by side wait for one another: every certificate is in the index, every serial once."""
    ca(tmp_path, "init", "--cn", "Home CA", *EC)
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda n: ca_json(tmp_path, "issue", f"device {n}", *EC), range(6)))
    listed = ca_json(tmp_path, "list")
    assert {line["serial"] for line in listed} == {one["serial"] for one in made}
    assert len(listed) == 6
    assert json.loads((tmp_path / "ca/index.json").read_text())["crl"]["number"] == 7


def test_mistakes_are_one_line_each(tmp_path: Path) -> None:
    """No authority, a wrong passphrase: exit 1 and one plain line; no terminal to ask on: exit 2 and what to do."""
    assert "there is no authority in ca" in ca(tmp_path, "issue", "alice", code=1)
    ca(tmp_path, "init", "--cn", "Home CA", *EC)
    assert "wrong passphrase for ca/ca.key" in ca(tmp_path, "crl", code=1, passphrase="wrong")
    asked = ca(tmp_path, "crl", code=2, passphrase=None)
    assert "there is no terminal to ask on (passphrase of ca/ca.key); use --passphrase-file or $GATEKEEPER_CA" in asked
    ca(tmp_path, "issue", "alice", "--key", "ec:p256")
    asked = ca(tmp_path, "show", "ca/alice.p12", code=2, passphrase=None)
    assert asked.strip().endswith("there is no terminal to ask on (password of ca/alice.p12); use --password-file")
