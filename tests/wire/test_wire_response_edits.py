"""What the operator sets, adds and removes in responses."""

from gatekeeper.wire.response import read_response
from gatekeeper.wire.response_edits import HeaderEdits, ResponseEdits

SENT = b"HTTP/1.1 200 OK\r\nDate: now\r\nServer: app/1\r\nVary: Accept\r\nserver: app/2\r\nContent-Length: 2\r\n\r\n"


def edited(**headers: str) -> bytes:
    edits = HeaderEdits({name.replace("_", "-"): value for name, value in headers.items()})
    return edits.apply(read_response(SENT)).wire_head


def test_a_value_takes_the_place_of_all_lines_of_its_name() -> None:
    """Whatever the case of the name is, and also where there was none."""
    assert edited(SERVER="gate", X_Frame_Options="DENY") == (
        b"HTTP/1.1 200 OK\r\nDate: now\r\nVary: Accept\r\nSERVER: gate\r\nX-Frame-Options: DENY\r\n"
        b"Content-Length: 2\r\n\r\n"
    )


def test_an_empty_value_removes_all_lines_of_its_name() -> None:
    """The others stay in their order."""
    assert edited(Server="") == b"HTTP/1.1 200 OK\r\nDate: now\r\nVary: Accept\r\nContent-Length: 2\r\n\r\n"


def test_a_plus_sign_adds_a_line() -> None:
    """What the app sent stays."""
    head = HeaderEdits({"+Vary": "Origin"}).apply(read_response(SENT))
    assert b"Vary: Accept\r\n" in head.fields
    assert head.fields.endswith(b"\r\nVary: Origin\r\n")


def test_framing_and_status_are_not_touched() -> None:
    """Only fields change; a head without a body keeps its form too."""
    head = read_response(b"HTTP/1.1 204 Nothing\r\nDate: now\r\nX: y\r\n\r\n")
    after = HeaderEdits({"X": ""}).apply(head)
    assert after.wire_head == b"HTTP/1.1 204 Nothing\r\nDate: now\r\n\r\n"
    assert (after.status, after.framing, after.length) == (head.status, head.framing, head.length)


def test_the_same_head_is_edited_once() -> None:
    """The second time it is looked up."""
    edits = HeaderEdits({"X": "y"})
    assert edits.apply(read_response(SENT)) is edits.apply(read_response(SENT))


def test_the_block_of_http2_is_made_anew() -> None:
    """The one of the unedited head would be sent otherwise."""
    head = read_response(SENT)
    head.hpack = b"unedited"
    try:
        assert HeaderEdits({"X": "y"}).apply(head).hpack == b""
    finally:
        head.hpack = b""


def test_a_route_has_the_last_word() -> None:
    """For each name by itself, in any case; the others are those of every response."""
    edits = ResponseEdits((("X-One", "1"), ("X-Two", "2")), 31536000.0)
    head = read_response(SENT)
    assert edits.forwarded((), head).fields.endswith(
        b"Strict-Transport-Security: max-age=31536000\r\nX-One: 1\r\nX-Two: 2\r\n"
    )
    own = (("x-one", "9"), ("strict-transport-security", ""))
    assert edits.forwarded(own, head).fields.endswith(b"server: app/2\r\nx-one: 9\r\nX-Two: 2\r\n")


def test_the_gates_own_headers_stay_as_they_are() -> None:
    """Another content security policy would take the style away from the page that tells why."""
    edits = ResponseEdits((("content-security-policy", "none"), ("+X-Frame-Options", "DENY"), ("Server", "")), None)
    own = (("Content-Security-Policy", "style-src 'sha256-x'"), ("X-Request-Id", "1"))
    assert edits.own(own) == (("X-Frame-Options", "DENY"), *own)
