"""gatekeeper.cli.ca.invite, link and invitations: from a name to a link, and back again."""

import hashlib
import re
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from gatekeeper.ca.bundle import read_bundle
from gatekeeper.ca.issuer import Issuer
from gatekeeper.ca.keys import make_key
from gatekeeper.ca.requests import make_request
from gatekeeper.ca.store import Store
from gatekeeper.ca.subject import Subject
from gatekeeper.ca.transaction import BundleOptions
from gatekeeper.cli.ca.link import Offer, chain_of, create_invitation
from gatekeeper.errors import InvitationError
from gatekeeper.invitations.folder import CHAIN, Invitations, StoredInvitation
from gatekeeper.invitations.invitation import ANCHOR, FILES, Profile
from gatekeeper.invitations.request import mark_of_key, spki_sha256, write_request
from gatekeeper.invitations.state import Stage, State, over
from gatekeeper.x509.request import parse_request
from tests.cli.conftest import Command

EC = ("--key", "ec:p256")
GATE = "https://gate.example.com"
HERE = ("--invitations", "invitations", "--url", GATE)


@pytest.fixture
def folder(tmp_path: Path, ca: Command) -> Path:
    """An authority, and a folder that a gate reads."""
    ca("init", "--cn", "Home CA", *EC)
    path = tmp_path / "invitations"
    path.mkdir(0o700)
    return path


def test_an_invitation_is_a_link_to_encrypted_files(folder: Path, ca_json: Callable[..., Any]) -> None:
    """The gate finds it by the hash of the token; all that lies there opens with the password only."""
    made = ca_json("invite", "alice", "--ou", "ops", "--valid", "90m", *EC, *HERE)
    assert re.fullmatch(GATE + r"/\.gatekeeper/invite/[A-Za-z0-9_-]{43}", made["link"])
    digest = hashlib.sha256(made["link"].rpartition("/")[2].encode()).hexdigest()
    found = Invitations(folder).find(digest)
    assert found is not None
    assert found.state == State()
    assert found.invitation.name == "alice"
    assert found.invitation.serial == made["serial"]
    assert found.invitation.ends - found.invitation.made == 90 * 60
    for profile in (Profile.MODERN, Profile.COMPAT):
        octets = Invitations(folder).read(found, FILES[profile])
        assert octets is not None
        assert read_bundle(octets, made["password"], "x").key is not None


def test_neither_token_nor_password_nor_a_key_is_in_the_folder(folder: Path, ca_json: Callable[..., Any]) -> None:
    """Whoever takes the gate's disk has neither links nor what opens the files, and nobody else may look."""
    made = ca_json("invite", "alice", *EC, *HERE)
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {path.name for path in files} == {*FILES.values(), CHAIN, "invitation.json"}
    for path in files:
        octets = path.read_bytes()
        assert made["password"].encode() not in octets
        assert made["link"].rpartition("/")[2].encode() not in octets
        assert b"PRIVATE KEY" not in octets
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_is_printed_is_all_that_somebody_needs(folder: Path, ca: Command) -> None:
    """Link, password and until when; the QR code only for eyes, or when it is asked for."""
    printed = ca("invite", "alice", *EC, *HERE)
    assert f"{GATE}/.gatekeeper/invite/" in printed
    assert re.search(r"^Password of the certificate: \S{20,}$", printed, re.MULTILINE)
    assert "The link works once, until 20" in printed
    assert "▀" not in printed
    assert "▀" in ca("invite", "bob", "--qr", *EC, *HERE)


def test_a_password_of_ones_own_is_not_printed(tmp_path: Path, folder: Path, ca: Command) -> None:
    """Who gave it knows it."""
    (tmp_path / "password").write_text("my own password\n")
    printed = ca("invite", "alice", "--password-file", "password", *EC, *HERE)
    assert "my own password" not in printed
    assert "Password" not in printed


def test_the_list_says_what_became_of_each(folder: Path, ca: Command, ca_json: Callable[..., Any]) -> None:
    """Waiting, used, cancelled, over; never the link."""
    assert ca("invite", "--list", *HERE) == "Nobody is invited.\n"
    links = [ca_json("invite", name, *EC, *HERE)["link"] for name in ("alice", "bob")]
    invitations = Invitations(folder)
    used = next(one for one in invitations.all() if one.invitation.name == "bob")
    assert invitations.move(used, over(Stage.USED, datetime.now(UTC).timestamp()))
    table = ca("invite", "--list", *HERE)
    assert re.search(r"^alice +open", table, re.MULTILINE)
    assert re.search(r"^bob +used", table, re.MULTILINE)
    assert {one["name"]: one["state"] for one in ca_json("invite", "--list", *HERE)} == {"alice": "open", "bob": "used"}
    assert not any(link.rpartition("/")[2] in table for link in links)


def test_cancelling_destroys_the_files_and_revokes_the_certificate(
    folder: Path, ca: Command, ca_json: Callable[..., Any]
) -> None:
    """A link that went astray must be worth nothing, even if somebody was quicker; and the name is free again."""
    made = ca_json("invite", "alice", *EC, *HERE)
    printed = ca("invite", "--cancel", "alice", *HERE)
    assert "its files are destroyed" in printed
    assert f"({made['serial']}) is revoked" in printed
    assert [path.name for path in folder.rglob("*") if path.is_file()] == ["invitation.json"]
    assert [line["status"] for line in ca_json("list")] == ["revoked"]
    assert "there is nothing to cancel" in ca("invite", "--cancel", "alice", *HERE, code=1)
    again = ca_json("invite", "alice", *EC, *HERE)
    assert again["serial"] != made["serial"]
    identifier = ca_json("invite", "--list", *HERE)[-1]["id"]
    assert ca_json("invite", "--cancel", identifier[:8], *HERE) == {
        "cancelled": [identifier],
        "revoked": [again["serial"]],
    }


def test_where_no_authority_is_cancelling_says_what_is_left_to_do(
    folder: Path, ca: Command, ca_json: Callable[..., Any]
) -> None:
    """On the gate's machine there is none; the files are destroyed all the same."""
    made = ca_json("invite", "alice", *EC, *HERE)
    printed = ca("invite", "--cancel", "alice", "--dir", "elsewhere", *HERE)
    assert f"gatekeeper ca revoke {made['serial']}" in printed
    assert [path.name for path in folder.rglob("*") if path.is_file()] == ["invitation.json"]


def test_mistakes_are_found_before_anything_is_issued(
    tmp_path: Path, folder: Path, ca: Command, ca_json: Callable[..., Any]
) -> None:
    """A certificate without a link is a nuisance to whoever tries again."""
    there, gate = ("--invitations", "invitations"), ("--url", GATE)
    assert "mkdir -m 700" in ca("invite", "alice", "--invitations", "nowhere", *gate, code=1)
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    assert "chmod o-w" in ca("invite", "alice", "--invitations", "open", *gate, code=1)
    for url in ("http://gate.example.com", "https://gate.example.com/app", "gate.example.com", "https://a@b/"):
        assert "--url is the gate's address" in ca("invite", "alice", *there, "--url", url, code=2)
    assert "--url https://" in ca("invite", "alice", *there, code=2)
    assert "name it by --invitations" in ca("invite", "alice", *gate, code=2)
    assert "say whom to invite" in ca("invite", *HERE, code=2)
    assert "nobody called 'bob'" in ca("invite", "--cancel", "bob", *HERE, code=1)
    assert ca_json("list") == []
    assert list(folder.iterdir()) == []


def test_folder_and_address_are_taken_from_the_configuration(
    tmp_path: Path, folder: Path, ca: Command, ca_json: Callable[..., Any]
) -> None:
    """Where the gate's configuration is at hand, nothing has to be said twice."""
    ca("server", "gate.example.com", *EC)
    text = (
        '[server]\nlisten = "127.0.0.1:8443"\n'
        'certificate = "ca/gate.example.com.crt"\nkey = "ca/gate.example.com.key"\n'
        '[client_auth]\nca = "ca/ca.crt"\n[upstream]\nurl = "http://127.0.0.1:1"\n'
        '[invitations]\nfolder = "invitations"\n'
    )
    (tmp_path / "gatekeeper.toml").write_text(text)
    assert ca_json("invite", "alice", *EC)["link"].startswith(f"{GATE}:8443/.gatekeeper/invite/")
    assert [one["name"] for one in ca_json("invite", "--list")] == ["alice"]
    (tmp_path / "elsewhere.toml").write_text(text.replace(":8443", ":443"))
    assert ca_json("invite", "bob", "-c", "elsewhere.toml", *EC)["link"].startswith(f"{GATE}/.gatekeeper/invite/")


def test_a_folder_that_fails_half_way_leaves_the_certificate_and_says_what_to_do(folder: Path) -> None:
    """The certificate is made before it is put there: nothing is lost, no invitation is left, and a person goes on."""
    issuer = Issuer(Store(Path("ca")), b"open sesame")
    issued = issuer.issue("alice", bundle=BundleOptions("a password"), key_type="ec:p256", now=datetime.now(UTC))
    offer = Offer(issued, "a password", chain_of(issuer, issued))
    folder.rmdir()
    with pytest.raises(InvitationError, match=r"no invitation was created.*gatekeeper ca p12 alice"):
        create_invitation(Invitations(folder), GATE, offer, timedelta(hours=1))
    assert not folder.exists()


def test_a_renewal_is_an_invitation_that_says_what_it_replaces(
    folder: Path, ca: Command, ca_json: Callable[..., Any]
) -> None:
    """The certificate of before stays in force: with it, the holder fetches the next at the gate, within two weeks."""
    ca("issue", "alice", *EC)
    before = x509.load_pem_x509_certificate(Path("ca/alice.crt").read_bytes()).fingerprint(SHA256()).hex()
    printed = ca("renew", "alice", "--invite", *HERE)
    assert f"{GATE}/.gatekeeper/invite/" in printed
    assert f"{GATE}/.gatekeeper/me\n" in printed
    assert re.search(r"^Password of the certificate: \S{20,}$", printed, re.MULTILINE)
    (found,) = Invitations(folder).all()
    assert found.invitation.replaces == before
    assert found.invitation.ends - found.invitation.made == 14 * 86400
    assert [line["status"] for line in ca_json("list")] == ["valid", "valid"]


def test_a_renewal_that_was_not_fetched_is_renewed_for_the_same_holder(folder: Path, ca: Command) -> None:
    """They still show the certificate of before; once it was fetched, they show that one. One may be taken back."""
    ca("issue", "alice", *EC)
    sha256 = x509.load_pem_x509_certificate(Path("ca/alice.crt").read_bytes()).fingerprint(SHA256()).hex()

    def renew() -> StoredInvitation:
        before = {one.identifier for one in Invitations(folder).all()}
        ca("renew", "alice", "--invite", *HERE)
        (made,) = (one for one in Invitations(folder).all() if one.identifier not in before)
        return made

    assert renew().invitation.replaces == sha256
    second = renew()
    assert second.invitation.replaces == sha256
    assert Invitations(folder).move(second, over(Stage.USED, datetime.now(UTC).timestamp()))
    third = renew()
    assert third.invitation.replaces not in (sha256, "")
    ca("invite", "--cancel", third.identifier, *HERE)
    assert renew().invitation.replaces == third.invitation.replaces


def test_who_keeps_the_key_is_invited_to_ask_again(folder: Path, ca: Command) -> None:
    """There is no bundle to renew; nothing is issued, no invitation was created."""
    ca("csr", "backup", "--no-passphrase", *EC)
    ca("sign", "backup.csr")
    assert "--csr" in ca("renew", "backup", "--invite", *HERE, code=1)
    assert list(folder.iterdir()) == []


def test_a_computer_is_invited_without_a_certificate(folder: Path, ca: Command, ca_json: Callable[..., Any]) -> None:
    """Nothing is issued and nothing lies there but whom it is for; there is nothing to approve yet."""
    made = ca_json("invite", "backup", "--csr", *HERE)
    assert made["link"].startswith(f"{GATE}/.gatekeeper/invite/")
    assert [path.name for path in folder.rglob("*") if path.is_file()] == ["invitation.json"]
    assert ca_json("list") == []
    there = ("--invitations", "invitations")
    assert "no request came yet" in ca("approve", "backup", "--yes", *there, code=1)
    assert "nothing waits" in ca("approve", "other", "--yes", *there, code=1)


def test_a_request_is_signed_for_its_own_key_and_for_whom_was_invited(
    folder: Path, ca: Command, ca_json: Callable[..., Any]
) -> None:
    """Not for what it says of itself; one that was replaced in the folder is not signed."""
    there = ("--invitations", "invitations")
    ca_json("invite", "backup", "--csr", *HERE)
    key = make_key("ec:p256")
    names = (x509.DNSName("admin.example.com"),)
    root = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "root")])
    asked = parse_request(make_request(key, Subject(root, names)).public_bytes(Encoding.DER))
    content = write_request(asked, "192.0.2.7", "curl", 1000.0)
    (found,) = Invitations(folder).all()
    mark = mark_of_key(spki_sha256(asked))
    waiting = Invitations(folder).ask(found, mark, content, datetime.now(UTC).timestamp())
    assert waiting is not None
    (path,) = folder.rglob("request-*")
    other = parse_request(make_request(make_key("ec:p256"), Subject(root)).public_bytes(Encoding.DER))
    path.write_bytes(write_request(other, "192.0.2.7", "curl", 1000.0))
    assert "was replaced" in ca("approve", "backup", "--yes", *there, code=1)
    path.write_bytes(content)
    assert "nothing was signed" in ca("approve", "backup", "--fingerprint", mark, *there, code=1)
    spki = spki_sha256(asked)
    made = ca_json("approve", "backup", "--fingerprint", f"SHA256:{spki.upper()}", "--ou", "ops", *there)
    assert made["subject"] == "OU=ops,CN=backup" or made["subject"] == "CN=backup,OU=ops"
    (chain,) = folder.rglob("certificate.pem")
    certificate, authority = x509.load_pem_x509_certificates(chain.read_bytes())
    assert certificate.public_key() == key.public_key()
    assert b"admin.example.com" not in certificate.public_bytes(Encoding.DER)
    assert b"root" not in certificate.public_bytes(Encoding.DER)
    assert certificate.issuer == authority.subject


def test_the_next_command_has_the_options_of_this_one(folder: Path, ca: Command) -> None:
    """Copied as it is printed, it works: the folder is where this one was told."""
    printed = ca("invite", "alice", *EC, *HERE)
    command = printed.rpartition("To cancel it: gatekeeper ca ")[2].split()
    assert command == ["invite", "--cancel", "alice", "--invitations", "invitations"]
    ca(*command)
    printed = ca("invite", "backup", "--csr", *HERE)
    assert "gatekeeper ca approve backup --invitations invitations" in printed


def test_an_invitation_brings_the_servers_authority(folder: Path, ca: Command, ca_json: Callable[..., Any]) -> None:
    """--trust: beside the encrypted files, limited to the hosts; a bad host is refused before anything is issued."""
    assert "is a pattern" in ca("invite", "alice", "--trust", "*.lan", *EC, *HERE, code=1)
    assert "--cacert" in ca("invite", "alice", "--csr", "--trust", "nas.lan", *HERE, code=2)
    assert list(folder.iterdir()) == []
    ca_json("invite", "alice", "--trust", "nas.lan", "--trust", "192.168.1.5", *EC, *HERE)
    (found,) = Invitations(folder).all()
    octets = Invitations(folder).read(found, ANCHOR)
    assert octets is not None
    constraints = x509.load_der_x509_certificate(octets).extensions.get_extension_for_class(x509.NameConstraints).value
    assert [str(one.value) for one in constraints.permitted_subtrees or ()] == ["nas.lan", "192.168.1.5/32"]
