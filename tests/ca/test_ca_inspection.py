"""gatekeeper.ca.inspection: any file in plain words."""

from base64 import encodebytes
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gatekeeper.ca.admission import Trust, make_trust
from gatekeeper.ca.authority import Authority, make_authority
from gatekeeper.ca.certificates import Credential, issue_client
from gatekeeper.ca.inspection import Inspection, inspect_file
from gatekeeper.ca.keys import key_pem, make_key
from gatekeeper.ca.requests import make_request
from gatekeeper.ca.revocation import Revocation, make_crl
from gatekeeper.ca.subject import make_subject
from gatekeeper.errors import AuthorityError
from gatekeeper.gate.certificate import serial_hex
from gatekeeper.gate.verdict import Reason
from gatekeeper.x509.request import parse_request
from tests import oddities
from tests.ca.conftest import NOW
from tests.certificates import make_authority as make_test_authority
from tests.certificates import new_key
from tests.odd_requests import REFUSED

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def alice(home: Authority) -> Credential:
    return issue_client(
        home, make_subject("alice", emails=["a@example.com"]), key_type="ec:p256", now=NOW, lifetime=30 * DAY
    )


@pytest.fixture(scope="module")
def trust(home: Authority) -> Trust:
    return make_trust(home.certificate, make_crl(home, (), now=NOW), now=NOW)


def tell(
    content: bytes, trust: Trust | None, *, password: str | None = None, now: datetime = NOW
) -> tuple[Inspection, ...]:
    def ask() -> str:
        assert password is not None, "nobody should be asked"
        return password

    return inspect_file(content, "file", trust=trust, ask_password=ask, now=now)


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_a_certificate_is_explained_and_judged(alice: Credential, trust: Trust, encoding: Encoding) -> None:
    """Names, dates, purpose and key in words, and the gate's answer."""
    (one,) = tell(alice.certificate.public_bytes(encoding), trust)
    facts = dict(one.facts)
    assert facts["Subject"] == "CN=alice"
    assert facts["Issuer"] == "CN=Home CA"
    assert facts["Serial"] == serial_hex(alice.certificate.serial_number)
    assert facts["Valid"] == "2030-05-17 12:20 to 2030-06-16 12:30 UTC (ends in 30 days)"
    assert facts["Purpose"] == "signing in as a client"
    assert facts["Also named"] == "e-mail a@example.com"
    assert one.judged is not None
    assert one.judged.reason is None


def test_without_an_authority_nothing_is_judged(alice: Credential) -> None:
    """Whether a gate lets it in depends on whom the gate trusts."""
    (one,) = tell(alice.certificate_pem, None)
    assert one.judged is None


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (NOW - 3 * DAY, "(begins in 2 days)"),
        (NOW + 29 * DAY + timedelta(hours=1), "(ends in 23 hours)"),
        (NOW + 30 * DAY - timedelta(seconds=90), "(ends in 1 minute)"),
        (NOW + 33 * DAY, "(ended 3 days ago)"),
    ],
)
def test_time_is_told_as_people_tell_it(alice: Credential, now: datetime, words: str) -> None:
    """Days where it is days, hours where it is hours."""
    (one,) = tell(alice.certificate_pem, None, now=now)
    assert words in dict(one.facts)["Valid"]


def test_every_block_of_a_file_is_explained(alice: Credential, trust: Trust) -> None:
    """A chain file is two certificates; the authority is recognised as such."""
    first, second = tell(b"some text\n" + alice.chain_pem + b"more text", trust)
    assert first.title == "A certificate"
    assert second.title == "The certificate of this authority"


def test_a_foreign_authority_is_named_so(trust: Trust) -> None:
    """A CA that is not ours is a CA, and is not let in."""
    (one,) = tell(make_authority("Other", key_type="ec:p256", now=NOW).certificate_pem, trust)
    assert "authority (CA)" in one.title
    assert one.judged is not None
    assert one.judged.reason is Reason.UNTRUSTED_ISSUER


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_a_request_is_explained(encoding: Encoding) -> None:
    """What it asks for, and that it can be signed."""
    request = make_request(make_key("ec:p256"), make_subject("bob", emails=["b@example.com"]))
    (one,) = tell(request.public_bytes(encoding), None)
    assert dict(one.facts)["Asks for"] == "e-mail b@example.com"
    assert one.remark == "It can be signed: gatekeeper ca sign file"


def test_a_request_that_would_be_refused_says_why() -> None:
    """The reason of `ca sign` is told before anybody tries."""
    (one,) = tell(make_request(make_key("ec:p256"), make_subject(None)).public_bytes(Encoding.PEM), None)
    assert "no common name" in one.remark


def test_a_request_whose_name_is_no_file_says_what_to_do() -> None:
    """`ca sign` would ask for another name of the files; so it is told here, in words that can be pasted."""
    (one,) = tell(make_request(make_key("ec:p256"), make_subject("a/b")).public_bytes(Encoding.PEM), None)
    assert one.remark.startswith("It can be signed, but")
    assert one.remark.endswith("gatekeeper ca sign file --name NAME")


def test_thousands_of_names_are_cut() -> None:
    """A request may ask for as many names as it likes, and does not flood the terminal."""
    request = make_request(make_key("ec:p256"), make_subject("bob", dns_names=[f"h{n}" for n in range(2000)]))
    (one,) = tell(request.public_bytes(Encoding.PEM), None)
    assert dict(one.facts)["Asks for"].endswith("host h19 and 1980 more")


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_a_list_is_explained(home: Authority, trust: Trust, encoding: Encoding) -> None:
    """How many are revoked, which, and when the next list is due."""
    crl = make_crl(home, [Revocation(0xABCDEF, NOW)], now=NOW, number=7)
    (one,) = tell(crl.public_bytes(encoding), trust)
    assert ("Revoked", "1") in one.facts
    assert ("Number", "7") in one.facts
    assert ("", "ABCDEF since 2030-05-17") in one.facts
    assert one.remark == ""


def test_an_overdue_list_is_a_warning(home: Authority, trust: Trust) -> None:
    """A gate that goes by an overdue list lets nobody in."""
    (one,) = tell(make_crl(home, (), now=NOW - 40 * DAY, lifetime=30 * DAY).public_bytes(Encoding.PEM), trust)
    assert "admits nobody" in one.remark


def test_a_foreign_list_is_a_warning(trust: Trust) -> None:
    """A list signed by another authority, also by one of the same name, is not taken."""
    for name in ("Home CA", "Other CA"):
        other = make_authority(name, key_type="ec:p256", now=NOW)
        (one,) = tell(make_crl(other, (), now=NOW).public_bytes(Encoding.PEM), trust)
        assert "does not take it" in one.remark


def test_a_long_list_is_cut(home: Authority, trust: Trust) -> None:
    """Thousands of serials are counted, not printed."""
    crl = make_crl(home, [Revocation(serial, NOW) for serial in range(1, 100)], now=NOW)
    (one,) = tell(crl.public_bytes(Encoding.PEM), trust)
    assert ("Revoked", "99, the first 20 of which are") in one.facts
    assert len(one.facts) < 30


@pytest.mark.parametrize(("compat", "words"), [(False, "AES"), (True, "3DES")])
def test_a_bundle_is_opened_and_all_in_it_explained(alice: Credential, trust: Trust, compat: bool, words: str) -> None:
    """Its form, its key, and each certificate."""
    bundle, certificate, authority = tell(alice.bundle("secret", compat=compat), trust, password="secret")
    assert words in dict(bundle.facts)["Protection"]
    assert dict(bundle.facts)["Private key"] == "elliptic curve secp256r1"
    assert certificate.judged is not None
    assert certificate.judged.reason is None
    assert authority.title == "The certificate of this authority"


def test_a_bundle_of_openssl_is_opened(alice: Credential, tmp_path: Path, openssl: Callable[..., str]) -> None:
    """The recipe's `openssl pkcs12 -export`, and a bundle without its key."""
    (tmp_path / "a.crt").write_bytes(alice.certificate_pem)
    (tmp_path / "a.key").write_bytes(alice.key_pem())
    openssl("pkcs12", "-export", "-in", tmp_path / "a.crt", "-inkey", tmp_path / "a.key", "-passout", "pass:x",
            "-out", tmp_path / "a.pfx")  # fmt: skip
    bundle, _ = tell((tmp_path / "a.pfx").read_bytes(), None, password="x")
    assert bundle.remark == ""
    openssl("pkcs12", "-export", "-in", tmp_path / "a.crt", "-nokeys", "-passout", "pass:x", "-out", tmp_path / "n.pfx")
    bundle, *_ = tell((tmp_path / "n.pfx").read_bytes(), None, password="x")
    assert "one of them is missing" in bundle.remark


def test_a_wrong_password_is_a_sentence(alice: Credential) -> None:
    """The file is named, and no traceback is shown."""
    with pytest.raises(AuthorityError, match="wrong password for file"):
        tell(alice.bundle("secret"), None, password="wrong")


def test_a_key_is_described_but_not_opened() -> None:
    """Whether it is protected is what matters; nobody is asked for its passphrase."""
    (open_key,) = tell(key_pem(make_key("ec:p256")), None)
    assert "whoever reads this file has the key" in dict(open_key.facts)["Protection"]
    (closed,) = tell(key_pem(make_key("ec:p256"), b"secret"), None)
    assert "encrypted" in dict(closed.facts)["Protection"]


@pytest.mark.parametrize("content", [b"", b"hello", b"\x30\x03\x02\x01\x05", b"\x00" * 50])
def test_what_is_nothing_of_it_is_a_sentence(content: bytes) -> None:
    """Any other file is named as such."""
    with pytest.raises(AuthorityError, match="neither a certificate nor"):
        tell(content, None)


@pytest.mark.parametrize("form", ["pem", "der"])
def test_a_request_that_cannot_be_signed_is_explained(form: str) -> None:
    """Bytes that a name claims to be text and are not: what else it says is shown, and why it would not be signed."""
    request = parse_request(REFUSED["a name that is no valid UTF-8"][0])
    (found,) = tell(getattr(request, form), None)
    assert dict(found.facts)["Subject"] == r"CN=al\FF\FE"
    assert "no valid form of their string type" in found.remark


@pytest.mark.parametrize("label", ["CERTIFICATE", "CERTIFICATE REQUEST", "X509 CRL"])
def test_a_damaged_block_is_a_sentence(label: str) -> None:
    """A block that cannot be read is named by its kind."""
    with pytest.raises(AuthorityError, match=f"the {label} in it is damaged"):
        tell(f"-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n".encode(), None)


def test_a_block_of_another_kind_is_passed_over() -> None:
    """DH parameters and the like do no harm."""
    (one,) = tell(b"-----BEGIN DH PARAMETERS-----\nAAAA\n-----END DH PARAMETERS-----\n", None)
    assert "of no use" in one.remark


def test_a_hostile_name_cannot_drive_the_terminal(home: Authority) -> None:
    """Escape sequences in a stranger's request come out as text."""
    request = make_request(make_key("ec:p256"), make_subject("bob", uris=["x:\x1b]0;owned\x07"]))
    (one,) = tell(request.public_bytes(Encoding.PEM), None)
    values = [value for _, value in one.facts]
    assert any("owned" in value for value in values)
    assert all(value.isprintable() for value in values)


ODD = oddities.oddities(ISSUER := make_test_authority("Home CA"), new_key())


@pytest.fixture(scope="module")
def odd_trust() -> Trust:
    return make_trust(ISSUER.certificate, None, now=datetime.now(UTC))


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("form", ["DER", "PEM", "X509 CERTIFICATE"])
def test_an_odd_certificate_is_told_too(odd_trust: Trust, kind: str, form: str) -> None:
    """What OpenSSL reads is explained, or refused in one line: never another exception."""
    der = ODD[kind]
    label = b"X509 CERTIFICATE" if form == "X509 CERTIFICATE" else b"CERTIFICATE"
    pem = b"-----BEGIN " + label + b"-----\n" + encodebytes(der) + b"-----END " + label + b"-----\n"
    told: tuple[Inspection, ...] = ()
    with suppress(AuthorityError):
        told = tell(der if form == "DER" else pem, odd_trust, now=datetime.now(UTC))
    if told:
        assert dict(told[0].facts)["SHA-256"] == sha256(der).hexdigest()
        assert told[0].judged is not None or told[0].remark
    else:
        assert kind.startswith("frame: ") or kind in oddities.NOT_EVEN_SENT
