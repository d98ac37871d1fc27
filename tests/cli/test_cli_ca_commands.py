"""gatekeeper.cli.ca and its commands: from words to certificates and back."""

import json
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from gatekeeper.ca.bundle import read_bundle
from gatekeeper.cli import main
from gatekeeper.invitations.folder import Invitations
from gatekeeper.invitations.state import Stage, over
from tests.certificates import make_authority, make_client
from tests.cli.conftest import Command
from tests.tools import needs

EC = ("--key", "ec:p256")


def openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=60)


def test_the_life_of_a_client(tmp_path: Path, ca: Command, ca_json: Callable[..., Any]) -> None:
    """Issue, list, renew, revoke, show: each step is seen in the next one's answer."""
    ca("init", "--cn", "Home CA", *EC)
    alice = ca_json("issue", "alice", "--days", "20", "--ou", "ops", *EC)
    bob = ca_json("issue", "bob", "--days", "200", "--compat", *EC)
    assert alice["subject"] == "CN=alice,OU=ops"
    assert alice["password"]
    assert [line["name"] for line in ca_json("list", "--expiring", "30d")] == ["alice"]
    renewed = ca_json("renew", "alice", "--days", "300")
    assert renewed["revoked"] == [alice["serial"]]
    assert ca_json("revoke", "bob", "--reason", "key-compromise")["revoked"] == [bob["serial"]]
    lines = {line["serial"]: line for line in ca_json("list")}
    assert {serial: (line["status"], line["reason"]) for serial, line in lines.items()} == {
        alice["serial"]: ("revoked", "superseded"),
        bob["serial"]: ("revoked", "key-compromise"),
        renewed["serial"]: ("valid", None),
    }
    crl = x509.load_pem_x509_crl((tmp_path / "ca/ca.crl").read_bytes())
    assert {one.serial_number for one in crl} == {int(alice["serial"], 16), int(bob["serial"], 16)}
    assert "The gate admits it." in ca("show", "alice")
    assert "refuses it: revoked" in ca("show", bob["serial"])
    assert ca_json("show", "ca/bob.crt")[0]["reason"] == "revoked"
    table = ca("list")
    assert len(table.splitlines()) == 4
    assert renewed["serial"] in table


def test_mistakes_are_one_line_each(tmp_path: Path, ca: Command, ca_json: Callable[..., Any]) -> None:
    """What cannot be done is exit 1 and one plain line that helps; what makes no sense is exit 2."""
    needs("openssl")
    ca("init", "--cn", "Home CA", *EC)
    openssl("req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", "/O=Nobody", "-keyout", tmp_path / "u.key",
            "-out", tmp_path / "u.csr")  # fmt: skip
    assert '-subj "/CN=alice"' in ca("sign", "u.csr", code=1)
    assert "must not begin" in ca("issue", ".evil", code=1)
    assert "which a file name must not" in ca("issue", "../evil", code=1)
    assert "no such key type" in ca("issue", "alice", "--key", "rsa:512x", code=2)
    assert "neither a name" in ca("show", "nothing", code=1)
    assert "neither a name nor a serial" in ca("revoke", "nobody", code=1)
    (tmp_path / "empty").write_text("\n")
    assert "empty is empty" in ca("issue", "alice", "--password-file", "empty", *EC, code=1)
    assert "none does not exist" in ca("crl", "--passphrase-file", "none", code=1)
    assert ca_json("list") == []


def test_show_and_explain_agree(
    tmp_path: Path, ca: Command, ca_json: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """What `ca show` says of a certificate is what a gate that reads the authority's own files says of it."""
    for folder in (".", "elsewhere"):
        ca("init", "--dir", f"{folder}/ca", "--cn", "Home CA", *EC)
        ca("issue", "--dir", f"{folder}/ca", "alice", *EC)
    ca("server", "localhost", *EC)
    ca("issue", "bob", *EC)
    ca("revoke", "bob")
    Path("chain.pem").write_bytes(Path("ca/alice.crt").read_bytes() + Path("ca/ca.crt").read_bytes())
    Path("gatekeeper.toml").write_text(
        '[server]\ncertificate = "ca/localhost.crt"\nkey = "ca/localhost.key"\n'
        '[client_auth]\nca = "ca/ca.crt"\ncrl = ["ca/ca.crl"]\n[upstream]\nurl = "http://127.0.0.1:1"\n'
    )
    found = {}
    for file in ("ca/alice.crt", "chain.pem", "ca/bob.crt", "ca/localhost.crt", "elsewhere/ca/alice.crt"):
        shown = ca_json("show", file)[0]
        main(["explain", "--json", "--cert", file, "GET", "/"])
        explained = json.loads(capsys.readouterr().out)
        assert (shown["reason"], shown["let_in"]) == (explained["reason"], explained["verdict"] == "admitted")
        assert shown["let_in"] or shown["detail"] == explained["detail"]
        found[file] = shown["reason"]
    assert list(found.values()) == [None, None, "revoked", "wrong_purpose", "untrusted_issuer"]


def test_showing_needs_no_authority(tmp_path: Path, ca: Command, ca_json: Callable[..., Any]) -> None:
    """A file is explained anywhere; without an authority nothing is said about letting in, and that is said."""
    ca("csr", "bob", *EC)
    assert "It can be signed" in ca("show", "bob.csr")
    ca("init", "--dir", "elsewhere", "--cn", "Home CA", *EC)
    assert "name one with --dir" in ca("show", "elsewhere/ca.crt")
    assert ca_json("show", "elsewhere/ca.crt")[0]["let_in"] is None
    assert "there is no authority in here" in ca("show", "--dir", "here", "bob.csr", code=1)


def test_a_foreign_certificate_is_not_ours_to_revoke(tmp_path: Path, ca: Command, ca_json: Callable[..., Any]) -> None:
    """Revoking by file looks at the signature: the serial of another authority's certificate may be one of ours."""
    ca("init", "--dir", "one", "--cn", "CA", *EC)
    ca("init", "--dir", "two", "--cn", "CA", *EC)
    ca("issue", "--dir", "one", "alice", *EC)
    assert "was not signed by CA" in ca("revoke", "--dir", "two", "one/alice.crt", code=1)
    assert "no certificate with serial" in ca("revoke", "--dir", "two", "01:0A", code=1)
    assert ca_json("revoke", "--dir", "two", "01:0A", "--unlisted")["revoked"] == ["010A"]
    assert "neither a name nor a serial" in ca("revoke", "--dir", "two", "0", "--unlisted", code=1)
    assert "is not the key of" in ca("p12", "x", "--key", "one/alice.key", "--certificate", "one/ca.crt", code=1)


def test_a_list_goes_with_an_adoption_only(tmp_path: Path, ca: Command, ca_json: Callable[..., Any]) -> None:
    """What an authority revoked before is taken along from the list it names; a new one has revoked nothing."""
    ca("init", "--dir", "one", "--cn", "CA", *EC)
    ca("revoke", "--dir", "one", "05", "--unlisted")
    files = ("one/ca.crt", "one/ca.key", "--crl", "one/ca.crl")
    assert "belongs to --adopt" in ca("init", "--dir", "two", "--cn", "CA", "--crl", "one/ca.crl", *EC, code=2)
    ca("init", "--dir", "two", "--adopt", *files)
    assert [line["serial"] for line in ca_json("list", "--dir", "two")] == ["05"]


def test_revoking_twice_says_so(tmp_path: Path, ca: Command, ca_json: Callable[..., Any]) -> None:
    """A name without a certificate in force cannot be revoked; nobody is left believing that something was."""
    ca("init", "--cn", "CA", *EC)
    ca("issue", "alice", *EC)
    ca("revoke", "alice")
    assert "no certificate in force" in ca("revoke", "alice", code=1)


def test_a_list_that_runs_out_is_told(tmp_path: Path, ca: Command, ca_json: Callable[..., Any]) -> None:
    """Whoever lists the certificates hears that the revocation list or the authority itself is about to end."""
    ca("init", "--cn", "CA", "--days", "20", "--crl-days", "3", *EC)
    said = ca("list")
    assert "Nothing was issued yet." in said
    assert "The revocation list expires on" in said
    assert "The authority's own certificate expires on" in said
    ca("crl", "--days", "30")
    ca("renew", "ca")
    assert ca("list") == "Nothing was issued yet.\n"
    assert "The authority itself expires then" in ca("issue", "alice", "--days", "4000", *EC)


def test_a_list_is_signed_anew_only_when_it_is_due(tmp_path: Path, ca: Command, ca_json: Callable[..., Any]) -> None:
    """--if-due is for timers: nothing happens, and no passphrase is needed, while a third of its life is left."""
    ca("init", "--cn", "CA", "--crl-days", "3", *EC)
    assert ca_json("crl", "--if-due", "--passphrase-file", "missing") == {"crl": "ca/ca.crl", "signed": False}
    (tmp_path / "ca/ca.crl").unlink()
    assert ca_json("crl", "--if-due")["signed"]
    assert "no authority" in ca("crl", "--if-due", "--dir", "nowhere", code=1)


def test_init_says_what_has_to_be_done_when(ca: Command) -> None:
    """Nobody should learn of an end by being locked out."""
    assert "no timer is needed" in ca("init", "--cn", "CA", *EC)
    said = ca("init", "--dir", "short", "--cn", "CA", "--crl-days", "30", *EC)
    assert "after that, a gate rejects everyone" in said
    assert "gatekeeper ca --dir short crl --if-due" in said


@pytest.mark.parametrize("words", [("--cn", "CA"), ("--adopt", "ca/ca.crt", "ca/ca.key")])
def test_init_asks_no_passphrase_in_vain(ca: Command, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]) -> None:
    """That there is an authority already is said first; so is a name that cannot be one."""
    ca("init", "--cn", "CA", *EC)
    monkeypatch.delenv("GATEKEEPER_CA_PASSPHRASE")
    assert "there is an authority in ca already" in ca("init", *words, code=1)
    assert "a blank name is refused" in ca("init", "--dir", "new", "--cn", " ", code=1)


def test_a_rollover_from_the_first_command_to_the_last(ca: Command, ca_json: Callable[..., Any]) -> None:
    """Who is on the old authority is told; it can be retired when nobody is, or by force."""
    ca("init", "--cn", "CA", *EC)
    ca("issue", "alice", *EC)
    ca("issue", "bob", *EC)
    ca("server", "gate", "--dns", "gate.example.com", *EC)
    assert ca_json("rollover", *EC)["on_old"] == ["alice", "bob", "gate"]
    assert "a rollover is under way" in ca("rollover", *EC, code=1)
    assert "The gate admits it." in ca("show", "alice")
    ca("renew", "alice")
    assert "The gate admits it." in ca("show", "alice")
    listed = ca("list")
    assert "bob (old authority)" in listed
    assert "2 still on the old authority" in listed
    refused = "1 would be locked out: bob; the new ca.crt would not verify 1 of the servers: gate"
    assert refused in ca("retire", code=1)
    assert ca_json("retire", "--force") == {
        "retired": True,
        "locked_out": ["bob"],
        "servers": ["gate"],
        "cancelled": [],
    }
    assert {(one["name"], one["status"]) for one in ca_json("list")} == {
        ("alice", "revoked"), ("alice", "valid"), ("bob", "retired"), ("gate", "retired"),
    }  # fmt: skip
    ca("issue", "bob", *EC)


def test_who_is_on_the_old_authority_is_invited_and_nobody_else(
    tmp_path: Path, ca: Command, ca_json: Callable[..., Any]
) -> None:
    """Whatever the life of their certificates. Who has moved is not invited; keys and servers elsewhere are told."""
    ca("init", "--cn", "CA", *EC)
    there = ("--invite", "--invitations", "inv", "--url", "https://gate.example.com")
    (tmp_path / "inv").mkdir(0o700)
    assert "no rollover is under way" in ca("renew", "--old-authority", *there, code=1)
    ca("issue", "a", *EC)
    ca("issue", "b", *EC)
    ca("renew", "b", "--keep-old")
    ca("issue", "long", "--days", "800", *EC)
    ca("csr", "machine", "--no-passphrase", *EC)
    ca("sign", "machine.csr")
    ca("server", "gate", "--dns", "gate.example.com", *EC)
    assert "ca renew --old-authority --invite" in ca("rollover", *EC)
    ca("renew", "a")
    ca("issue", "fresh", *EC)
    assert "goes with --invite" in ca("renew", "--old-authority", code=2)
    assert "goes with --invite" in ca("renew", "a", "--old-authority", *there, code=2)
    printed = ca("renew", "--old-authority", *there)
    assert sorted(one.invitation.name for one in Invitations(tmp_path / "inv").all()) == ["b", "long"]
    assert "enroll --renew --force: machine\n" in printed
    assert "ca renew NAME: gate\n" in printed
    ca("renew", "--old-authority", *there)
    assert len(list(Invitations(tmp_path / "inv").all())) == 2
    ca("renew", "machine")
    ca("renew", "gate")
    assert "have not fetched their certificate yet: b, long\n" in ca("renew", "--old-authority", *there)
    for one in Invitations(tmp_path / "inv").all():
        Invitations(tmp_path / "inv").move(one, over(Stage.USED, time.time()))
    assert "Nobody is left on the old authority" in ca("renew", "--old-authority", *there)
    assert ca_json("retire", *there[1:3]) == {"retired": True, "locked_out": [], "servers": [], "cancelled": []}


def test_what_is_name_and_serial_at_once_is_not_guessed(ca: Command, ca_json: Callable[..., Any]) -> None:
    """A client may be named like another's serial; revoking the wrong one leaves the stolen one valid."""
    ca("init", "--cn", "CA", *EC)
    serial = ca_json("issue", "alice", *EC)["serial"]
    ca("issue", serial, *EC)
    assert "both a name and the serial" in ca("revoke", serial, code=1)
    assert ca_json("revoke", f"ca/issued/{serial}.crt")["revoked"] == [serial]


def test_a_passphrase_file_that_others_can_read_is_told(
    tmp_path: Path, ca: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    """It opens the authority's key."""
    ca("init", "--cn", "CA", *EC)
    (tmp_path / "secret").write_text("open sesame\n")
    (tmp_path / "secret").chmod(0o640)
    assert main(["ca", "crl", "--passphrase-file", "secret"]) == 0
    assert "chmod 600 secret" in capsys.readouterr().err
    (tmp_path / "secret").chmod(0o600)
    ca("crl", "--passphrase-file", "secret")


def test_a_server_needs_real_names(ca: Command) -> None:
    """Two names in one word would make a certificate that fits neither."""
    ca("init", "--cn", "CA", *EC)
    assert "neither a host name" in ca("server", "web", "--dns", "a b", *EC, code=1)
    assert "--ip takes an address" in ca("server", "web", "--ip", "nas.lan", *EC, code=2)


def test_a_bundle_of_files_keeps_every_intermediate(tmp_path: Path, ca: Command, ca_json: Callable[..., Any]) -> None:
    """``fullchain.pem`` and ``chain.pem`` as other authorities hand them out; none twice, and not the root twice."""
    root = make_authority("Root CA")
    upper = make_authority("Upper CA", root)
    lower = make_authority("Lower CA", upper)
    alice = make_client("alice", lower, chain=(lower.certificate, upper.certificate))
    alice.write(tmp_path, "alice")
    (tmp_path / "chain.pem").write_bytes(upper.certificate_pem + root.certificate_pem)
    files = ("--key", "alice.key", "--certificate", "alice.crt", "--ca", "chain.pem")
    password = ca_json("p12", "alice", *files)["password"]
    opened = read_bundle((tmp_path / "alice.p12").read_bytes(), password, "alice.p12")
    assert opened.certificate == alice.certificate
    assert set(opened.others) == {lower.certificate, upper.certificate, root.certificate}
    assert len(opened.others) == 3


def test_renewing_the_authority_says_whose_certificates_name_its_serial(
    tmp_path: Path, ca: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is written, and only where it is so: the new one names nobody's serial number."""
    needs("openssl")
    openssl("req", "-new", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", tmp_path / "e.key", "-subj", "/CN=Easy",
            "-addext", "authorityKeyIdentifier=keyid,issuer:always", "-out", tmp_path / "e.crt")  # fmt: skip
    ca("init", "--dir", "easy", "--adopt", "e.crt", "e.key")
    for said in (True, False):
        assert main(["ca", "renew", "--dir", "easy", "ca"]) == 0
        assert ("certificates of ca name the authority by its serial number" in capsys.readouterr().err) == said


@pytest.mark.parametrize("option", ["--ou", "--email", "--dns", "--uri"])
def test_a_name_that_is_no_utf8_is_refused(ca: Command, tmp_path: Path, option: str) -> None:
    """A byte of another encoding, as os.fsdecode passes it on (PEP 383): one line, and nothing is written."""
    ca("init", "--cn", "Home CA", *EC)
    for words in (("issue", "alice"), ("csr", "alice", "--no-passphrase")):
        assert ca(*words, *EC, option, "\udcff", code=1)
    assert not list(tmp_path.rglob("alice*"))


def test_nothing_that_expires_is_said_with_the_date(ca: Command) -> None:
    """Also for hours, and for the longest time that can be written."""
    ca("init", "--cn", "Home CA", *EC)
    ca("issue", "alice", *EC, "--days", "2")
    assert re.match(r"No certificate expires before 2\d{3}-\d\d-\d\d\.\n", ca("list", "--expiring", "12h"))
    assert "alice" in ca("list", "--expiring", "36525d")
    assert "Renew each before it expires: gatekeeper ca renew NAME" in ca("list", "--expiring", "3d")
