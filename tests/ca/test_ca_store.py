"""gatekeeper.ca.store: made, adopted, opened; and what is left of it after a kill at any moment."""

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gatekeeper.ca.authority import Authority, make_authority
from gatekeeper.ca.bundle import read_bundle
from gatekeeper.ca.certificates import self_signed
from gatekeeper.ca.folder import Content, Folder
from gatekeeper.ca.issuer import Issuer
from gatekeeper.ca.keys import key_pem, load_key
from gatekeeper.ca.revocation import Revocation, RevocationReason, make_crl, read_crl_number
from gatekeeper.ca.store import Store, adopt_store, create_store
from gatekeeper.ca.transaction import BundleOptions
from gatekeeper.errors import AuthorityError
from tests.ca.conftest import NOW, PASSPHRASE, write_v1_authority
from tests.ca.killed import killed_at_each_step
from tests.gate_process import PATIENCE

ROOT = Path(__file__).parents[2]
DAY = timedelta(days=1)


def snapshot(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def test_a_new_authority_is_four_files(store: Store) -> None:
    """Key, certificate, first revocation list and index; secrets are 0600, the folder 0700."""
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in store.path.iterdir()}
    assert modes == {".lock": 0o600, "ca.key": 0o600, "ca.crt": 0o644, "ca.crl": 0o644, "index.json": 0o600}
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o700
    assert len(store.crl()) == 0
    assert store.crl().is_signature_valid(store.certificate().public_key())  # type: ignore[arg-type]


def test_the_key_opens_with_its_passphrase_only(store: Store) -> None:
    """A wrong passphrase is a sentence that names the key."""
    assert store.unlock(PASSPHRASE).certificate == store.certificate()
    with pytest.raises(AuthorityError, match=r"wrong passphrase for .*ca\.key"):
        store.unlock(b"close sesame")


@pytest.mark.parametrize(
    "passphrase",
    [
        b"",
        b"abc",
        b"      ",
        b"seven77",
        b"        ",
        b"aaaaaaaabb",
        b"Password1!",
        b"12345678",
        b"gatekeeper!",
        b"qwertyuiop",
        b"hunter22",
    ],
)
def test_a_worthless_passphrase_is_refused_before_anything_is_made(
    passphrase: bytes, tmp_path: Path, now: datetime
) -> None:
    """A key in clear text is not an option, and neither is what anybody tries first."""
    with pytest.raises(AuthorityError, match="passphrase"):
        create_store(tmp_path / "ca", "Home CA", passphrase, key_type="ec:p256", now=now)
    assert not (tmp_path / "ca").exists()


@pytest.mark.parametrize("name", ["", " ", "x" * 65, "a\nb"])
def test_a_name_that_is_none_is_refused(name: str, tmp_path: Path, now: datetime) -> None:
    """The authority has a name too, and people read it."""
    with pytest.raises(AuthorityError):
        create_store(tmp_path / "ca", name, PASSPHRASE, key_type="ec:p256", now=now)


def test_an_authority_is_never_overwritten(store: Store, now: datetime) -> None:
    """A second init in the same folder changes nothing."""
    before = snapshot(store.path)
    with pytest.raises(AuthorityError, match="already"):
        create_store(store.path, "Other CA", PASSPHRASE, key_type="ec:p256", now=now)
    assert snapshot(store.path) == before


def test_an_openssl_key_in_the_folder_is_never_overwritten(tmp_path: Path, now: datetime) -> None:
    """A ca.key without an index is the recipe's, and worth more than ours."""
    (tmp_path / "ca.key").write_text("precious")
    with pytest.raises(AuthorityError, match="--adopt"):
        create_store(tmp_path, "Home CA", PASSPHRASE, key_type="ec:p256", now=now)
    assert (tmp_path / "ca.key").read_text() == "precious"


def test_no_authority_is_a_sentence_with_the_next_step(tmp_path: Path) -> None:
    """An empty or missing folder says how to make an authority."""
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(AuthorityError, match=r"there is no authority in .* init --cn"):
            Store(path).index()


@pytest.mark.parametrize("name", ["index.json", "ca.crt", "ca.key"])
def test_a_lost_file_is_named(name: str, store: Store) -> None:
    """What is missing is named; nothing is made up in its place."""
    if name != "index.json":
        (store.path / name).unlink()
        with pytest.raises(AuthorityError, match=rf"{name} is missing"):
            store.unlock(PASSPHRASE)
    else:
        (store.path / name).write_text("{")
        with pytest.raises(AuthorityError, match="damaged"):
            store.index()


def test_a_foreign_key_beside_the_certificate_is_refused(store: Store) -> None:
    """A key that is not the certificate's would sign what no gate accepts."""
    other = make_authority("Home CA", key_type="ec:p256", now=NOW)
    (store.path / "ca.key").write_bytes(key_pem(other.key, PASSPHRASE))
    with pytest.raises(AuthorityError, match="not the key of the certificate"):
        store.unlock(PASSPHRASE)


# Adopting what openssl made


@pytest.fixture
def recipe(tmp_path: Path, openssl: Callable[..., str]) -> Path:
    """The recipe's first two commands, with 2048 bits to save time."""
    folder = tmp_path / "recipe"
    folder.mkdir(0o700)
    key, certificate = folder / "ca.key", folder / "ca.crt"
    openssl("genrsa", "-aes256", "-passout", "pass:open sesame", "-out", key, "2048")
    openssl("req", "-new", "-x509", "-days", "365", "-key", key, "-passin", "pass:open sesame",
            "-subj", "/C=DE/O=Home/CN=Home CA", "-out", certificate)  # fmt: skip
    return folder


def test_the_recipes_authority_is_adopted(recipe: Path, tmp_path: Path, openssl: Callable[..., str]) -> None:
    """Certificate and key made by openssl become a store; the key stays encrypted under the same passphrase."""
    store = adopt_store(tmp_path / "ca", recipe / "ca.crt", recipe / "ca.key", PASSPHRASE, now=NOW)
    assert (store.path / "ca.crt").read_bytes() == (recipe / "ca.crt").read_bytes()
    assert b"ENCRYPTED PRIVATE KEY" in (store.path / "ca.key").read_bytes()
    assert store.unlock(PASSPHRASE)
    assert "verify OK" in openssl("crl", "-in", store.path / "ca.crl", "-CAfile", recipe / "ca.crt", "-noout")


def test_it_is_adopted_where_it_lies(recipe: Path) -> None:
    """The recipe's own folder can become the store."""
    store = adopt_store(recipe, recipe / "ca.crt", recipe / "ca.key", PASSPHRASE, now=NOW)
    assert store.unlock(PASSPHRASE)
    assert stat.S_IMODE((recipe / "ca.key").stat().st_mode) == 0o600


def test_a_wrong_passphrase_adopts_nothing(recipe: Path, tmp_path: Path) -> None:
    """Nothing is made when the key cannot be opened."""
    with pytest.raises(AuthorityError, match="wrong passphrase"):
        adopt_store(tmp_path / "ca", recipe / "ca.crt", recipe / "ca.key", b"close sesame", now=NOW)
    assert not (tmp_path / "ca").exists()


def test_a_key_of_another_is_not_adopted(recipe: Path, tmp_path: Path) -> None:
    """Key and certificate must belong together."""
    other = make_authority("Other", key_type="ec:p256", now=NOW)
    (tmp_path / "other.key").write_bytes(key_pem(other.key, PASSPHRASE))
    with pytest.raises(AuthorityError, match="not the key of the certificate"):
        adopt_store(tmp_path / "ca", recipe / "ca.crt", tmp_path / "other.key", PASSPHRASE, now=NOW)


def test_what_is_no_authority_is_not_adopted(tmp_path: Path) -> None:
    """A certificate without CA:TRUE would sign what no gate trusts."""
    alone = self_signed("alice", key_type="ec:p256", now=NOW)
    (tmp_path / "a.crt").write_bytes(alone.certificate_pem)
    (tmp_path / "a.key").write_bytes(alone.key_pem())
    with pytest.raises(AuthorityError, match="CA:FALSE"):
        adopt_store(tmp_path / "ca", tmp_path / "a.crt", tmp_path / "a.key", PASSPHRASE, now=NOW)


def test_an_authority_that_may_not_sign_lists_is_not_adopted(
    recipe: Path, tmp_path: Path, openssl: Callable[..., str]
) -> None:
    """Without cRLSign no gate takes its revocation lists."""
    openssl("req", "-new", "-x509", "-key", recipe / "ca.key", "-passin", "pass:open sesame", "-subj", "/CN=x",
            "-addext", "keyUsage=critical,keyCertSign", "-out", tmp_path / "x.crt")  # fmt: skip
    with pytest.raises(AuthorityError, match="lacks cRLSign"):
        adopt_store(tmp_path / "ca", tmp_path / "x.crt", recipe / "ca.key", PASSPHRASE, now=NOW)


def test_an_authority_of_version_1_is_adopted(tmp_path: Path) -> None:
    """It has no extensions; gates take it, so it is taken here."""
    store = adopt_store(tmp_path / "ca", *write_v1_authority(tmp_path), PASSPHRASE, now=NOW)
    assert store.certificate().version is x509.Version.v1
    assert store.crl().is_signature_valid(store.certificate().public_key())  # type: ignore[arg-type]


def list_of(recipe: Path, *revocations: Revocation, number: int = 10) -> x509.CertificateRevocationList:
    certificate = x509.load_pem_x509_certificate((recipe / "ca.crt").read_bytes())
    key = load_key((recipe / "ca.key").read_bytes(), PASSPHRASE, "ca.key")
    return make_crl(Authority(certificate, key), revocations, now=NOW, number=number)


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_adopting_revives_nobody(recipe: Path, tmp_path: Path, encoding: Encoding) -> None:
    """Who is on the list that openssl wrote stays revoked, since when and why; the numbers of the lists go on."""
    revoked = (Revocation(5, NOW - DAY, RevocationReason.KEY_COMPROMISE), Revocation(6, NOW))
    octets = list_of(recipe, *revoked).public_bytes(encoding)
    (tmp_path / "old.crl").write_bytes(octets)
    store = adopt_store(
        tmp_path / "ca", recipe / "ca.crt", recipe / "ca.key", PASSPHRASE, crl=tmp_path / "old.crl", now=NOW
    )
    assert store.index().revocations == revoked
    assert read_crl_number(store.crl()) == 11
    (recipe / "ca.crl").write_bytes(octets)
    store = adopt_store(recipe, recipe / "ca.crt", recipe / "ca.key", PASSPHRASE, now=NOW)
    assert [one.serial_number for one in store.crl()] == [5, 6]


def test_a_list_of_another_is_not_overwritten(recipe: Path, home: Authority) -> None:
    """A ca.crl that cannot be gone on from stops the adoption, and stays; and so it stops a new authority."""
    (recipe / "ca.crl").write_bytes(make_crl(home, (), now=NOW).public_bytes(Encoding.PEM))
    before = snapshot(recipe)
    with pytest.raises(AuthorityError, match=r"ca\.crl is not a revocation list of Home CA"):
        adopt_store(recipe, recipe / "ca.crt", recipe / "ca.key", PASSPHRASE, now=NOW)
    assert snapshot(recipe) | {".lock": b""} == before | {".lock": b""}
    (recipe / "ca.crt").unlink()
    (recipe / "ca.key").unlink()
    with pytest.raises(AuthorityError, match=r"ca\.crl"):
        create_store(recipe, "Home CA", PASSPHRASE, key_type="ec:p256", now=NOW)


# An index from a backup, or none


def test_an_older_index_revives_nobody(store: Store, issuer: Issuer) -> None:
    """Restored from last week, the index does not know what was issued and revoked since; list and copies do."""
    old = (store.path / "index.json").read_bytes()
    first = issuer.issue("alice", key_type="ec:p256", now=NOW).entry
    second = issuer.issue_server("localhost", ("localhost",), key_type="ec:p256", now=NOW + DAY).entry
    issuer.revoke((first.serial,), RevocationReason.KEY_COMPROMISE, now=NOW + DAY)
    before = store.index()
    (store.path / "index.json").write_bytes(old)
    assert store.index() == before
    assert store.index().entries == (first, second)
    issuer.rewrite_crl(now=NOW + 2 * DAY)
    assert [one.serial_number for one in store.crl()] == [first.serial]
    assert read_crl_number(store.crl()) == before.crl_number + 1


def test_a_lost_index_is_made_anew_from_the_other_files(store: Store, issuer: Issuer) -> None:
    """Adopting the authority where it lies brings everything back but the life of the lists."""
    issuer.issue("alice", key_type="ec:p256", now=NOW)
    bob = issuer.issue("bob", key_type="ec:p256", now=NOW + DAY).entry
    issuer.revoke((bob.serial, 77), RevocationReason.SUPERSEDED, now=NOW + DAY)
    before = store.index()
    (store.path / "index.json").unlink()
    again = adopt_store(store.path, store.path / "ca.crt", store.path / "ca.key", PASSPHRASE, now=NOW)
    assert replace(again.index(), crl_number=before.crl_number) == before
    assert again.index().crl_number == before.crl_number + 1


def test_what_is_no_copy_of_ours_is_passed_over(store: Store, issuer: Issuer, home: Authority) -> None:
    """A stranger's certificate, or no certificate, in issued/ is nobody's, and stops nothing."""
    issuer.issue("alice", key_type="ec:p256", now=NOW)
    (store.path / "issued" / "01.crt").write_bytes(home.certificate_pem)
    (store.path / "issued" / "02.crt").write_bytes(b"x")
    assert [entry.name for entry in store.index().entries] == ["alice"]


def test_a_damaged_list_is_written_anew(store: Store, issuer: Issuer) -> None:
    """The index is enough to make it again."""
    issuer.revoke((77,), RevocationReason.UNSPECIFIED, now=NOW)
    (store.path / "ca.crl").write_bytes(b"x")
    with pytest.raises(AuthorityError, match="sign it again: gatekeeper ca crl"):
        store.crl()
    issuer.rewrite_crl(now=NOW)
    assert [one.serial_number for one in store.crl()] == [77]


# Killed at any moment


def must_be_whole(store: Store) -> None:
    """Every promise of a store, checked on the files themselves."""
    index = store.index()
    assert not [name for name in os.listdir(store.path) if name.endswith(".new") or name == ".journal"]
    crl = store.crl()
    assert crl.is_signature_valid(store.unlock(PASSPHRASE).certificate.public_key())  # type: ignore[arg-type]
    assert {one.serial_number for one in crl} == {one.serial for one in index.revocations}
    assert crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == index.crl_number
    for entry in index.entries:
        newest = index.named(entry.name)[-1]
        certificate = store.issued(newest)
        assert certificate.serial_number == newest.serial
        assert (store.path / f"{entry.name}.crt").read_bytes() == certificate.public_bytes(Encoding.PEM)
        request = x509.load_pem_x509_csr((store.path / f"{entry.name}.csr").read_bytes())
        assert request.public_key() == certificate.public_key()
        if newest.holds_key:
            path = store.path / f"{entry.name}.key"
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert load_key(path.read_bytes(), PASSPHRASE, "key").public_key() == certificate.public_key()
            bundle = read_bundle((store.path / f"{entry.name}.p12").read_bytes(), "a password", "p12")
            assert bundle.certificate == certificate


@pytest.mark.parametrize("operation", ["issue", "sign", "renew", "revoke", "crl", "renew_ca", "bundle", "recover"])
def test_a_kill_at_any_step_leaves_all_or_nothing(operation: str, store: Store, tmp_path: Path) -> None:
    """After kill -9 at each step of a change the folder holds the old state or the new one, whole, and works."""
    Issuer(store, PASSPHRASE).issue("alice", bundle=BundleOptions("a password"), key_type="ec:p256", now=NOW)
    old = store.index()
    runs = killed_at_each_step(operation, store.path, tmp_path)
    assert runs[-1][1] is None
    assert len(runs) > 7
    changed = []
    for copy, _ in runs:
        reopened = Store(copy)
        must_be_whole(reopened)
        changed.append(reopened.index().crl_number == old.crl_number + 1)
        if not changed[-1]:
            assert reopened.index() == old
        Issuer(reopened, PASSPHRASE).rewrite_crl(now=NOW)
        assert reopened.crl().extensions.get_extension_for_class(x509.CRLNumber).value.crl_number > old.crl_number
    # Once it has happened, a later kill does not undo it.
    assert changed == sorted(changed)
    assert changed[-1]
    assert not changed[0] or operation == "recover"


def test_a_killed_init_can_be_done_again_or_is_done(tmp_path: Path) -> None:
    """After kill -9 at each step of init there is an authority, whole, or none, and then init works."""
    runs = killed_at_each_step("init", tmp_path / "none", tmp_path)
    assert len(runs) > 8
    for copy, _ in runs:
        done = (copy / "index.json").exists() or (copy / ".journal").exists()
        if done:
            with pytest.raises(AuthorityError, match="already"):
                create_store(copy, "Other CA", PASSPHRASE, key_type="ec:p256", now=NOW)
        else:
            create_store(copy, "Home CA", PASSPHRASE, key_type="ec:p256", now=NOW)
        must_be_whole(Store(copy))


def test_half_a_file_beside_the_real_one_is_swept_away(store: Store) -> None:
    """What a process was writing aside when it was killed is never read and is gone after the next command."""
    (store.path / ".index.json.new").write_bytes(b'{"version": 1, "cert')
    (store.path / "..journal.new").write_bytes(b'{"index.json": {"mo')
    must_be_whole(store)


def test_a_journal_is_carried_out_by_a_reader(store: Store) -> None:
    """`ca list` needs no passphrase, and still finishes what a killed command had decided."""
    other = Folder(
        store.path, before=lambda step: (_ for _ in ()).throw(KeyboardInterrupt) if step == "rename a.crt" else None
    )
    with pytest.raises(KeyboardInterrupt), other.locked():
        other.commit({"a.crt": Content(b"decided")})
    store.index()
    assert (store.path / "a.crt").read_bytes() == b"decided"


# Two at once


def test_two_processes_issue_at_the_same_time(store: Store) -> None:
    """Two processes issue 100 certificates each into one folder: none is lost, no serial is there twice."""
    command = [sys.executable, "-m", "tests.ca.many", str(store.path)]
    pipe = subprocess.PIPE
    both = [
        subprocess.Popen([*command, name, "100"], cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        for name in ("left", "right")
    ]
    for process in both:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in both:  # Python takes seconds to start on a busy machine; they are to begin together
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in both:
        _, error = process.communicate(timeout=4 * PATIENCE)
        assert process.returncode == 0, error
    index = store.index()
    assert len(index.entries) == len({entry.serial for entry in index.entries}) == 200
    assert {entry.name for entry in index.entries} == {f"{side} {n}" for side in ("left", "right") for n in range(100)}
    assert index.crl_number == 201
    first_half = [entry.name.split()[0] for entry in index.entries[:100]]
    assert set(first_half) == {"left", "right"}, "they ran one after the other, so this proved nothing"
    assert len(os.listdir(store.path / "issued")) == 200


def test_ten_days_later_everything_is_still_there(store: Store, issuer: Issuer) -> None:
    """The store holds nothing in memory that is not on the disk: another process sees the same."""
    issuer.issue("alice", key_type="ec:p256", now=NOW + timedelta(days=10))
    assert Store(store.path).index() == store.index()
