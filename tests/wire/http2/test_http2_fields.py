"""What one field of HTTP/2 says by itself (RFC 9113, 8.2)."""

import pytest

from gatekeeper.errors import MessageError
from gatekeeper.wire.foreign import BUILT_IN
from gatekeeper.wire.framing import MAX_TRAILER_BYTES
from gatekeeper.wire.http2 import fields
from gatekeeper.wire.http2.fields import HeaderField, KnownFields, check, trailer_lines

KINDS = {
    (b"accept", b"*/*"): fields.REGULAR,
    (b"x", b""): fields.REGULAR,
    (b"x", b"a\tb \xff"): fields.REGULAR,
    (b":path", b"/"): fields.PSEUDO,
    (b":", b""): fields.PSEUDO,
    (b":path", b"/\n"): fields.MALFORMED,
    (b"Accept", b"*/*"): fields.MALFORMED,
    (b"", b"x"): fields.MALFORMED,
    (b"x y", b""): fields.MALFORMED,
    (b"x:", b""): fields.MALFORMED,
    (b"x", b" a"): fields.MALFORMED,
    (b"x", b"a\t"): fields.MALFORMED,
    (b"x", b"a\r\nb: c"): fields.MALFORMED,
    (b"x", b"\x7f"): fields.MALFORMED,
    (b"connection", b"close"): fields.PER_CONNECTION,
    (b"upgrade", b"h2c"): fields.PER_CONNECTION,
    (b"cookie", b"a=1"): fields.COOKIE,
    (b"host", b"a"): fields.HOST,
    (b"content-length", b"1"): fields.LENGTH,
    (b"te", b"trailers"): fields.TE,
}


@pytest.mark.parametrize(("field", "kind"), KINDS.items(), ids=[repr(field) for field in KINDS])
def test_a_field_is_of_one_kind(field: tuple[bytes, bytes], kind: int) -> None:
    """RFC 9113, 8.2.1 and 8.2.2; only a line that is safe in HTTP/1.1 is made."""
    read = HeaderField(*field)
    assert read.kind == kind
    assert read.line == (b"" if kind in (fields.MALFORMED, fields.PSEUDO) else b"%b: %b\r\n" % field)


def test_a_field_counts_32_bytes_more_than_it_has() -> None:
    """RFC 7541, 4.1."""
    assert HeaderField(b"ab", b"cde").size == 37


@pytest.mark.parametrize("field", [(b"X", b""), (b":path", b"/"), (b"connection", b"x"), (b"te", b"gzip")])
def test_some_fields_make_a_message_malformed(field: tuple[bytes, bytes]) -> None:
    """RFC 9113, 8.1.1: among a message's fields behind its pseudo-header fields."""
    with pytest.raises(MessageError) as caught:
        check(HeaderField(*field))
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("field", "fault"),
    [
        ((b"X", b"y"), "its name is no token in lower case"),
        ((b"x", b"y "), "its value begins or ends with a space or tab"),
        ((b"x", b"\ty"), "its value begins or ends with a space or tab"),
        ((b":x", b" "), "its value begins or ends with a space or tab"),
        ((b"x", b"a\nb"), "its value contains a control character"),
        ((b"x", b" \x00"), "its value contains a control character"),
    ],
)
def test_a_malformed_field_is_told_what_is_wrong(field: tuple[bytes, bytes], fault: str) -> None:
    """RFC 9113, 8.2.1 forbids what HTTP/1.1 removes: white space at the ends of a value."""
    with pytest.raises(MessageError) as caught:
        check(HeaderField(*field))
    assert caught.value.detail == f"A field is malformed: {fault}."


@pytest.mark.parametrize("field", [(b"x", b""), (b"te", b"trailers"), (b"cookie", b"a=1"), (b"host", b"a")])
def test_others_do_not(field: tuple[bytes, bytes]) -> None:
    """What they mean is looked at later."""
    check(HeaderField(*field))


def test_trailers_become_lines() -> None:
    """RFC 9110, 6.5.1: without those that no trailer may be, and without what only the gate may say."""
    some = [(b"grpc-status", b"0"), (b"content-type", b"x"), (b"x-forwarded-for", b"x"), (b"x-device", b"x")]
    section = [HeaderField(*field) for field in some]
    assert trailer_lines(section, BUILT_IN) == b"grpc-status: 0\r\nx-device: x\r\n"
    assert trailer_lines(section, frozenset({b"x-device"})) == b"grpc-status: 0\r\n"


@pytest.mark.parametrize(
    ("field", "status"), [((b":status", b"200"), 400), ((b"A", b""), 400), ((b"a", b"x" * MAX_TRAILER_BYTES), 431)]
)
def test_malformed_trailers_are_refused(field: tuple[bytes, bytes], status: int) -> None:
    """RFC 9113, 8.1; and those that are too large."""
    with pytest.raises(MessageError) as caught:
        trailer_lines([HeaderField(*field)])
    assert caught.value.status == status


def test_known_fields_are_emptied_when_they_are_too_many() -> None:
    """So memory stays bounded, whatever an admitted visitor sends."""
    known = KnownFields()
    for number in range(fields.KNOWN_FIELDS + 1):
        known.add_literal(b"literal %d" % number, known[b"x", b"%d" % number])
    assert len(known) == len(known.literals) == 1
    for number in range(fields.KNOWN_FIELDS):
        known.add_literal(b"again %d" % number, known[b"x", b"0"])
    assert len(known.literals) == 1


def test_long_fields_are_not_kept() -> None:
    """Nor those of which too many are new."""
    known = KnownFields()
    for field in ((b"x", b"y" * fields.KNOWN_FIELD_BYTES), (b"cookie", b"a"), (b":path", b"/"), (b"X", b"")):
        assert known[field].kind == HeaderField(*field).kind
        known.add_literal(b"literal", known[field])
    assert not known
    assert not known.literals
