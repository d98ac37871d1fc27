"""Distinguished names, held against what openssl itself prints."""

import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID

from gatekeeper.gate.names import rfc2253
from tests.tools import needs

KEY = ec.generate_private_key(ec.SECP256R1())
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def one(oid: x509.ObjectIdentifier, value: str, kind: _ASN1Type | None = None) -> x509.RelativeDistinguishedName:
    return x509.RelativeDistinguishedName([x509.NameAttribute(oid, value, kind)])


def openssl_prints(name: x509.Name) -> str:
    """The subject as ``openssl x509 -nameopt RFC2253`` shows it."""
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(KEY.public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=1))
        .sign(KEY, hashes.SHA256())
    )
    command = ["openssl", "x509", "-noout", "-subject", "-nameopt", "RFC2253"]
    done = subprocess.run(command, input=certificate.public_bytes(Encoding.PEM), capture_output=True, check=True)
    return done.stdout.decode().removeprefix("subject=").rstrip("\n")


CN, O, OU = NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME  # noqa: E741
UNKNOWN = x509.ObjectIdentifier("1.3.6.1.4.1.55555.1.2")


@pytest.mark.parametrize(
    "name",
    [
        x509.Name([one(NameOID.COUNTRY_NAME, "DE"), one(O, "Example, Inc."), one(OU, "ops"), one(CN, "alice")]),
        x509.Name([one(CN, 'quote " plus + comma , back \\ semi ; angle < > equals = hash #')]),
        x509.Name([one(CN, " leading and trailing ")]),
        x509.Name([one(CN, "#hash first")]),
        x509.Name([one(CN, " ")]),
        x509.Name([one(CN, "Zoë Ångström 愛 😀")]),
        x509.Name([one(CN, "line\nbreak\ttab\x7fdel\x01")]),
        x509.Name([one(CN, "Zoë", _ASN1Type.BMPString)]),
        x509.Name([one(NameOID.EMAIL_ADDRESS, "a@b.example"), one(NameOID.USER_ID, "u1"), one(CN, "x")]),
        x509.Name([one(NameOID.DOMAIN_COMPONENT, "example"), one(NameOID.DOMAIN_COMPONENT, "com"), one(CN, "x")]),
        x509.Name([one(UNKNOWN, "what is this"), one(CN, "x")]),
        x509.Name([one(UNKNOWN, "x" * 200), one(CN, "x")]),
        x509.Name([one(UNKNOWN, "ü"), one(CN, "x")]),
        x509.Name([one(x509.ObjectIdentifier("2.5.4.51"), "house, 1"), one(CN, "x")]),
        x509.Name([one(NameOID.SURNAME, "S"), one(NameOID.GIVEN_NAME, "G"), one(NameOID.TITLE, "T"), one(CN, "x")]),
        x509.Name([one(NameOID.SERIAL_NUMBER, "12-3"), one(NameOID.STREET_ADDRESS, "Road 1"), one(CN, "x")]),
        x509.Name([one(NameOID.LOCALITY_NAME, "L"), one(NameOID.STATE_OR_PROVINCE_NAME, "ST"), one(CN, "x")]),
        x509.Name(
            [
                one(O, "two in one"),
                x509.RelativeDistinguishedName([x509.NameAttribute(CN, "both"), x509.NameAttribute(OU, "here")]),
            ]
        ),
        x509.Name([]),
    ],
    ids=lambda name: name.rfc4514_string().encode("ascii", "backslashreplace").decode()[:40] or "empty",
)
def test_a_name_reads_as_openssl_writes_it(name: x509.Name) -> None:
    """nginx's $ssl_client_s_dn is X509_NAME_print_ex with XN_FLAG_RFC2253; apps compare it to the letter."""
    needs("openssl")
    assert rfc2253(x509.Name(name.rdns)) == openssl_prints(name)
