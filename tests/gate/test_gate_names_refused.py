"""Names that would not be the same name to everybody who reads them."""

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from gatekeeper.gate.certificate import Certificate, read_certificate
from gatekeeper.gate.names import has_controls, is_blank
from gatekeeper.gate.verdict import Admit, Peer, Policy, Reason, Refuse, judge
from tests.certificates import NOW, make, make_authority, named, new_key
from tests.der import CN, PRINTABLE, attribute, name
from tests.der import certificate as der_of
from tests.tools import needs

AUTHORITY = make_authority("Home CA")
CONTROLS = ["\0", "\n", "\r", "\t", "\x1b", "\x7f", "\x85", "\u2028", "\u2029", "\u202e", "\u2066"]
# One of each range that Unicode's DerivedCoreProperties.txt lists as Default_Ignorable_Code_Point.
INVISIBLE = (
    "\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b\u180e\u180f\u200b\u200c\u200d\u200e\u200f\u2060\u2064\u2065\u206f\u3164\ufe00\ufe0f"
    "\ufeff\uffa0\ufff0\ufff9\ufffb\U0001bca0\U0001d173\U0001d17a\U000e0001\U000e0041\U000e0100\U000e01ef\U000e0fff"
)


def certificate(subject: x509.Name, *alternatives: x509.GeneralName) -> Certificate:
    extensions = [(x509.SubjectAlternativeName(alternatives), False)] if alternatives else []
    return read_certificate(make(subject, AUTHORITY, extensions=extensions).der)


def verdict(one: Certificate, **policy: Any) -> Admit | Refuse:
    return judge(Peer(one.der, verified=(AUTHORITY.der,)), NOW.timestamp(), Policy(**policy))


def refusal(one: Certificate, **policy: bool) -> tuple[Reason, str]:
    found = verdict(one, **policy)
    assert isinstance(found, Refuse)
    return found.reason, found.detail


@pytest.mark.parametrize("control", CONTROLS, ids=ascii)
def test_control_characters_anywhere_in_the_subject(control: str) -> None:
    """NUL ends a C string, line ends break a log, overrides turn the writing: none of them is in a name."""
    for oid in (NameOID.COMMON_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME, NameOID.STREET_ADDRESS):
        subject = x509.Name([x509.NameAttribute(NameOID.TITLE, "x"), x509.NameAttribute(oid, f"a{control}b")])
        assert refusal(certificate(subject)) == (
            Reason.INVALID_CERTIFICATE,
            "The certificate's names contain control or invisible characters.",
        )


@pytest.mark.parametrize("char", INVISIBLE, ids=ascii)
def test_a_name_that_only_looks_like_another(char: str) -> None:
    """``al<U+200B>ice`` reads as alice on every screen: no app may take one for the other."""
    assert refusal(certificate(named(f"al{char}ice")))[0] is Reason.INVALID_CERTIFICATE
    assert refusal(certificate(named(f"{char}alice")))[0] is Reason.INVALID_CERTIFICATE


@pytest.mark.parametrize(
    "alternative",
    [
        x509.DNSName("bank.example\0.evil.example"),
        x509.DNSName("a\nb"),
        x509.RFC822Name._init_without_validation("alice@example.com\0"),
        x509.RFC822Name._init_without_validation("alice@example.com\r\nX-Admin: 1"),
        x509.UniformResourceIdentifier("spiffe://example.com/a\0b"),
        x509.DirectoryName(named("a\0b")),
    ],
    ids=repr,
)
def test_control_characters_in_alternative_names(alternative: x509.GeneralName) -> None:
    """CVE-2009-2408: one reader stops at the NUL, the other goes on."""
    assert refusal(certificate(named("alice"), alternative))[0] is Reason.INVALID_CERTIFICATE


@pytest.mark.parametrize(
    "name",
    [
        "Zoë Müller",
        "山田　太郎",
        'a, b = c \\ "d" <e>; #+',
        "a\u00a0b",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "\u0936\u094d\u200d\u0930\u0940",
        "\u845b\U000e0100\u57ce",
        "\u1820\u180b",
        "\u2764\ufe0f\u200d\U0001f525",
        "x" * 64,
    ],
)
def test_names_of_people(name: str) -> None:
    """Letters of every language, their spaces and joiners, and every punctuation mark may stand in a name."""
    assert isinstance(verdict(certificate(named(name))), Admit)


def test_alternative_names_without_text_are_no_matter() -> None:
    """IP addresses, registered ids and others have none."""
    import ipaddress

    one = certificate(
        named("alice"),
        x509.IPAddress(ipaddress.ip_address("192.0.2.1")),
        x509.RegisteredID(x509.ObjectIdentifier("1.2.3")),
        x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), b"\x0c\x01a"),
    )
    assert isinstance(verdict(one), Admit)


def test_the_most_specific_of_several_common_names_counts() -> None:
    """Windows writes ``CN=Alice,CN=Users,DC=…``: for rules and headers she is Alice, and nobody is Users."""
    subject = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, "Users"), x509.NameAttribute(NameOID.COMMON_NAME, "Alice")]
    )
    one = certificate(subject)
    assert isinstance(verdict(one), Admit)
    assert one.subject == "CN=Alice,CN=Users"
    assert one.common_names == ("Alice",)


def test_a_common_name_that_cannot_be_decoded_hides_the_others() -> None:
    """It is the one that counts, so no rule may take another in its place; and it is not blank."""
    both = name(attribute(CN, b"root"), attribute(CN, b"al\xefce", PRINTABLE))
    one = read_certificate(der_of(AUTHORITY, new_key(), subject=both))
    assert one.common_names == ()
    assert one.undecoded == ("CN",)
    assert isinstance(verdict(one), Admit)


@pytest.mark.parametrize("name", [None, " ", "\u3000", "\u00a0 \u2003", "\u2800"])
def test_blank_names(name: str | None) -> None:
    """Nothing to be seen is no name, unless none is required."""
    one = certificate(x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Home"), *named(name)]))
    assert refusal(one)[0] is Reason.BLANK_NAME
    assert isinstance(verdict(one, require_common_name=False), Admit)


def test_subjects_made_by_openssl(tmp_path: Path) -> None:
    """NUL in a BMPString, as another tool encodes it: found after decoding, not in the bytes."""
    needs("openssl")
    config = tmp_path / "x.cnf"
    config.write_text("[req]\ndistinguished_name=d\nprompt=no\nstring_mask=MASK:0x800\n[d]\nCN=a\tb\n")
    made = subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-keyout",
            tmp_path / "k",
            "-config",
            config,
            "-outform",
            "DER",
            "-days",
            "2",
        ],
        capture_output=True,
        check=True,
    ).stdout
    assert read_certificate(made).controls


def test_what_counts_as_a_control() -> None:
    """Of all characters, exactly those."""
    assert all(has_controls(f"a{control}b") for control in CONTROLS)
    assert not has_controls("a b\u00a0\u3000\u200d\u2019\U0001f600é")
    assert has_controls("\ud800")


def test_what_counts_as_blank() -> None:
    """Spaces and zero-width characters, in any mixture."""
    assert is_blank("")
    assert is_blank(" \u200b\u2003")
    assert not is_blank("\u200bx")


def test_the_flag_is_read_not_guessed() -> None:
    """Escapes in the subject's text are not control characters: a backslash may stand before anything."""
    one = certificate(named("a\\0Ab"))
    assert (one.subject, one.controls) == ("CN=a\\\\0Ab", False)
    assert replace(one, controls=True) != one
