"""gatekeeper.ca.admission: the same answer as a gate; tests/cli/test_cli_ca_commands.py compares the two."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtensionOID

from gatekeeper.ca.admission import Trust, admission, make_trust
from gatekeeper.ca.authority import Authority, make_authority
from gatekeeper.ca.certificates import issue_client, issue_server, self_signed
from gatekeeper.ca.keys import load_key, make_key
from gatekeeper.ca.revocation import Revocation, make_crl
from gatekeeper.ca.subject import make_subject
from gatekeeper.errors import BindingError
from gatekeeper.gate.verdict import Reason

DAY = timedelta(days=1)
EC = "ec:p256"


@pytest.fixture(scope="module")
def trust(home: Authority, now: datetime) -> Trust:
    return make_trust(home.certificate, make_crl(home, [Revocation(4711, now)], now=now), now=now)


def trust_in(folder: Path, now: datetime, *revoked: Revocation) -> Trust:
    """In the authority that openssl made in this folder."""
    certificate = x509.load_pem_x509_certificate((folder / "ca.crt").read_bytes())
    key = load_key((folder / "ca.key").read_bytes(), None, "ca.key")
    return make_trust(certificate, make_crl(Authority(certificate, key), revoked, now=now), now=now)


def test_a_good_one_is_let_in(home: Authority, trust: Trust, now: datetime) -> None:
    """Signed, for clients, in its time, named, not revoked."""
    answer = admission(issue_client(home, "alice", key_type=EC, now=now, lifetime=30 * DAY).certificate, trust)
    assert answer.reason is None
    assert "2030-06-16" in answer.detail


def test_each_kind_of_bad_one_has_its_reason(home: Authority, trust: Trust, now: datetime) -> None:
    """Every state that a certificate can be in is named by the gate's own word."""
    foreign = make_authority("Other CA", key_type=EC, now=now)
    namesake = make_authority("Home CA", key_type=EC, now=now)
    states = {
        Reason.EXPIRED: [issue_client(home, "a", key_type=EC, now=now - 9 * DAY, lifetime=DAY)],
        Reason.NOT_YET_VALID: [issue_client(home, "a", key_type=EC, now=now + DAY)],
        Reason.REVOKED: [issue_client(home, "a", key_type=EC, now=now, serial=4711)],
        Reason.UNTRUSTED_ISSUER: [
            issue_client(foreign, "a", key_type=EC, now=now),
            issue_client(namesake, "a", key_type=EC, now=now),
            self_signed("a", key_type=EC, now=now),
            self_signed("Home CA", key_type=EC, now=now),
        ],
        Reason.WRONG_PURPOSE: [issue_server(home, "a", key_type=EC, now=now)],
        Reason.BLANK_NAME: [
            issue_client(home, " ", key_type=EC, now=now),
            issue_client(home, None, key_type=EC, now=now),
        ],
    }
    for reason, credentials in states.items():
        for credential in credentials:
            assert admission(credential.certificate, trust).reason is reason


def test_who_cannot_be_trusted_is_not_told_about_dates(trust: Trust, now: datetime) -> None:
    """An expired certificate of a foreign authority is foreign first."""
    foreign = make_authority("Other CA", key_type=EC, now=now)
    old = issue_client(foreign, "a", key_type=EC, now=now - 9 * DAY, lifetime=DAY)
    assert admission(old.certificate, trust).reason is Reason.UNTRUSTED_ISSUER


def test_an_expired_authority_lets_nobody_in(home: Authority, now: datetime) -> None:
    """The path is as valid as its oldest part."""
    later = now + 3651 * DAY
    alice = issue_client(home, "alice", key_type=EC, now=later).certificate
    answer = admission(alice, make_trust(home.certificate, make_crl(home, (), now=later), now=later))
    assert answer.reason is Reason.EXPIRED
    assert "authority" in answer.detail


def test_the_authority_is_no_client(home: Authority, trust: Trust) -> None:
    """The CA's own certificate signs; it does not sign in."""
    assert admission(home.certificate, trust).reason is Reason.WRONG_PURPOSE


def test_the_recipes_certificate_without_extensions_is_let_in(tmp_path: Path, openssl: Callable[..., str]) -> None:
    """`openssl x509 -req` makes version 1, since OpenSSL 3.2 version 3 with key identifiers: neither says anything
    about its purpose, and both are taken."""
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "9", "-subj", "/CN=Home CA",
            "-keyout", tmp_path / "ca.key", "-out", tmp_path / "ca.crt")  # fmt: skip
    openssl("req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=user",
            "-keyout", tmp_path / "u.key", "-out", tmp_path / "u.csr")  # fmt: skip
    openssl("x509", "-req", "-days", "9", "-in", tmp_path / "u.csr", "-CA", tmp_path / "ca.crt",
            "-CAkey", tmp_path / "ca.key", "-set_serial", "01", "-out", tmp_path / "u.crt")  # fmt: skip
    user = x509.load_pem_x509_certificate((tmp_path / "u.crt").read_bytes())
    now = user.not_valid_before_utc + timedelta(hours=1)
    assert {one.oid for one in user.extensions} <= {
        ExtensionOID.SUBJECT_KEY_IDENTIFIER,
        ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
    }
    assert admission(user, trust_in(tmp_path, now)).reason is None
    assert admission(user, trust_in(tmp_path, now, Revocation(1, now))).reason is Reason.REVOKED


@pytest.mark.parametrize(
    ("request_options", "sign_options"), [(("rsa:1024",), ()), (("rsa:2048",), ("-sha1",))], ids=["1024 bits", "SHA-1"]
)
def test_what_openssl_finds_too_weak_is_refused(
    request_options: tuple[str, ...], sign_options: tuple[str, ...], tmp_path: Path, openssl: Callable[..., str]
) -> None:
    """Small keys and SHA-1 signatures are refused by OpenSSL's security level 2, and here."""
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "9", "-subj", "/CN=Home CA",
            "-keyout", tmp_path / "ca.key", "-out", tmp_path / "ca.crt")  # fmt: skip
    openssl("req", "-new", "-newkey", *request_options, "-nodes", "-subj", "/CN=user",
            "-keyout", tmp_path / "u.key", "-out", tmp_path / "u.csr")  # fmt: skip
    openssl("x509", "-req", *sign_options, "-in", tmp_path / "u.csr", "-CA", tmp_path / "ca.crt",
            "-CAkey", tmp_path / "ca.key", "-set_serial", "01", "-out", tmp_path / "u.crt")  # fmt: skip
    user = x509.load_pem_x509_certificate((tmp_path / "u.crt").read_bytes())
    trust = trust_in(tmp_path, user.not_valid_before_utc + timedelta(hours=1))
    assert admission(user, trust).reason is Reason.INVALID_CERTIFICATE


def intermediate(home: Authority, now: datetime) -> Authority:
    key = make_key(EC)
    certificate = (
        x509.CertificateBuilder(home.certificate.subject, make_subject("Between").name, key.public_key(), 5)
        .not_valid_before(now - DAY)
        .not_valid_after(now + DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(home.key, hashes.SHA256())
    )
    return Authority(certificate, key)


def test_what_lies_between_counts_where_it_is_sent_along(home: Authority, trust: Trust, now: datetime) -> None:
    """OpenSSL builds the path: without the intermediate there is none; with it, our path length of 0 is exceeded."""
    between = intermediate(home, now)
    alice = issue_client(between, "alice", key_type=EC, now=now, lifetime=DAY).certificate
    assert admission(alice, trust).reason is Reason.UNTRUSTED_ISSUER
    answer = admission(alice, trust, (between.certificate,))
    assert answer.reason is Reason.INVALID_CERTIFICATE
    assert "path length constraint exceeded" in answer.detail


def test_without_a_list_in_force_nobody_is_let_in(home: Authority, now: datetime) -> None:
    """As a gate that is told to go by the list: one that is lost, overdue or another's leaves it unknown."""
    alice = issue_client(home, "alice", key_type=EC, now=now).certificate
    other = make_authority("Home CA", key_type=EC, now=now)
    for crl in (None, make_crl(home, (), now=now - 40 * DAY, lifetime=30 * DAY), make_crl(other, (), now=now)):
        assert admission(alice, make_trust(home.certificate, crl, now=now)).reason is Reason.REVOCATION_UNKNOWN


def test_where_openssl_cannot_be_asked_nothing_is_said(home: Authority, trust: Trust, now: datetime) -> None:
    """A Python that hides its OpenSSL gets no guess."""
    blind = replace(trust, tls=replace(trust.tls, openssl=None, reason="there is none"))
    with pytest.raises(BindingError, match="there is none"):
        admission(issue_client(home, "alice", key_type=EC, now=now).certificate, blind)


def test_an_unknown_critical_extension_is_refused(home: Authority, trust: Trust, now: datetime) -> None:
    """RFC 5280, 4.2: what is marked critical and not understood refuses the certificate."""
    credential = issue_client(home, "alice", key_type=EC, now=now)
    builder = (
        x509.CertificateBuilder()
        .subject_name(credential.certificate.subject)
        .issuer_name(home.certificate.subject)
        .public_key(credential.key.public_key())
        .serial_number(5)
        .not_valid_before(now - DAY)
        .not_valid_after(now + DAY)
        .add_extension(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), critical=True)
    )
    certificate = builder.sign(home.key, credential.certificate.signature_hash_algorithm)  # type: ignore[arg-type]
    assert certificate.public_bytes(Encoding.DER)
    assert admission(certificate, trust).reason is Reason.INVALID_CERTIFICATE
