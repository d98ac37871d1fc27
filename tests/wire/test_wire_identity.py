"""Identity lines: which, when, and what can never be in one."""

from dataclasses import replace
from email.utils import formatdate
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gatekeeper.gate.certificate import read_certificate
from gatekeeper.gate.verdict import Identity
from gatekeeper.settings.identity import IdentitySettings
from gatekeeper.wire.assertion import Assertions
from gatekeeper.wire.headers import is_reserved
from gatekeeper.wire.identity import CACHED_IDENTITY_BYTES, DAY, IdentityWriter
from gatekeeper.wire.presets import PRESETS
from tests.certificates import make_client
from tests.people import ALICE, NOW

IDENTITY = Identity(ALICE)
END = ALICE.not_after + 1


def writer(assertions: Assertions | None = None, **tables: Any) -> IdentityWriter:
    return IdentityWriter(IdentitySettings.model_validate({"headers": ["remote-user"]} | tables), ALICE, assertions)


def test_presets_in_their_order_then_custom_headers() -> None:
    """As the configuration names them; what has no value is left out."""
    one = writer(headers=["rfc9440", "remote-user"], custom={"X-Device": "{cn}", "X-Mail": "{uri}"})
    lines = one.lines(Identity(replace(ALICE, uris=())), NOW).request
    names = [line.partition(b":")[0].decode() for line in lines.split(b"\r\n")[:-1]]
    assert names == [
        "Client-Cert", "Remote-User", "X-Forwarded-User", "X-Forwarded-Email", "X-Forwarded-Groups", "X-Device",
    ]  # fmt: skip
    assert lines.endswith(b"\r\nX-Device: alice\r\n")


def test_no_presets_at_all() -> None:
    """An app may want nothing but its own header, or none."""
    assert writer(headers=[]).lines(IDENTITY, NOW).request == b""


@pytest.mark.parametrize("name", PRESETS)
def test_every_header_of_a_preset_is_stripped_from_requests(name: str) -> None:
    """Whether or not it is switched on: only the gate may say these things."""
    real = read_certificate(make_client("alice", None).der)
    for header, _ in PRESETS[name](Identity(real, chain=(real.der,)), ALICE):
        assert is_reserved(header.lower().encode())


def test_custom_names_are_stripped_in_every_spelling() -> None:
    """The reader compares folded names."""
    assert b"x-my-device" in writer(custom={"X-My.Device": "{cn}"}).strips()
    assert b"x-my-device" not in writer().strips()
    assert is_reserved(b"x.my-device", writer(custom={"X-My.Device": "{cn}"}).strips())


def test_names_are_sent_in_utf_8() -> None:
    """As HAProxy and others send them."""
    lines = writer().lines(Identity(replace(ALICE, common_names=("Zoë",))), NOW).request
    assert b"Remote-User: Zo\xc3\xab\r\n" in lines


@pytest.mark.parametrize("control", ["\r", "\n", "\0", "\r\nX-Admin: 1", "\x7f", "\x1b"])
def test_a_control_character_never_gets_into_a_header(control: str) -> None:
    """Such names are refused before; should one get here all the same, nothing is sent."""
    hostile = Identity(replace(ALICE, common_names=(f"a{control}b",)))
    for one in (writer(), writer(headers=[], custom={"X-Device": "{cn}"})):
        with pytest.raises(ValueError, match="cannot stand in a header"):
            one.lines(hostile, NOW)


def test_lines_are_written_once_for_each_certificate() -> None:
    """The very same bytes from request to request."""
    one = writer()
    assert one.lines(IDENTITY, NOW).request is one.lines(IDENTITY, NOW + 1).request


def test_nothing_is_said_until_fourteen_days_before_the_end() -> None:
    """And the lines hold until then."""
    lines = writer().lines(IDENTITY, NOW)
    assert lines.response == b""
    assert b"Days-Left" not in lines.request
    assert lines.until == END - 14 * DAY


@pytest.mark.parametrize(
    ("left", "days", "until"),
    [(14 * DAY, 14, 14 * DAY), (14 * DAY - 1, 13, 13 * DAY), (1.5 * DAY, 1, DAY), (DAY / 2, 0, None), (-5, 0, None)],
)
def test_the_days_that_are_left(left: float, days: int, until: float | None) -> None:
    """Whole days; the lines hold until the number changes."""
    lines = writer().lines(IDENTITY, END - left)
    assert lines.request.endswith(b"\r\nGatekeeper-Certificate-Days-Left: %d\r\n" % days)
    date = formatdate(ALICE.not_after, usegmt=True)
    assert lines.response == f"Gatekeeper-Certificate-Expires: {date}\r\n".encode()
    assert lines.until == (float("inf") if until is None else END - until)


@pytest.mark.parametrize(("chain", "kept"), [(CACHED_IDENTITY_BYTES, 0), (1024, 1)])
def test_what_is_kept_is_bounded_in_bytes(chain: int, kept: int) -> None:
    """A thousand of the largest certificates that are taken, and lines of them, would be 50 MiB and more."""
    one, identity = writer(), Identity(ALICE, chain=(bytes(chain),))
    assert one.lines(identity, NOW) == one.lines(identity, NOW)
    assert one._lines.cache_info().currsize == kept  # type: ignore[attr-defined]


def test_another_warning_time_and_none() -> None:
    """One key."""
    assert writer(expiry_warning=2 * DAY).lines(IDENTITY, END - 3 * DAY).response == b""
    assert writer(expiry_warning=2 * DAY).lines(IDENTITY, END - 1).response
    off = writer(expiry_warning=None).lines(IDENTITY, END - 1)
    assert (off.response, off.until) == (b"", float("inf"))
    assert b"Days-Left" not in off.request


def test_the_assertion_is_the_last_line_and_bounds_the_others() -> None:
    """Lines with an assertion hold until it is to be renewed."""
    assertions = Assertions([ec.generate_private_key(ec.SECP256R1())], "app", 300.0)
    lines = writer(assertions).lines(IDENTITY, NOW)
    token = assertions.assertion(IDENTITY, NOW).token.encode()
    assert lines.request.endswith(b"\r\nGatekeeper-Assertion: " + token + b"\r\n")
    assert lines.until == NOW + 150
