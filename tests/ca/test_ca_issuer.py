"""gatekeeper.ca.issuer and gatekeeper.ca.transaction: what an unlocked authority does in its folder."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from gatekeeper.ca.bundle import read_bundle
from gatekeeper.ca.creation import AuthorityFiles, NewAuthority, adopt_store, create_store
from gatekeeper.ca.issuer import Grant, Issuer
from gatekeeper.ca.keys import key_is_encrypted, load_key, make_key
from gatekeeper.ca.revocation import RevocationReason
from gatekeeper.ca.rollover import renew_authority
from gatekeeper.ca.store import Store
from gatekeeper.ca.subject import make_subject
from gatekeeper.ca.transaction import BundleOptions
from gatekeeper.errors import AuthorityError
from gatekeeper.gate.certificate import read_certificate
from tests.ca.conftest import NOW, PASSPHRASE, issue, request, revoked

DAY = timedelta(days=1)


# Issuing


def test_one_step_makes_all_of_a_client(issuer: Issuer, store: Store) -> None:
    """Key, request, certificate and bundle come together, belong together, and are in the index."""
    made = issue(issuer, grant=Grant(("ops",), ("a@example.com",)))
    assert {path.name for path in made.files} == {"alice.key", "alice.csr", "alice.crt", "alice.p12"}
    certificate = x509.load_pem_x509_certificate((store.path / "alice.crt").read_bytes())
    assert store.index().entries == (made.entry,)
    assert store.issued(made.entry) == certificate
    key = load_key((store.path / "alice.key").read_bytes(), PASSPHRASE, "alice.key")
    assert key.public_key() == certificate.public_key()
    assert made.password
    bundle = read_bundle((store.path / "alice.p12").read_bytes(), made.password, "alice.p12")
    assert (bundle.certificate, bundle.others) == (certificate, (store.certificate(),))
    read = read_certificate(certificate.public_bytes(Encoding.DER))
    assert (read.subject, read.emails) == ("CN=alice,OU=ops", ("a@example.com",))


def test_a_clients_key_is_encrypted(issuer: Issuer, store: Store) -> None:
    """Who steals the folder steals no client's key."""
    issue(issuer)
    assert key_is_encrypted((store.path / "alice.key").read_bytes())


def test_a_given_password_is_taken_and_not_told(issuer: Issuer, store: Store) -> None:
    """A password that was given is used, and is no part of the answer."""
    made = issue(issuer, bundle=BundleOptions("given by hand"))
    assert made.password is None
    assert read_bundle((store.path / "alice.p12").read_bytes(), "given by hand", "alice.p12").key


def test_an_empty_password_changes_nothing(issuer: Issuer, store: Store) -> None:
    """When the bundle is refused, so is everything else of the step."""
    before = store.index()
    with pytest.raises(AuthorityError, match="empty password"):
        issue(issuer, bundle=BundleOptions(""))
    assert store.index() == before
    assert not (store.path / "alice.crt").exists()


@pytest.mark.parametrize("name", ["../evil", "ca", "", " ", "-x", "a/b", "x" * 65])
def test_a_name_that_is_no_file_is_refused(name: str, issuer: Issuer, store: Store) -> None:
    """Nothing is written outside the folder, or over the authority's own files."""
    with pytest.raises(AuthorityError):
        issue(issuer, name)
    assert store.index().entries == ()


def test_a_name_in_use_is_not_given_again(issuer: Issuer) -> None:
    """Two certificates of one name at once would make revoking one a riddle; case does not make another name."""
    issue(issuer)
    with pytest.raises(AuthorityError, match="gatekeeper ca renew"):
        issue(issuer)
    with pytest.raises(AuthorityError, match="differ only in case"):
        issue(issuer, "Alice")


def test_a_name_is_free_again_after_expiry_and_revocation(issuer: Issuer, store: Store) -> None:
    """What has ended does not block its successor."""
    first = issue(issuer, lifetime=DAY)
    second = issue(issuer, now=NOW + 2 * DAY)
    issuer.revoke((second.entry.serial,), RevocationReason.KEY_COMPROMISE, now=NOW + 3 * DAY)
    issue(issuer, now=NOW + 4 * DAY)
    assert len(store.index().named("alice")) == 3
    assert len({first.entry.serial, *(entry.serial for entry in store.index().entries)}) == 3


def test_a_key_that_was_there_before_is_not_overwritten(issuer: Issuer, store: Store) -> None:
    """The recipe's user.key in an adopted folder is not ours to replace."""
    (store.path / "user.key").write_text("precious")
    with pytest.raises(AuthorityError, match="was not made here"):
        issue(issuer, "user")
    assert (store.path / "user.key").read_text() == "precious"


def test_no_certificate_outlives_its_authority(issuer: Issuer, store: Store) -> None:
    """A certificate that would is shortened, and the answer says so."""
    made = issue(issuer, lifetime=3700 * DAY)
    assert made.entry.not_after == store.certificate().not_valid_after_utc
    assert made.shortened
    assert not issue(issuer, "bob", lifetime=30 * DAY).shortened


def test_an_expired_authority_signs_nothing(issuer: Issuer, store: Store) -> None:
    """It says how to renew it, and revoking still works."""
    made = issue(issuer)
    late = NOW + 3651 * DAY
    with pytest.raises(AuthorityError, match="gatekeeper ca renew ca"):
        issue(issuer, "bob", now=late)
    issuer.revoke((made.entry.serial,), RevocationReason.UNSPECIFIED, now=late)
    assert revoked(store) == {made.entry.serial}


def test_what_cannot_stand_in_a_certificate_is_a_sentence(issuer: Issuer) -> None:
    """A host name that is not ASCII is refused without a traceback."""
    with pytest.raises(AuthorityError, match="neither a host name"):
        issue(issuer, grant=Grant(dns_names=("bücher.example",)))


def test_a_server_starts_without_a_passphrase(issuer: Issuer, store: Store) -> None:
    """A server's key is 0600 and unencrypted, its certificate for servers only, and there is no bundle."""
    made = issuer.issue_server("web", ("localhost", "127.0.0.1"), key_type="ec:p256", now=NOW)
    assert {path.suffix for path in made.files} == {".key", ".csr", ".crt"}
    assert load_key((store.path / "web.key").read_bytes(), None, "web.key")
    assert (store.path / "web.key").stat().st_mode & 0o777 == 0o600
    usage = store.issued(made.entry).extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]
    with pytest.raises(AuthorityError, match="is a server"):
        issuer.bundle("web", BundleOptions(), now=NOW)


def test_a_server_of_no_host_is_a_sentence(issuer: Issuer) -> None:
    """What is neither host name nor address is refused."""
    with pytest.raises(AuthorityError, match="neither a host name"):
        issuer.issue_server("web", ("bücher.example",), key_type="ec:p256", now=NOW)


# Requests from elsewhere


def test_a_request_becomes_a_client(issuer: Issuer, store: Store) -> None:
    """Key and common name come from the request; no key and no bundle appear."""
    key = make_key("ec:p256")
    made = issuer.sign(request(key=key), "alice.csr", now=NOW)
    assert {path.name for path in made.files} == {"alice.csr", "alice.crt"}
    assert store.issued(made.entry).public_key() == key.public_key()
    assert not made.entry.holds_key


def test_only_the_common_name_is_taken(issuer: Issuer) -> None:
    """A unit that a route lets in is not had by asking for it; the answer says what was left out."""
    asked = request(make_subject("alice", organizational_units=["ops"], emails=["root@example.com"]))
    made = issuer.sign(asked, "alice.csr", now=NOW)
    assert made.entry.subject == "CN=alice"
    assert made.not_granted == ("OU=ops", "e-mail root@example.com")


def test_what_the_operator_grants_is_granted(issuer: Issuer, store: Store) -> None:
    """Names come from the operator, whatever the request says."""
    made = issuer.sign(request(), "alice.csr", Grant(("staff",), ("a@example.com",)), now=NOW)
    assert made.entry.subject == "CN=alice,OU=staff"
    assert made.not_granted == ()


def test_as_requested_takes_all_names_but_no_powers(issuer: Issuer, store: Store) -> None:
    """The whole subject and the names, at the operator's word; CA:TRUE and other purposes never."""
    key = make_key("ec:p256")
    asked = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(make_subject("alice", organizational_units=["ops"]).name)
        .add_extension(x509.BasicConstraints(ca=True, path_length=5), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.RFC822Name("a@example.com")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    made = issuer.sign(asked.public_bytes(Encoding.PEM), "alice.csr", Grant(as_requested=True), now=NOW)
    certificate = store.issued(made.entry)
    assert made.entry.subject == "CN=alice,OU=ops"
    extensions = certificate.extensions
    assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert not extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    usage = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.RFC822Name) == ["a@example.com"]


def test_a_request_whose_name_is_no_file_can_be_called_otherwise(issuer: Issuer) -> None:
    """The common name stays; only the files have another name."""
    asked = request(make_subject("../../etc/cron.d/alice"))
    with pytest.raises(AuthorityError, match="file name must not; call the files otherwise: --name NAME"):
        issuer.sign(asked, "x.csr", now=NOW)
    made = issuer.sign(asked, "x.csr", name="alice", now=NOW)
    assert {path.name for path in made.files} == {"alice.csr", "alice.crt"}
    assert made.entry.subject == "CN=../../etc/cron.d/alice"


@pytest.mark.parametrize("name", ["al\u3164ice", "al\u034fice", "alice\ufe0f"])
def test_no_certificate_gets_a_name_that_only_looks_like_another(name: str, issuer: Issuer, store: Store) -> None:
    """`str.isprintable` passes these invisible characters; the gate's own check does not."""
    with pytest.raises(AuthorityError, match="no gate would admit it"):
        issuer.issue(name, now=NOW)
    with pytest.raises(AuthorityError, match="no gate would admit it"):
        issuer.issue("alice", Grant(organizational_units=(name,)), now=NOW)
    assert store.index().entries == ()


@pytest.mark.parametrize("uri", ["x:a\nb", "x:a\x00b", "x:\x1b[31m"])
def test_names_that_no_gate_lets_in_are_not_signed(uri: str, issuer: Issuer, store: Store) -> None:
    """A request may ask for names with line ends and escapes; --as-requested does not grant what the gate refuses."""
    with pytest.raises(AuthorityError, match="no gate would admit it"):
        issuer.sign(request(make_subject("alice", uris=[uri])), "alice.csr", Grant(as_requested=True), now=NOW)
    with pytest.raises(AuthorityError, match="no gate would admit it"):
        issuer.sign(request(), "alice.csr", Grant(uris=(uri,)), now=NOW)
    assert store.index().entries == ()


def test_a_second_request_of_a_name_needs_a_word(issuer: Issuer, store: Store) -> None:
    """Whoever sends a request in alice's name does not take her place unless the operator says so."""
    first = issuer.sign(request(), "alice.csr", now=NOW)
    with pytest.raises(AuthorityError, match="has a certificate until"):
        issuer.sign(request(), "alice.csr", now=NOW)
    second = issuer.sign(request(), "alice.csr", replace_older=True, now=NOW)
    assert second.superseded == (first.entry,)
    assert revoked(store) == {first.entry.serial}


def test_a_stolen_key_is_not_certified_again(issuer: Issuer) -> None:
    """After a compromise neither the same request nor another one for that key is signed."""
    key = make_key("ec:p256")
    made = issuer.sign(request(key=key), "alice.csr", now=NOW)
    issuer.revoke((made.entry.serial,), RevocationReason.KEY_COMPROMISE, now=NOW)
    with pytest.raises(AuthorityError, match="compromised"):
        issuer.sign(request(make_subject("bob"), key=key), "bob.csr", now=NOW)


# Bundles


def test_a_bundle_is_made_again(issuer: Issuer, store: Store) -> None:
    """A new password each time, the same key and certificate."""
    first = issue(issuer)
    again = issuer.bundle("alice", BundleOptions(compat=True), now=NOW)
    assert [path.name for path in again.files] == ["alice.p12"]
    assert again.password not in (None, first.password)
    bundle = read_bundle((store.path / "alice.p12").read_bytes(), again.password or "", "alice.p12")
    assert bundle.certificate == store.issued(first.entry)


def test_a_bundle_is_never_made_with_anothers_key(issuer: Issuer, store: Store) -> None:
    """A key file that was swapped is noticed."""
    issue(issuer)
    issue(issuer, "bob")
    (store.path / "alice.key").write_bytes((store.path / "bob.key").read_bytes())
    with pytest.raises(AuthorityError, match="not the key that was certified"):
        issuer.bundle("alice", BundleOptions(), now=NOW)


# Revoking, and the list


def test_revoking_writes_the_list_at_once(issuer: Issuer, store: Store) -> None:
    """The list in the folder has the serial, its date and its reason, and a higher number."""
    made = issue(issuer)
    number = store.index().crl_number
    issuer.revoke((made.entry.serial,), RevocationReason.KEY_COMPROMISE, now=NOW + DAY)
    entry = store.crl().get_revoked_certificate_by_serial_number(made.entry.serial)
    assert entry is not None
    assert entry.revocation_date_utc == NOW + DAY
    assert store.index().crl_number == number + 1


def test_a_serial_from_before_the_adoption_can_be_revoked(issuer: Issuer, store: Store) -> None:
    """`-set_serial 01` of the recipe is not in the index, and is in the list all the same."""
    issuer.revoke((1,), RevocationReason.UNSPECIFIED, now=NOW)
    issue(issuer)
    assert revoked(store) == {1}


def test_the_lists_life_is_cached(issuer: Issuer, store: Store) -> None:
    """`ca crl --days 90` holds for the lists that other commands write later."""
    issuer.rewrite_crl(90 * DAY, now=NOW)
    issue(issuer, now=NOW + DAY)
    assert store.crl().next_update_utc == NOW + 91 * DAY
    assert issuer.rewrite_crl(now=NOW + 2 * DAY).next_update_utc == NOW + 92 * DAY


def test_every_command_refreshes_the_list(issuer: Issuer, store: Store) -> None:
    """A list that runs out shuts the gate, so whoever has the key at hand signs it anew."""
    issuer.rewrite_crl(30 * DAY, now=NOW)
    issue(issuer, now=NOW + 20 * DAY)
    assert store.crl().next_update_utc == NOW + 50 * DAY


def test_a_list_holds_as_long_as_the_authority_unless_it_is_told(issuer: Issuer, store: Store) -> None:
    """A list that ends earlier than it must locks everyone out; a renewed authority's list is as long as it is."""
    end = store.certificate().not_valid_after_utc
    assert store.crl().next_update_utc == end
    assert issuer.rewrite_crl(30 * DAY, now=NOW).next_update_utc == NOW + 30 * DAY
    assert issuer.rewrite_crl(whole_life=True, now=NOW).next_update_utc == end
    renewed = renew_authority(issuer, now=NOW + 100 * DAY)
    assert store.crl().next_update_utc == renewed.not_valid_after_utc > end


@pytest.mark.parametrize("host", ["a b", "a,b", "-a", "a..b", "", "bücher.example", "a/b", "x" * 64])
def test_a_server_has_real_names(issuer: Issuer, host: str) -> None:
    """A name that is neither a host name nor an address matches no server (RFC 9525, 6.3)."""
    with pytest.raises(AuthorityError, match="neither a host name"):
        issuer.issue_server("web", (host,), key_type="ec:p256", now=NOW)


# The recipe, adopted


def test_the_recipes_request_is_signed_by_the_adopted_authority(tmp_path: Path, openssl: Callable[..., str]) -> None:
    """openssl made authority, key and request; gatekeeper signs; openssl verifies, and makes the recipe's bundle."""
    password = ("-passin", "pass:open sesame")
    openssl("genrsa", "-aes256", "-passout", "pass:open sesame", "-out", tmp_path / "ca.key", "2048")
    openssl("req", "-new", "-x509", "-days", "365", "-key", tmp_path / "ca.key", *password,
            "-subj", "/C=DE/O=Home/CN=Home CA", "-out", tmp_path / "ca.crt")  # fmt: skip
    openssl("genrsa", "-aes256", "-passout", "pass:open sesame", "-out", tmp_path / "user.key", "2048")
    openssl("req", "-new", "-key", tmp_path / "user.key", *password, "-subj", "/C=DE/O=Home/CN=user",
            "-out", tmp_path / "user.csr")  # fmt: skip
    now = x509.load_pem_x509_certificate((tmp_path / "ca.crt").read_bytes()).not_valid_before_utc + timedelta(hours=1)
    store = adopt_store(tmp_path / "ca", AuthorityFiles(tmp_path / "ca.crt", tmp_path / "ca.key"), PASSPHRASE, now=now)
    Issuer(store, PASSPHRASE).sign((tmp_path / "user.csr").read_bytes(), "user.csr", Grant(as_requested=True), now=now)
    at = ("-attime", int(now.timestamp()))
    crl = ("-crl_check", "-CRLfile", store.path / "ca.crl")
    trust = ("-purpose", "sslclient", "-CAfile", tmp_path / "ca.crt")
    assert "OK" in openssl("verify", *at, *crl, *trust, store.path / "user.crt")
    said = openssl("x509", "-in", store.path / "user.crt", "-noout", "-text", "-nameopt", "RFC2253")
    for words in ("Version: 3", "TLS Web Client Authentication", "CN=user,O=Home,C=DE", "CA:FALSE"):
        assert words in said
    openssl("pkcs12", "-export", "-out", tmp_path / "user.pfx", "-inkey", tmp_path / "user.key", *password,
            "-in", store.path / "user.crt", "-certfile", store.path / "ca.crt", "-passout", "pass:x")  # fmt: skip


def test_openssl_takes_over_what_gatekeeper_made(store: Store, issuer: Issuer, openssl: Callable[..., str]) -> None:
    """The store's key signs in openssl's hands: files are ordinary, nobody is locked in."""
    issue(issuer)
    folder = store.path
    openssl("x509", "-req", "-days", "365", "-in", folder / "alice.csr", "-CA", folder / "ca.crt", "-CAkey",
            folder / "ca.key", "-passin", "pass:open sesame", "-set_serial", "01",
            "-out", folder / "by-hand.crt")  # fmt: skip
    openssl("pkey", "-in", folder / "alice.key", "-passin", "pass:open sesame", "-noout")


def test_the_default_key_is_the_recipes(tmp_path: Path) -> None:
    """Without a wish the authority has RSA with 4096 bits."""
    store = create_store(tmp_path / "ca", NewAuthority("Home CA"), PASSPHRASE, now=NOW)
    assert store.certificate().public_key().key_size == 4096
