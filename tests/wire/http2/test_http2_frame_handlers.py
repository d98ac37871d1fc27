"""Each type of frame has its function (RFC 9113, 6): the numbers are the RFC's."""

from gatekeeper.wire.http2 import control, messages
from gatekeeper.wire.http2.frame_handlers import FRAME_HANDLERS
from tests.wire.http2.peers import headers, started


def test_the_types_of_the_rfc_have_their_functions() -> None:
    """RFC 9113, 11.2: types 0x00 to 0x09."""
    assert dict(enumerate(FRAME_HANDLERS)) == {
        0x00: messages.data,
        0x01: messages.headers,
        0x02: control.priority,
        0x03: control.rst_stream,
        0x04: control.settings,
        0x05: control.push_promise,
        0x06: control.ping,
        0x07: control.goaway,
        0x08: control.window_update,
        0x09: messages.continuation,
    }


def test_a_type_that_has_none_is_ignored() -> None:
    """RFC 9113, 4.1 and 5.5: whatever its flags and its content, on whatever stream."""
    gate = started()
    assert gate.receive(b"\0\0\x03\x0a\xff\0\0\0\x63abc" + b"\0\0\0\xff\0\0\0\0\0") == []
    assert gate.failure is None
    gate.receive(headers(1))
    assert list(gate.heads) == [1]
