"""gatekeeper.ca.issuer: renewing, of clients, servers and the authority; what an adopted authority may certify."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from gatekeeper.ca.authority import authority_from_key, cross_signed, make_authority
from gatekeeper.ca.bundle import read_bundle
from gatekeeper.ca.creation import AuthorityFiles, adopt_store
from gatekeeper.ca.index import Status
from gatekeeper.ca.issuer import Grant, Issuer
from gatekeeper.ca.keys import key_pem, make_key
from gatekeeper.ca.revocation import RevocationReason
from gatekeeper.ca.rollover import renew_authority, roll_over
from gatekeeper.ca.store import Store
from gatekeeper.ca.subject import make_subject
from gatekeeper.ca.transaction import BundleOptions
from gatekeeper.errors import AuthorityError
from tests.ca.conftest import NOW, PASSPHRASE, issue, request, revoked, write_v1_authority

DAY = timedelta(days=1)


def test_renewing_keeps_names_and_key_and_ends_the_old_one(issuer: Issuer, store: Store) -> None:
    """The next certificate is for the same key, from the same request, with the same names; the old one is revoked."""
    old = issue(issuer, grant=Grant(("ops",), ("a@example.com",)), lifetime=30 * DAY)
    new = issuer.renew("alice", now=NOW + 20 * DAY)
    before, after = store.issued(old.entry), store.issued(new.entry)
    assert before.public_key() == after.public_key()
    assert before.subject == after.subject
    assert san(before) == san(after)
    assert new.entry.serial != old.entry.serial
    assert new.entry.not_after == NOW + 50 * DAY
    assert revoked(store) == {old.entry.serial}
    assert new.superseded == (old.entry,)
    bundle = read_bundle((store.path / "alice.p12").read_bytes(), new.password or "", "alice.p12")
    assert bundle.certificate == after


def san(certificate: x509.Certificate) -> Any:
    return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value


def test_renewing_can_leave_the_old_one(issuer: Issuer, store: Store) -> None:
    """With keep_old both count until the old one ends, so that a device can change over in peace."""
    old = issue(issuer, lifetime=30 * DAY)
    issuer.renew("alice", keep_old=True, now=NOW + 20 * DAY)
    assert revoked(store) == set()
    assert store.index().status(old.entry, NOW + 21 * DAY) is Status.VALID


def test_renewing_can_make_a_new_key(issuer: Issuer, store: Store) -> None:
    """A new key replaces key, request, certificate and bundle together."""
    old = issue(issuer)
    new = issuer.renew("alice", new_key_type="ec:p384", now=NOW + DAY)
    assert store.issued(old.entry).public_key() != store.issued(new.entry).public_key()
    assert {path.name for path in new.files} == {"alice.key", "alice.csr", "alice.crt", "alice.p12"}


def test_renewing_a_foreign_request_takes_the_same_request(issuer: Issuer, store: Store) -> None:
    """Who keeps their own key gets the next certificate from the request they once sent; there is no bundle to make."""
    key = make_key("ec:p256")
    issuer.sign(request(key=key), "alice.csr", now=NOW)
    new = issuer.renew("alice", now=NOW + DAY)
    assert [path.name for path in new.files] == ["alice.crt"]
    assert new.password is None
    assert store.issued(new.entry).public_key() == key.public_key()
    with pytest.raises(AuthorityError, match="keeps the key elsewhere"):
        issuer.renew("alice", new_key_type="ec:p256", now=NOW + DAY)
    with pytest.raises(AuthorityError, match="--key FILE --certificate FILE"):
        issuer.bundle("alice", BundleOptions(), now=NOW)


def test_renewing_an_expired_one_works(issuer: Issuer, store: Store) -> None:
    """Expired is what most renewals are; nothing needs revoking."""
    issue(issuer, lifetime=DAY)
    new = issuer.renew("alice", now=NOW + 3 * DAY)
    assert new.superseded == ()
    assert revoked(store) == set()


def test_renewing_a_server_makes_no_bundle(issuer: Issuer, store: Store) -> None:
    """A server's certificate stays a server's."""
    issuer.issue_server("web", ("localhost",), key_type="ec:p256", now=NOW)
    new = issuer.renew("web", now=NOW + DAY)
    assert [path.name for path in new.files] == ["web.crt"]
    usage = store.issued(new.entry).extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]


@pytest.mark.parametrize("name", ["nobody", "../ca"])
def test_renewing_what_was_never_issued_is_a_sentence(name: str, issuer: Issuer) -> None:
    """An unknown name is answered with where to look."""
    with pytest.raises(AuthorityError, match="gatekeeper ca list"):
        issuer.renew(name, now=NOW)


def test_the_revoked_are_not_renewed(issuer: Issuer) -> None:
    """Renewing would undo the revocation; it takes a decision to issue again."""
    made = issue(issuer)
    issuer.revoke((made.entry.serial,), RevocationReason.UNSPECIFIED, now=NOW)
    with pytest.raises(AuthorityError, match='gatekeeper ca issue "alice"'):
        issuer.renew("alice", now=NOW)
    with pytest.raises(AuthorityError, match="is revoked"):
        issuer.bundle("alice", BundleOptions(), now=NOW)


def test_the_authority_renews_itself(issuer: Issuer, store: Store) -> None:
    """Same name and key, later end: what it signed before is still verified, and it can sign longer."""
    made = issue(issuer)
    renew_authority(issuer, lifetime=365 * DAY, now=NOW + 300 * DAY)
    assert store.certificate().not_valid_after_utc == NOW + 665 * DAY
    store.issued(made.entry).verify_directly_issued_by(store.certificate())
    assert store.crl().is_signature_valid(store.certificate().public_key())  # type: ignore[arg-type]
    assert issue(issuer, "bob", now=NOW + 301 * DAY, lifetime=364 * DAY).entry.not_after == NOW + 665 * DAY


def test_a_renewed_authority_says_of_itself_what_it_said(tmp_path: Path, openssl: Callable[..., str]) -> None:
    """Path length and name constraints of an adopted authority stay: intermediates and limits hold to them."""
    openssl("genrsa", "-aes256", "-passout", "pass:open sesame", "-out", tmp_path / "ca.key", "2048")
    openssl("req", "-new", "-x509", "-key", tmp_path / "ca.key", "-passin", "pass:open sesame", "-subj", "/CN=Home CA",
            "-addext", "basicConstraints=critical,CA:TRUE,pathlen:1", "-addext", "keyUsage=keyCertSign,cRLSign",
            "-addext", "nameConstraints=permitted;email:example.com", "-addext", "subjectKeyIdentifier=DE:AD",
            "-addext", "authorityKeyIdentifier=keyid,issuer:always", "-out", tmp_path / "ca.crt")  # fmt: skip
    store = adopt_store(tmp_path / "ca", AuthorityFiles(tmp_path / "ca.crt", tmp_path / "ca.key"), PASSPHRASE, now=NOW)
    old = store.certificate().extensions
    new = renew_authority(Issuer(store, PASSPHRASE), now=NOW).extensions
    for kind in (x509.BasicConstraints, x509.KeyUsage, x509.NameConstraints, x509.SubjectKeyIdentifier):
        assert new.get_extension_for_class(kind) == old.get_extension_for_class(kind)
    own = new.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert (own.key_identifier, own.authority_cert_serial_number) == (b"\xde\xad", None)


def test_a_renewed_authority_of_version_1_has_extensions(tmp_path: Path) -> None:
    """The old form says nothing of itself; its successor says that it is an authority."""
    store = adopt_store(tmp_path / "ca", AuthorityFiles(*write_v1_authority(tmp_path)), PASSPHRASE, now=NOW)
    new = renew_authority(Issuer(store, PASSPHRASE), now=NOW).extensions
    assert new.get_extension_for_class(x509.BasicConstraints).value.ca


def test_an_authority_below_another_does_not_renew_itself(tmp_path: Path) -> None:
    """Its certificate would be self-signed, and the one above it would no longer vouch for it."""
    above = make_authority("Root CA", key_type="ec:p256", now=NOW)
    below = authority_from_key(make_key("ec:p256"), make_subject("Home CA").name, now=NOW)
    certificate = cross_signed(below, above, now=NOW)
    (tmp_path / "ca.crt").write_bytes(certificate.public_bytes(Encoding.PEM))
    (tmp_path / "ca.key").write_bytes(key_pem(below.key, PASSPHRASE))
    store = adopt_store(tmp_path / "ca", AuthorityFiles(tmp_path / "ca.crt", tmp_path / "ca.key"), PASSPHRASE, now=NOW)
    issuer = Issuer(store, PASSPHRASE)
    with pytest.raises(AuthorityError, match="signed by another one, which must renew it"):
        renew_authority(issuer, now=NOW)
    with pytest.raises(AuthorityError, match="signed by another one, which must replace it"):
        roll_over(issuer, key_type="ec:p256", now=NOW)
    assert store.certificate() == certificate


@pytest.fixture
def adopted(tmp_path: Path, openssl: Callable[..., str]) -> Callable[..., Store]:
    """An authority made by openssl with these extensions, and taken over."""

    def make(*extensions: str) -> Store:
        openssl("genrsa", "-aes256", "-passout", "pass:open sesame", "-out", tmp_path / "ca.key", "2048")
        more = [word for one in extensions for word in ("-addext", one)]
        openssl("req", "-new", "-x509", "-days", "9999", "-key", tmp_path / "ca.key", "-passin", "pass:open sesame",
                "-subj", "/CN=Home CA", *more, "-out", tmp_path / "ca.crt")  # fmt: skip
        return adopt_store(
            tmp_path / "ca", AuthorityFiles(tmp_path / "ca.crt", tmp_path / "ca.key"), PASSPHRASE, now=NOW
        )

    return make


@pytest.mark.parametrize(
    ("constraint", "grant", "words"),
    [
        ("permitted;email:example.com", Grant(emails=("alice@example.org",)), "permitted subtree violation"),
        ("excluded;DNS:example.com", Grant(dns_names=("a.example.com",)), "excluded subtree violation"),
        ("permitted;DNS:example.com", Grant(dns_names=("example.org",)), "permitted subtree violation"),
    ],
)
def test_what_the_authority_must_not_certify_is_not_signed(
    adopted: Callable[..., Store], constraint: str, grant: Grant, words: str
) -> None:
    """RFC 5280, 4.2.1.10: OpenSSL is asked before anything is written, as each gate would ask it afterwards."""
    store = adopted(f"nameConstraints=critical,{constraint}")
    with pytest.raises(AuthorityError, match=f"no gate would admit it, so nothing was signed.*{words}"):
        Issuer(store, PASSPHRASE).issue("alice", grant, key_type="ec:p256", now=NOW)
    assert not (store.path / "alice.crt").exists()


@pytest.mark.parametrize("constraint", ["permitted;URI:.example.com", "excluded;URI:.example.com"])
def test_no_urn_is_added_where_names_are_constrained(adopted: Callable[..., Store], constraint: str) -> None:
    """A URI without a host is within no constraint about URIs (RFC 5280, 4.2.1.10), so no gate would accept it."""
    store = adopted(f"nameConstraints=critical,{constraint}")
    made = Issuer(store, PASSPHRASE).issue("alice", key_type="ec:p256", now=NOW)
    with pytest.raises(x509.ExtensionNotFound):
        store.issued(made.entry).extensions.get_extension_for_class(x509.SubjectAlternativeName)


def test_who_is_tied_to_the_authoritys_serial_is_known(adopted: Callable[..., Store]) -> None:
    """easy-rsa names the authority by its serial number; after a renewal OpenSSL finds no issuer any more."""
    store = adopted("authorityKeyIdentifier=keyid,issuer:always")
    issue(Issuer(store, PASSPHRASE))
    assert store.tied_to_serial(NOW) == ("ca",)
    authority = store.certificate()
    identifier = x509.AuthorityKeyIdentifier(None, [x509.DirectoryName(authority.subject)], authority.serial_number)
    key = store.unlock(PASSPHRASE).key
    tied = (
        x509.CertificateBuilder(
            authority.subject,
            x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "bob")]),
            make_key("ec:p256").public_key(),
            1 << 70,
            NOW,
            NOW + 9 * DAY,
        )
        .add_extension(identifier, critical=False)
        .sign(key, hashes.SHA256())
    )
    (store.path / "issued" / f"{1 << 70:X}.crt").write_bytes(tied.public_bytes(Encoding.PEM))
    assert store.tied_to_serial(NOW) == ("ca", "bob")
    assert store.tied_to_serial(NOW + 10 * DAY) == ("ca",)
