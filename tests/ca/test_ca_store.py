"""gatekeeper.ca.store: opened and read; and what is left of it after a kill at any moment."""

import os
import stat
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gatekeeper.ca.authority import Authority, make_authority
from gatekeeper.ca.bundle import read_bundle
from gatekeeper.ca.creation import AuthorityFiles, NewAuthority, adopt_store, create_store
from gatekeeper.ca.folder import Content, Folder
from gatekeeper.ca.issuer import Issuer
from gatekeeper.ca.keys import key_pem, load_key
from gatekeeper.ca.revocation import RevocationReason, read_crl_number
from gatekeeper.ca.store import Store
from gatekeeper.ca.transaction import BundleOptions
from gatekeeper.errors import AuthorityError
from tests.ca.conftest import NOW, PASSPHRASE
from tests.ca.killed import killed_at_each_step
from tests.gate_process import PATIENCE

ROOT = Path(__file__).parents[2]
DAY = timedelta(days=1)


def test_the_key_opens_with_its_passphrase_only(store: Store) -> None:
    """A wrong passphrase is a sentence that names the key."""
    assert store.unlock(PASSPHRASE).certificate == store.certificate()
    with pytest.raises(AuthorityError, match=r"wrong passphrase for .*ca\.key"):
        store.unlock(b"close sesame")


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
    again = adopt_store(store.path, AuthorityFiles(store.path / "ca.crt", store.path / "ca.key"), PASSPHRASE, now=NOW)
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
                create_store(copy, NewAuthority("Other CA", "ec:p256"), PASSPHRASE, now=NOW)
        else:
            create_store(copy, NewAuthority("Home CA", "ec:p256"), PASSPHRASE, now=NOW)
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
    for _ in range(10):  # they begin together each time, even if one of them is fast or gets the lock again and again
        for process in both:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in both:
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
    assert len(os.listdir(store.path / "issued")) == 200


def test_ten_days_later_everything_is_still_there(store: Store, issuer: Issuer) -> None:
    """The store holds nothing in memory that is not on the disk: another process sees the same."""
    issuer.issue("alice", key_type="ec:p256", now=NOW + timedelta(days=10))
    assert Store(store.path).index() == store.index()
