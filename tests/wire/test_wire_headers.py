"""Single lines and names."""

import pytest

from gatekeeper.errors import MessageError
from gatekeeper.wire.foreign import BUILT_IN, folded
from gatekeeper.wire.headers import (
    HOP_BY_HOP,
    USUAL_OPTIONS,
    Field,
    collect,
    is_left_to_custom,
    is_of_the_request,
    is_reserved,
    passes_as_trailer,
    read_length,
    read_own_field,
    read_request_field,
    read_response_field,
    split_field,
    tokens,
)
from gatekeeper.wire.rules import MessageRule
from tests.growth import grows_linearly


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        (b"X: y", b"X", b"y"),
        (b"X:y", b"X", b"y"),
        (b"X:\t y z \t", b"X", b"y z"),
        (b"X:", b"X", b""),
        (b"X: \t ", b"X", b""),
        (b"X:: y", b"X", b": y"),
        (b"X: \x80\xff", b"X", b"\x80\xff"),
        (b"!#$%&'*+-.^_`|~0aZ: y", b"!#$%&'*+-.^_`|~0aZ", b"y"),
    ],
)
def test_a_line_is_a_name_and_a_value(line: bytes, name: bytes, value: bytes) -> None:
    """RFC 9112, 5: the white space around the value belongs to neither."""
    assert split_field(line) == (name, value)


@pytest.mark.parametrize("line", [b"", b"X", b": y", b"X : y", b" X: y", b"X\t: y", b"X Y: z", b"X\xe9: y", b"(X): y"])
def test_a_line_without_a_proper_name_is_refused(line: bytes) -> None:
    """RFC 9112, 5.1: above all no space before the colon."""
    with pytest.raises(MessageError) as caught:
        split_field(line)
    assert caught.value.detail == MessageRule.FIELD_LINE.sentence


@pytest.mark.parametrize("byte", [*range(0x20), 0x7F])
def test_a_value_holds_no_control_character_but_the_tab(byte: int) -> None:
    """RFC 9110, 5.5."""
    line = b"X: a" + bytes([byte]) + b"b"
    if byte == 0x09:
        assert split_field(line)[1] == b"a\tb"
    else:
        with pytest.raises(MessageError):
            split_field(line)


def test_an_ordinary_field_passes_with_its_own_spelling() -> None:
    """Only the white space is written anew."""
    assert read_request_field(BUILT_IN, b"dAte:  a, b ") == Field(b"date", b"a, b", b"dAte: a, b\r\n", noted=False)


def test_a_field_may_pass_and_be_noted() -> None:
    """User-Agent is for the app, and for the access log."""
    assert read_request_field(BUILT_IN, b"User-Agent: x") == Field(
        b"user-agent", b"x", b"User-Agent: x\r\n", noted=True
    )


def test_a_claim_is_noted_but_does_not_pass() -> None:
    """Only whoever knows the visitor's address can tell whether to believe it."""
    assert read_request_field(BUILT_IN, b"X-Forwarded-For: 127.0.0.1") == Field(
        b"x-forwarded-for", b"127.0.0.1", b"", noted=True
    )


@pytest.mark.parametrize(
    "name",
    [
        b"Host",
        b"Content-Length",
        b"Transfer-Encoding",
        b"Connection",
        b"Keep-Alive",
        b"Upgrade",
        b"HTTP2-Settings",
        b"TE",
        b"Proxy",
        b"Proxy-Connection",
        b"Proxy-Authorization",
        b"Forwarded",
        b"X-Forwarded-Anything",
        b"X-Real-IP",
        b"X-Request-Id",
        b"X-SSL-Client-Anything",
        b"Client-Cert",
        b"Client-Cert-Chain",
        b"Remote-User",
        b"Remote-Groups",
        b"Remote-Email",
        b"Remote-Name",
        b"Gatekeeper-Reason",
        b"x-ssl-client-verify",
        b"X.SSL.Client.Verify",
        b"X_SSL_Client_Verify",
        b"X~SSL|Client!Verify",
        b"Content_Length",
        b"Any_Thing",
    ],
)
def test_no_client_says_this_to_an_app(name: bytes) -> None:
    """Framing, hop-by-hop, identity in any spelling, and every underscore."""
    assert read_request_field(BUILT_IN, name + b": x").line == b""
    assert is_reserved(name.lower())


@pytest.mark.parametrize("name", [b"Hosts", b"X-Host", b"X-SSL", b"X-Forwarded", b"Content-Lengths", b"Cookie"])
def test_names_that_are_only_similar_pass(name: bytes) -> None:
    """The near misses."""
    assert read_request_field(BUILT_IN, name + b": x").line == name + b": x\r\n"
    assert not is_reserved(name.lower())


@pytest.mark.parametrize(
    "name",
    [
        *(b"X-Device", b"Remote-Groups", b"Remote.Email", b"remote-name", b"Authorization", b"From", b"Secret"),
        *(b"X-SSL-Client-DN", b"x-ssl-client-cn"),
    ],
)
def test_a_custom_header_may_have_this_name(name: bytes) -> None:
    """One of the operator's own, what no preset says though only the gate may, and who asks by HTTP's own words."""
    assert is_left_to_custom(folded(name))
    assert not is_of_the_request(folded(name))


NGINX = [
    *(
        b"X-SSL-Client-Verify",
        b"X-SSL-Client-S-DN",
        b"X-SSL-Client-I-DN",
        b"X-SSL-Client-Serial",
        b"x.ssl-client-serial",
    ),
    *(b"X-SSL-Client-Fingerprint", b"X-SSL-Client-V-Start", b"X-SSL-Client-V-End", b"X-SSL-Client-Escaped-Cert"),
]
OTHERS = [b"Remote-User", b"X-Forwarded-User", *sorted(HOP_BY_HOP), b"Host", b"Content-Length"]


@pytest.mark.parametrize("name", [b"X-SSL-Client-DN", b"X-SSL-Client-CN", *NGINX])
def test_no_client_sends_a_header_with_the_prefix_of_nginx(name: bytes) -> None:
    """Whether or not the gate sets it: apps behind nginx believe them all."""
    assert read_request_field(BUILT_IN, name + b": x").line == b""


@pytest.mark.parametrize("name", [*OTHERS, *NGINX])
def test_what_the_gate_sets_or_removes_is_not_left_to_custom_headers(name: bytes) -> None:
    """Framing and hop-by-hop fields are the worst of them: an app would see another request than the gate."""
    assert not is_left_to_custom(folded(name))


@pytest.mark.parametrize(
    "name",
    [
        b"Cookie", b"Content-Type", b"content.type", b"Content-Encoding", b"Range", b"If-Range", b"If-None-Match",
        b"Sec-WebSocket-Key", b"Sec-WebSocket-Protocol", b"Sec-Fetch-Site", b"Expect", b"Trailer", b"Accept",
        b"Accept-Encoding", b"Cache-Control", b"Origin", b"Referer", b"User-Agent", b"Access-Control-Request-Method",
    ],
)  # fmt: skip
def test_what_a_request_says_of_itself_is_not_left_to_custom_headers(name: bytes) -> None:
    """The visitor's own would be lost: a session, the type of a body, a WebSocket."""
    assert is_of_the_request(folded(name))


def test_further_names_can_be_the_gates_own() -> None:
    """Custom identity headers, compared as they are folded."""
    stripped = frozenset({folded(b"X-Device")})
    assert read_request_field(stripped, b"x.device: root").line == b""
    assert read_request_field(stripped, b"X-Devices: 2").line == b"X-Devices: 2\r\n"


def test_a_name_is_folded_as_the_most_careless_server_does() -> None:
    """Letters become small, everything else that is no digit a hyphen."""
    assert folded(b"X_a.B~1\xc3Z") == b"x-a-b-1-z"


@pytest.mark.parametrize(
    "name", [b"content-length", b"cookie", b"set-cookie", b"host", b"trailer", b"x-ssl-client-verify"]
)
def test_a_trailer_carries_nothing_that_belongs_in_the_header(name: bytes) -> None:
    """RFC 9110, 6.5.1."""
    assert not passes_as_trailer(name)


def test_other_trailers_pass_unless_only_the_gate_may_say_them() -> None:
    """As for headers."""
    assert passes_as_trailer(b"x-checksum")
    assert not passes_as_trailer(b"x.checksum", frozenset({b"x-checksum"}))
    assert not passes_as_trailer(b"content.type")


@pytest.mark.parametrize("name", [b"Content-Length", b"Transfer-Encoding", b"Connection", b"Keep-Alive", b"Upgrade"])
def test_a_response_does_not_pass_on_its_framing(name: bytes) -> None:
    """It is the gate that frames for the client."""
    assert read_response_field(name + b": x").line == b""


@pytest.mark.parametrize("name", [b"Gatekeeper-Reason", b"gatekeeper-certificate-expires", b"GATEKEEPER-X"])
def test_an_app_does_not_speak_for_the_gate(name: bytes) -> None:
    """A script would take its answer for a refusal, or its date for the certificate's."""
    assert read_response_field(name + b": x").line == b""
    assert read_own_field(name + b": x").line == name + b": x\r\n"


@pytest.mark.parametrize("name", [b"X-Forwarded-For", b"Set_Cookie", b"Date", b"Server", b"X-Gatekeeper"])
def test_an_app_may_say_everything_else(name: bytes) -> None:
    """Nobody is identified by what an app answers."""
    assert read_response_field(name + b":x").line == name + b": x\r\n"


def test_a_malformed_line_of_a_response_is_the_apps_fault() -> None:
    """502, not 400."""
    with pytest.raises(MessageError) as caught:
        read_response_field(b"X : y")
    assert caught.value.status == 502


def test_what_is_said_several_times_becomes_a_list() -> None:
    """RFC 9110, 5.3; so a repeated Content-Length is no number any more, whatever it says."""
    lines = (b"Content-Length: 5", b"X: y", b"content-length: 5", b"Accept: a", b"Host:")
    said = collect([read_request_field(BUILT_IN, line) for line in lines])
    assert said == {b"content-length": b"5, 5", b"accept": b"a", b"host": b""}


@pytest.mark.parametrize(
    ("value", "members"),
    [
        (b"keep-alive", [b"keep-alive"]),
        (b"Close", [b"close"]),
        (b"UPGRADE ,\t, X-Hop,", [b"upgrade", b"x-hop"]),
        (b"", []),
        (b" , ,", []),
    ],
)
def test_tokens_are_compared_in_small_letters(value: bytes, members: list[bytes]) -> None:
    """RFC 9110, 7.6.1 and 5.6.1.2: empty members mean nothing."""
    assert tokens(value, MessageRule.CONNECTION_LIST) == members


def test_the_usual_options_are_what_they_would_be_read_as() -> None:
    """A table of spellings must not become another opinion."""
    for value, options in USUAL_OPTIONS.items():
        assert frozenset(tokens(value, MessageRule.CONNECTION_LIST)) == options


@pytest.mark.parametrize("value", [b"a b", b'"a"', b"a;q=1", b"a\xe9", b"close, (a)"])
def test_what_is_no_list_of_tokens_is_refused(value: bytes) -> None:
    """By the rule that the caller names."""
    with pytest.raises(MessageError) as caught:
        tokens(value, MessageRule.CONNECTION_LIST)
    assert caught.value.detail == MessageRule.CONNECTION_LIST.sentence


def test_spaces_without_end_do_not_keep_the_gate_busy() -> None:
    """A regular expression over the list would try every way to part the spaces: seconds for one header."""

    def read(length: int) -> None:
        with pytest.raises(MessageError):
            tokens(b"a," + b" " * length + b"\xe9", MessageRule.CONNECTION_LIST)

    assert grows_linearly(read, 30_000)


@pytest.mark.parametrize(("value", "length"), [(b"0", 0), (b"42", 42), (b"0007", 7), (b"9" * 18, 10**18 - 1)])
def test_a_length_is_a_number_of_digits(value: bytes, length: int) -> None:
    """RFC 9110, 8.6."""
    assert read_length(value, MessageRule.LENGTH_MALFORMED) == length


@pytest.mark.parametrize(
    "value", [b"", b"+5", b"-5", b"5,5", b"5, 5", b"0x5", b"5 ", b" 5", b"5_0", b"\xb2", b"1" * 19, b"five"]
)
def test_everything_else_is_no_length(value: bytes) -> None:
    """Not even what Python's int() would take."""
    with pytest.raises(MessageError):
        read_length(value, MessageRule.LENGTH_MALFORMED)
