"""Names as OpenSSL writes them, as RFC 4514 writes them, and as they compare."""

import pytest

from gatekeeper.x509.der import element
from gatekeeper.x509.names import CN as COMMON_NAME
from gatekeeper.x509.names import Name, canonical, encode_name, normal_rfc4514, read_name, rfc4514, text_of, texts
from tests.der import BMP, CN, IA5, OU, PRINTABLE, T61, UNIVERSAL, UTF8, O, attribute, name
from tests.oddities import SUBJECTS


def read(data: bytes) -> Name:
    return read_name(data, element(data, 0, len(data)))


@pytest.mark.parametrize(
    ("tag", "value", "text"),
    [
        (UTF8, "Zoë".encode(), "Zoë"),
        (UTF8, b"Zo\xeb", None),
        (UTF8, b"\xc0\xaf", None),
        (PRINTABLE, b"a_b@c&d", "a_b@c&d"),
        (PRINTABLE, b"Zo\xeb", None),
        (IA5, "Zoë".encode(), None),
        (T61, b"Zo\xeb", "Zoë"),
        (T61, "Zoë".encode(), None),
        (T61, b"a\x80", None),
        (T61, b"plain", "plain"),
        (BMP, "Zoë".encode("utf-16-be"), "Zoë"),
        (BMP, "😀".encode("utf-16-be"), None),
        (BMP, b"\0a\0", None),
        (UNIVERSAL, "😀".encode("utf-32-be"), "😀"),
        (UNIVERSAL, b"\0\x11\0\0", None),
        (0x03, b"\0abc", None),
        (0x30, b"", None),
    ],
)
def test_a_string_is_read_by_its_own_type_or_not_at_all(tag: int, value: bytes, text: str | None) -> None:
    """What is no valid form of its type has no text that a rule could match."""
    assert text_of(tag, value) == text
    assert texts(read(name(attribute(CN, value, tag))), COMMON_NAME) == (() if text is None else (text,))


@pytest.mark.parametrize("kind", [kind for kind in SUBJECTS if "length" not in kind and "piece" not in kind])
def test_a_name_can_be_written_back(kind: str) -> None:
    """As it stood there: OCSP asks by a hash of it. BER becomes DER, an empty part goes."""
    if kind != "an empty part":
        assert encode_name(read(SUBJECTS[kind])) == SUBJECTS[kind]


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        (name(attribute(O, b"Example, Inc."), attribute(CN, "Zoë".encode())), "CN=Zoë,O=Example\\, Inc."),
        (name((attribute(CN, b"a"), attribute(OU, b"b"))), "OU=b+CN=a"),
        (name(attribute(CN, b" #x ")), "CN=\\ #x\\ "),
        (name(attribute(CN, b"#x")), "CN=\\#x"),
        (name(attribute(CN, b"\xff", PRINTABLE)), "CN=#1301ff"),
        (name(attribute("1.3.6.1.4.1.55555.1", b"x")), "1.3.6.1.4.1.55555.1=#0c0178"),
        (name(), ""),
    ],
)
def test_a_name_by_rfc_4514(subject: bytes, text: str) -> None:
    """Letters as they are, escapes where the grammar has signs, hex for what is not text; and read back the same."""
    assert rfc4514(read(subject)) == text
    if text:
        assert normal_rfc4514(text) == text


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("cn = alice , o=Example", "CN=alice,O=Example"),
        ("CN=Zo\\C3\\AB", "CN=Zoë"),
        ("2.5.4.3=alice", "CN=alice"),
        ("EMAILADDRESS=a@b", "emailAddress=a@b"),
        ("CN=a\\,b+UID=1", "CN=a\\,b+UID=1"),
        ("CN=a\\ ", "CN=a\\ "),
    ],
)
def test_a_name_as_somebody_wrote_it(written: str, normal: str) -> None:
    """Blanks, case of types and escapes are all the same name."""
    assert normal_rfc4514(written) == normal


@pytest.mark.parametrize("written", ["", "alice", "CN", "CN=a,", "CN=a,,O=b", "NOSUCH=x", "CN=a\\"])
def test_what_is_no_name(written: str) -> None:
    """A rule that could never match is a mistake."""
    with pytest.raises(ValueError, match=r"."):
        normal_rfc4514(written)


def test_names_compare_by_rfc_5280_7_1() -> None:
    """Case and runs of blanks in ASCII, and the string type, mean nothing; everything else does."""
    home = canonical(read(name(attribute(CN, b"Home CA"))))
    same = [(b" hOME   ca ", PRINTABLE), (b"Home\tCA", IA5), ("Home CA".encode("utf-16-be"), BMP)]
    other = [(b"HomeCA", UTF8), ("Home CÄ".encode(), UTF8), (b"Home CA", 0x12)]
    assert all(canonical(read(name(attribute(CN, value, tag)))) == home for value, tag in same)
    assert not any(canonical(read(name(attribute(CN, value, tag)))) == home for value, tag in other)
    assert canonical(read(name(attribute(O, b"Home CA")))) != home
    assert canonical(read(name(attribute(CN, b"Home CA"), attribute(CN, b"Home CA")))) != home
