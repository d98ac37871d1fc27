"""gatekeeper.ca.rollover: two authorities of one name, and a gate that reads their files."""

import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gatekeeper.ca.admission import admission, make_trust
from gatekeeper.ca.authority import identifier_hex, is_signed_by
from gatekeeper.ca.index import CertificateKind, Status, consequence
from gatekeeper.ca.issuer import Issuer
from gatekeeper.ca.revocation import RevocationReason
from gatekeeper.ca.rollover import retire, roll_over
from gatekeeper.ca.store import NEW_BY_OLD, OLD_BY_NEW, OLD_KEY, Store
from gatekeeper.errors import AuthorityError
from gatekeeper.gate.certificate import read_certificate
from gatekeeper.gate.revocation import Revocations, Standing, read_lists
from tests.ca.conftest import NOW, PASSPHRASE
from tests.ca.killed import killed_at_each_step
from tests.tools import needs

DAY = timedelta(days=1)
LATER = NOW + 3000 * DAY
EC = "ec:p256"


@pytest.fixture
def rolled(issuer: Issuer) -> Issuer:
    """An authority with alice, then its rollover."""
    issuer.issue("alice", key_type=EC, lifetime=3000 * DAY, now=NOW)
    roll_over(issuer, key_type=EC, now=LATER - 10 * DAY)
    return issuer


def standing(store: Store, name: str, now: datetime) -> Standing:
    """What a gate that reads ca.crt and ca.crl says of the newest certificate of this name."""
    authorities = tuple(
        read_certificate(one.public_bytes(Encoding.DER))
        for one in x509.load_pem_x509_certificates((store.path / "ca.crt").read_bytes())
    )
    lists = Revocations.of(read_lists((store.path / "ca.crl").read_bytes(), authorities))
    certificate = store.issued(store.index().named(name)[-1])
    signer = read_certificate(store.signer(certificate).public_bytes(Encoding.DER))
    assert signer in authorities
    leaf = read_certificate(certificate.public_bytes(Encoding.DER))
    return lists.status(leaf, signer, now.timestamp()).standing


def test_both_authorities_are_trusted_and_each_vouches_for_the_other(rolled: Issuer) -> None:
    """RFC 4210, 4.4: one name, two keys, and a certificate in each direction."""
    new, old = rolled.store.authorities()
    assert new.subject == old.subject
    assert identifier_hex(new) != identifier_hex(old)
    new_by_old = x509.load_pem_x509_certificate((rolled.store.path / NEW_BY_OLD).read_bytes())
    old_by_new = x509.load_pem_x509_certificate((rolled.store.path / OLD_BY_NEW).read_bytes())
    assert new_by_old.public_key() == new.public_key()
    assert is_signed_by(new_by_old, old)
    assert old_by_new.public_key() == old.public_key()
    assert is_signed_by(old_by_new, new)
    assert min(new.not_valid_after_utc, old.not_valid_after_utc) == new_by_old.not_valid_after_utc


def test_new_certificates_come_from_the_new_authority_and_old_ones_stay_good(rolled: Issuer) -> None:
    """Whoever has a certificate notices nothing."""
    rolled.issue("bob", key_type=EC, now=LATER)
    new, old = rolled.store.authorities()
    assert is_signed_by(rolled.store.issued(rolled.store.index().named("bob")[-1]), new)
    assert is_signed_by(rolled.store.issued(rolled.store.index().named("alice")[-1]), old)
    assert standing(rolled.store, "alice", LATER) is Standing.GOOD
    assert standing(rolled.store, "bob", LATER) is Standing.GOOD
    assert [entry.name for entry in rolled.store.index().on_retiring(LATER)] == ["alice"]


def test_a_name_with_two_certificates_of_the_old_authority_is_counted_once(issuer: Issuer) -> None:
    """One new certificate settles both; the newer one stands for the name."""
    issuer.issue("alice", key_type=EC, lifetime=3000 * DAY, now=NOW)
    newer = issuer.renew("alice", keep_old=True, now=NOW + DAY).entry
    roll_over(issuer, key_type=EC, now=NOW + 2 * DAY)
    assert [one.serial for one in issuer.store.index().on_retiring(NOW + 2 * DAY)] == [newer.serial]


def test_revoking_reaches_what_either_signed(rolled: Issuer) -> None:
    """A phone that is lost during a rollover is out, whichever authority it has its certificate from."""
    bob = rolled.issue("bob", key_type=EC, now=LATER).entry
    alice = rolled.store.index().named("alice")[-1]
    rolled.revoke((alice.serial, bob.serial), RevocationReason.KEY_COMPROMISE, now=LATER)
    assert standing(rolled.store, "alice", LATER) is Standing.REVOKED
    assert standing(rolled.store, "bob", LATER) is Standing.REVOKED


def test_nobody_is_retired_by_mistake(rolled: Issuer) -> None:
    """`retire` waits until everybody has a certificate of the new authority."""
    with pytest.raises(AuthorityError, match="1 would be locked out: alice"):
        retire(rolled, now=LATER - DAY)
    rolled.renew("alice", keep_old=True, now=LATER - DAY)
    assert retire(rolled, now=LATER - DAY) == ()
    assert standing(rolled.store, "alice", LATER) is Standing.GOOD
    assert not (rolled.store.path / OLD_KEY).exists()
    assert len(x509.load_pem_x509_certificates((rolled.store.path / "ca.crt").read_bytes())) == 1


def test_what_the_retired_authority_signed_is_in_force_no_more(rolled: Issuer) -> None:
    """No gate trusts it, so the name is free, whatever the dates say."""
    retire(rolled, force=True, now=LATER - DAY)
    index = rolled.store.index()
    assert index.status(index.named("alice")[0], LATER - DAY) is Status.RETIRED
    assert index.in_force("alice", LATER - DAY) == ()


def test_only_one_rollover_at_a_time(rolled: Issuer) -> None:
    """A third authority would leave no key for the lists of the first."""
    before = rolled.store.authorities()
    with pytest.raises(AuthorityError, match="a rollover is under way"):
        roll_over(rolled, key_type=EC, now=LATER)
    assert rolled.store.authorities() == before


def test_an_expired_authority_vouches_for_no_next_one(issuer: Issuer) -> None:
    """It is renewed first: a cross-certificate of an expired authority helps nobody."""
    end = issuer.store.certificate().not_valid_after_utc
    with pytest.raises(AuthorityError, match="has expired; renew it first"):
        roll_over(issuer, key_type=EC, now=end + DAY)
    assert issuer.store.retiring() is None


def test_a_server_is_not_locked_out(rolled: Issuer) -> None:
    """It visits nobody: those who trust the new authority alone would not accept it."""
    rolled.renew("alice", keep_old=True, now=LATER - DAY)
    old = rolled.store.index()
    gate = replace(old.named("alice")[0], name="gate", kind=CertificateKind.SERVER, serial=77)
    assert consequence([gate]) == "the new ca.crt would not verify 1 of the servers: gate"
    alice = old.named("alice")[0]
    assert consequence([alice, gate]) == (
        "1 would be locked out: alice; the new ca.crt would not verify 1 of the servers: gate"
    )


def test_the_folder_can_be_opened_again_at_every_stage(rolled: Issuer) -> None:
    """Index, list and both keys are read back by the next command."""
    again = Issuer(Store(rolled.store.path), PASSPHRASE)
    again.renew("alice", now=LATER - DAY)
    retire(again, now=LATER)
    once_more = Issuer(Store(rolled.store.path), PASSPHRASE)
    assert [entry.name for entry in once_more.store.index().entries] == ["alice", "alice"]
    roll_over(once_more, key_type=EC, now=LATER + DAY)
    assert len(once_more.store.authorities()) == 2


def test_a_copy_that_the_index_lost_comes_back_with_its_authority(rolled: Issuer) -> None:
    """An index from a backup does not know what was issued since; which authority signed it decides what is retired."""
    before = (rolled.store.path / "index.json").read_bytes()
    rolled.issue("bob", key_type=EC, now=LATER)
    (rolled.store.path / "index.json").write_bytes(before)
    bob = Store(rolled.store.path).index().named("bob")[-1]
    assert bob.authority == identifier_hex(rolled.store.certificate())


def let_in(folder: Path, certificate: x509.Certificate, now: datetime) -> bool:
    """Whether a gate that reads the folder as it lies there, half changed or not, lets this certificate in."""
    first, *also = x509.load_pem_x509_certificates((folder / "ca.crt").read_bytes())
    trust = make_trust(first, (folder / "ca.crl").read_bytes(), also=also, now=now)
    return admission(certificate, trust).reason is None


@pytest.mark.parametrize("operation", ["rollover", "retire"])
def test_a_kill_at_any_step_locks_nobody_out(operation: str, store: Store, tmp_path: Path) -> None:
    """After kill -9 at each step a gate lets everybody in, before and after the next command tidies up; and the
    operation is done, or can be done again.
    """
    issuer, at = Issuer(store, PASSPHRASE), NOW + DAY
    issuer.issue("alice", key_type=EC, now=NOW)
    if operation == "retire":
        roll_over(issuer, key_type=EC, now=NOW)
        issuer.renew("alice", keep_old=True, now=NOW)
    alice = store.issued(store.index().named("alice")[-1])
    before = store.index()
    runs = killed_at_each_step(operation, store.path, tmp_path)
    assert (len(runs) > 7, runs[-1][1]) == (True, None)
    changed = []
    for copy, step in runs:
        assert let_in(copy, alice, at), step
        reopened = Store(copy)
        index = reopened.index()
        changed.append(index.crl_number > before.crl_number)
        assert bool(index.retiring) == ((operation == "rollover") == changed[-1]), step
        assert len(reopened.authorities()) == 1 + bool(index.retiring)
        assert (copy / OLD_KEY).exists() == bool(index.retiring)
        again = Issuer(reopened, PASSPHRASE)
        if not changed[-1]:
            assert index == before
            roll_over(again, key_type=EC, now=at) if operation == "rollover" else retire(again, now=at)
        bob = reopened.issued(again.issue("bob", key_type=EC, now=at).entry)
        assert let_in(copy, alice, at), step
        assert let_in(copy, bob, at), step
    assert changed == sorted(changed)
    assert (changed[0], changed[-1]) == (False, True)


def test_a_disk_that_is_full_changes_no_key(store: Store) -> None:
    """An issuer whose rollover could not be written signs with the authority that the folder still has."""
    full = False

    def before(step: str) -> None:
        if full and step == "write journal":
            raise OSError(28, "No space left on device", str(store.path))

    issuer = Issuer(Store(store.path, before), PASSPHRASE)
    full = True
    with pytest.raises(AuthorityError, match="No space left"):
        roll_over(issuer, key_type=EC, now=NOW)
    full = False
    made = issuer.issue("alice", key_type=EC, now=NOW)
    assert is_signed_by(store.issued(made.entry), store.certificate())
    assert store.retiring() is None


def test_openssl_follows_each_to_the_other(rolled: Issuer, tmp_path: Path) -> None:
    """A client that trusts one authority alone verifies what the other signed, by the certificate between them."""
    needs("openssl")
    rolled.issue_server("web", ("nas.lan",), key_type=EC, now=LATER - 2 * DAY)
    new, old = rolled.store.authorities()
    (tmp_path / "old.pem").write_bytes(old.public_bytes(Encoding.PEM))
    (tmp_path / "new.pem").write_bytes(new.public_bytes(Encoding.PEM))
    path = rolled.store.path
    at = str(int((LATER - DAY).astimezone(UTC).timestamp()))
    for trusted, between, leaf in (
        ("old.pem", path / "web.crt", path / "web.crt"),
        ("new.pem", path / OLD_BY_NEW, path / "alice.crt"),
    ):
        done = subprocess.run(
            ["openssl", "verify", "-attime", at, "-CAfile", trusted, "-untrusted", between, leaf],
            cwd=tmp_path, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
