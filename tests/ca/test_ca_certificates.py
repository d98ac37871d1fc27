"""gatekeeper.ca.certificates"""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

import gatekeeper.ca
from gatekeeper.ca.authority import Authority, authority_from_key, make_authority, random_serial
from gatekeeper.ca.certificates import client_uri, issue_client, issue_server, self_signed
from gatekeeper.ca.subject import common_name, make_subject
from gatekeeper.gate.certificate import read_certificate

DAY = timedelta(days=1)


def extension(certificate: x509.Certificate, kind: Any) -> Any:
    return certificate.extensions.get_extension_for_class(kind)


def test_the_packages_example_runs(now: datetime) -> None:
    """The lines in the package's docstring are right."""
    text = gatekeeper.ca.__doc__
    example = text.split("passphrase::")[1].split("These functions")[0].replace("\n    ", "\n")
    names = {"password": "secret"}
    exec("from cryptography.hazmat.primitives.serialization import Encoding\n" + example, names)
    assert names["crl"].get_revoked_certificate_by_serial_number(names["alice"].certificate.serial_number)  # type: ignore[attr-defined]


def test_an_authority_may_sign_and_nothing_else(home: Authority) -> None:
    """The CA certificate is v3: CA of one level, keyUsage for signing only, SKI and AKI the same."""
    certificate = home.certificate
    assert certificate.version is x509.Version.v3
    constraints = extension(certificate, x509.BasicConstraints)
    assert constraints.critical
    assert (constraints.value.ca, constraints.value.path_length) == (True, 0)
    usage = extension(certificate, x509.KeyUsage)
    assert usage.critical
    assert usage.value.key_cert_sign
    assert usage.value.crl_sign
    assert not usage.value.digital_signature
    identifier = extension(certificate, x509.SubjectKeyIdentifier).value
    assert extension(certificate, x509.AuthorityKeyIdentifier).value.key_identifier == identifier.digest


def test_a_client_certificate_is_for_clients_only(home: Authority, now: datetime) -> None:
    """Leaves are no CAs, sign digitally only, have clientAuth only, and point to the authority's key."""
    certificate = issue_client(home, "alice", key_type="ec:p256", now=now).certificate
    assert certificate.version is x509.Version.v3
    assert not extension(certificate, x509.BasicConstraints).value.ca
    assert extension(certificate, x509.KeyUsage).value.digital_signature
    assert not extension(certificate, x509.KeyUsage).value.key_cert_sign
    assert list(extension(certificate, x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert extension(certificate, x509.SubjectKeyIdentifier)
    authority = extension(home.certificate, x509.SubjectKeyIdentifier).value.digest
    assert extension(certificate, x509.AuthorityKeyIdentifier).value.key_identifier == authority


def test_a_server_certificate_is_for_servers_only(home: Authority, now: datetime) -> None:
    """Host names and addresses are told apart, and the purpose is serverAuth alone."""
    certificate = issue_server(home, "localhost", "127.0.0.1", "::1", key_type="ec:p256", now=now).certificate
    assert list(extension(certificate, x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.SERVER_AUTH]
    names = extension(certificate, x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]


@pytest.mark.parametrize(("key_type", "enciphers"), [("rsa:2048", True), ("ec:p256", False), ("ed25519", False)])
def test_a_servers_rsa_key_may_encipher_keys(home: Authority, now: datetime, key_type: str, enciphers: bool) -> None:
    """The RSA key exchange of TLS 1.2 needs it (RFC 5246, 7.4.2); no other key, and no client, gets that usage."""
    server = issue_server(home, "localhost", key_type=key_type, now=now).certificate
    assert extension(server, x509.KeyUsage).value.digital_signature
    assert extension(server, x509.KeyUsage).value.key_encipherment is enciphers
    client = issue_client(home, "alice", key_type=key_type, now=now).certificate
    assert not extension(client, x509.KeyUsage).value.key_encipherment


def test_what_is_granted_stands_in_the_certificate(home: Authority, now: datetime) -> None:
    """Units go into the subject, e-mail, DNS and URI into the alternative names."""
    subject = make_subject(
        "alice",
        organizational_units=["ops", "dev"],
        emails=["a@example.com"],
        dns_names=["a.example.com"],
        uris=["https://example.com/a"],
    )
    credential = issue_client(home, subject, key_type="ec:p256", now=now)
    read = read_certificate(credential.certificate.public_bytes(Encoding.DER))
    assert read.subject == "CN=alice,OU=dev,OU=ops"
    assert (read.emails, read.dns_names, read.uris) == (
        ("a@example.com",),
        ("a.example.com",),
        ("https://example.com/a",),
    )


def test_a_client_without_names_gets_one_that_stays(home: Authority, now: datetime) -> None:
    """The urn:uuid: name is the same at each renewal, another for each client and each authority."""
    first = issue_client(home, "alice", key_type="ec:p256", now=now)
    again = issue_client(home, "alice", key_type="ec:p256", now=now + 300 * DAY)
    names = extension(first.certificate, x509.SubjectAlternativeName).value
    assert names == extension(again.certificate, x509.SubjectAlternativeName).value
    assert list(names) == [client_uri(home, "alice")]
    other = make_authority("Home CA", key_type="ec:p256", now=now)
    assert len({client_uri(home, "alice").value, client_uri(home, "bob").value, client_uri(other, "alice").value}) == 3


def test_times_are_now_and_the_lifetime(home: Authority, now: datetime) -> None:
    """A certificate begins ten minutes early, for clocks that lag, and ends when its lifetime is over."""
    certificate = issue_client(home, "alice", key_type="ec:p256", now=now, lifetime=30 * DAY).certificate
    assert certificate.not_valid_before_utc == now - timedelta(minutes=10)
    assert certificate.not_valid_after_utc == now + 30 * DAY


def test_names_that_no_gate_lets_in_can_be_made(home: Authority, now: datetime) -> None:
    """The pure functions make blank and missing names, for the demo and the tests of the gate."""
    assert common_name(issue_client(home, " ", key_type="ec:p256", now=now).certificate.subject) == " "
    nameless = issue_client(home, None, key_type="ec:p256", now=now).certificate
    assert not nameless.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert extension(nameless, x509.SubjectAlternativeName).critical


def test_what_cannot_stand_in_a_certificate_is_an_error() -> None:
    """An empty name, one of 65 characters, and a non-ASCII host name raise ValueError."""
    for wrong in ({"name": ""}, {"name": "x" * 65}, {"name": "a", "dns_names": ["bücher.example"]}):
        with pytest.raises(ValueError, match=r"."):
            make_subject(**wrong)


def test_a_self_signed_certificate_is_nobodys(now: datetime) -> None:
    """It is its own issuer, and no CA."""
    credential = self_signed("alice", key_type="ec:p256", now=now)
    assert credential.certificate.subject == credential.certificate.issuer
    assert credential.authority is None
    assert credential.chain_pem == credential.certificate_pem
    assert not extension(credential.certificate, x509.BasicConstraints).value.ca


def test_serials_are_random_and_out_of_a_persons_way() -> None:
    """Serials have up to 128 bits, are positive and larger than anybody counts, and differ."""
    serials = {random_serial() for _ in range(500)}
    assert len(serials) == 500
    assert all(1 << 64 <= serial < 1 << 128 for serial in serials)


def test_a_serial_that_is_taken_or_small_is_drawn_again() -> None:
    """What a person may have counted to by hand, and what was used before, is not used."""
    drawn = iter([0, 1, (1 << 64) - 1, 1 << 70, 1 << 71])
    assert random_serial({1 << 70}, lambda: next(drawn)) == 1 << 71


def test_a_renewed_authority_keeps_key_and_identifier(home: Authority, now: datetime) -> None:
    """What was signed before a renewal is verified by the certificate after it."""
    alice = issue_client(home, "alice", key_type="ec:p256", now=now).certificate
    renewed = authority_from_key(home.key, home.certificate.subject, now=now + 300 * DAY)
    alice.verify_directly_issued_by(renewed.certificate)
    assert extension(renewed.certificate, x509.SubjectKeyIdentifier) == extension(
        home.certificate, x509.SubjectKeyIdentifier
    )


@pytest.mark.parametrize("authority_key", ["rsa:2048", "ec:p256", "ec:p384", "ec:p521", "ed25519"])
def test_openssl_verifies_what_each_kind_of_authority_signs(
    authority_key: str, now: datetime, tmp_path: Path, openssl: Any
) -> None:
    """`openssl verify` accepts clients as sslclient and servers as sslserver, and not the other way round."""
    home = make_authority("Home CA", key_type=authority_key, now=now)
    (tmp_path / "ca.crt").write_bytes(home.certificate_pem)
    (tmp_path / "client.crt").write_bytes(issue_client(home, "alice", key_type="ec:p256", now=now).certificate_pem)
    (tmp_path / "server.crt").write_bytes(issue_server(home, "localhost", key_type="ec:p256", now=now).certificate_pem)
    at = ("-attime", int(now.timestamp()), "-x509_strict", "-CAfile", tmp_path / "ca.crt")
    assert "OK" in openssl("verify", *at, "-purpose", "sslclient", tmp_path / "client.crt")
    assert "OK" in openssl("verify", *at, "-purpose", "sslserver", tmp_path / "server.crt")
    with pytest.raises(AssertionError, match="purpose"):
        openssl("verify", *at, "-purpose", "sslclient", tmp_path / "server.crt")
    with pytest.raises(AssertionError, match="purpose"):
        openssl("verify", *at, "-purpose", "sslserver", tmp_path / "client.crt")
