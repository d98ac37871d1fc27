"""Lines of the access log: complete, and such that nobody can forge one."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeeper.gate.certificate import Certificate, read_certificate
from gatekeeper.telemetry.log_lines import (
    _FIELDS,
    _REQUESTS,
    CACHED,
    FORMATS,
    Format,
    LocalOutcome,
    Visitor,
    combined_line,
    json_line,
    text_line,
)
from gatekeeper.wire.request import HeadLimits, RequestHead, RequestReader, unreadable_head
from tests.certificates import make_client

STARTED = 1_700_000_000.25  # 2023-11-14T22:13:20.250Z
PLAIN = LocalOutcome(STARTED, 0.0015, 200, 1234, "0123456789abcdef", upstream_time=0.001)
REFUSED = LocalOutcome(STARTED, 0.0015, 403, 99, "0123456789abcdef", "expired", 'The certificate has expired "now".')


@pytest.fixture(scope="module")
def certificate() -> Certificate:
    return read_certificate(make_client('al"ice', None).der)


def head(target: bytes = b"/a?b=c", *lines: bytes) -> RequestHead:
    block = b"".join(line + b"\r\n" for line in (b"Host: app.example.com", *lines, b""))
    return RequestReader(HeadLimits()).read(b"GET %b HTTP/1.1" % target, block, cache=False)


# -- what a line says


def test_json(certificate: Certificate) -> None:
    """One object, all that is known."""
    line = json_line(
        Visitor("192.0.2.1:5000", certificate), head(b"/a", b"User-Agent: curl", b"Referer: http://a"), PLAIN
    )
    assert json.loads(line) == {
        "time": "2023-11-14T22:13:20.250Z",
        "request_id": "0123456789abcdef",
        "method": "GET",
        "target": "/a",
        "protocol": "HTTP/1.1",
        "status": 200,
        "bytes": 1234,
        "duration": 0.0015,
        "upstream_time": 0.001,
        "client": "192.0.2.1:5000",
        "subject": 'CN=al\\"ice',
        "issuer": 'CN=al\\"ice',
        "serial": certificate.serial,
        "fingerprint": certificate.sha256,
        "host": "app.example.com",
        "user_agent": "curl",
        "referer": "http://a",
    }


def test_json_of_a_refused_visitor(certificate: Certificate) -> None:
    """The reason, and what was presented, if anything was."""
    line = json.loads(json_line(Visitor("192.0.2.1:5000", certificate), head(), REFUSED))
    assert (line["reason"], line["detail"]) == ("expired", 'The certificate has expired "now".')
    assert line["fingerprint"] == certificate.sha256
    assert "upstream_time" not in line
    assert "fingerprint" not in json.loads(json_line(Visitor("192.0.2.1:5000"), head(), REFUSED))


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0.0, "0.000000"),
        (0.000_001_5, "0.000001"),
        (0.001, "0.001000"),
        (0.012_034_5, "0.012034"),
        (0.999_999_5, "0.999999"),
        (1.0, "1.000000"),
        (61.007_000_5, "61.007000"),
        (3600.25, "3600.250000"),
    ],
)
def test_json_has_durations_in_seconds_with_six_places(seconds: float, written: str) -> None:
    """What is less than a microsecond is cut off."""
    outcome = LocalOutcome(STARTED, seconds, 200, 0, "0123456789abcdef", upstream_time=seconds)
    line = json_line(Visitor("192.0.2.1:5000"), head(), outcome)
    assert f',"duration":{written},"upstream_time":{written},' in line


@pytest.mark.parametrize(("started", "written"), [(0.0, "00.000"), (59.001_5, "59.001"), (59.999_9, "59.999")])
def test_json_has_the_time_to_the_millisecond(started: float, written: str) -> None:
    """RFC 3339, in UTC."""
    outcome = LocalOutcome(started, 0.0, 200, 0, "0123456789abcdef")
    line = json_line(Visitor("192.0.2.1:5000"), head(), outcome)
    assert line.startswith(f'{{"time":"1970-01-01T00:00:{written}Z","request_id":"')


def test_combined(certificate: Certificate) -> None:
    """As Apache and nginx write it; who was refused is nobody."""
    asked = head(b"/a", b"User-Agent: curl/7", b"Referer: http://a")
    assert combined_line(Visitor("192.0.2.1:5000", certificate), asked, PLAIN) == (
        '192.0.2.1 - al\\x22ice [14/Nov/2023:22:13:20 +0000] "GET /a HTTP/1.1" 200 1234 "http://a" "curl/7"'
    )
    assert combined_line(Visitor("[2001:db8::1]:5000", certificate), head(), REFUSED) == (
        '2001:db8::1 - - [14/Nov/2023:22:13:20 +0000] "GET /a?b=c HTTP/1.1" 403 99 "-" "-"'
    )
    assert combined_line(Visitor("unix"), head(), PLAIN).startswith("unix - - [")


def test_text(certificate: Certificate) -> None:
    """For the eye."""
    assert text_line(Visitor("192.0.2.1:5000", certificate), head(), REFUSED) == (
        "2023-11-14T22:13:20.250Z 403 GET /a?b=c HTTP/1.1 99B 1.5ms 192.0.2.1:5000 [CN=al\\x5C\\x22ice] "
        "refused: expired (The certificate has expired \\x22now\\x22.) 0123456789abcdef"
    )
    assert " [no certificate] " in text_line(Visitor("192.0.2.1:5000"), head(), PLAIN)


def test_text_of_a_request_that_failed() -> None:
    """What went wrong, as in JSON; a request that did not fail says nothing of it."""
    failed = LocalOutcome(STARTED, 0.0015, 502, 99, "0123456789abcdef", detail="The app closed the\nconnection.")
    line = text_line(Visitor("192.0.2.1:5000"), head(), failed)
    assert line.endswith(" [no certificate] failed: The app closed the\\x0Aconnection. 0123456789abcdef")
    assert "failed" not in text_line(Visitor("192.0.2.1:5000"), head(), PLAIN)


@pytest.mark.parametrize("line", [json_line, combined_line, text_line])
def test_the_version_is_told(line: Format) -> None:
    """The connection's where that has one for all its requests, else the request's own."""
    old = RequestReader(HeadLimits()).read(b"GET / HTTP/1.0", b"\r\n", cache=False)
    assert "HTTP/2.0" in line(Visitor("192.0.2.1:5000", protocol="HTTP/2.0"), head(), PLAIN)
    assert "HTTP/1.0" in line(Visitor("192.0.2.1:5000"), old, PLAIN)


def test_midnight_and_months() -> None:
    """English months whatever the locale, and a time of its own for each second."""
    late = LocalOutcome(1_704_067_199.999, 0, 200, 0, "x")
    assert "[31/Dec/2023:23:59:59 +0000]" in combined_line(Visitor("a:1"), head(), late)
    assert '"time":"2023-12-31T23:59:59.999Z"' in json_line(Visitor("a:1"), head(), late)


# -- forging


visible = st.sampled_from([9, *range(0x20, 0x7F), *range(0x80, 0x100)])


@given(target=st.binary(max_size=60), agent=st.lists(visible, max_size=40).map(bytes), detail=st.text(max_size=40))
def test_no_visitor_can_write_a_line_of_its_own(target: bytes, agent: bytes, detail: str) -> None:
    """Whatever bytes a request holds: one line of printable ASCII, and JSON that reads back as what was sent."""
    outcome = LocalOutcome(STARTED, 0, 400, 0, "id", "expired", detail)
    asked = head(b"/", b"User-Agent: " + agent)
    for one in (unreadable_head(b"GET " + target + b" HTTP/1.1"), asked):
        for line in FORMATS.values():
            written = line(Visitor("192.0.2.1:5000"), one, outcome)
            assert all(" " <= char <= "~" for char in written)
    told = json.loads(json_line(Visitor("192.0.2.1:5000"), asked, outcome))
    assert told.get("user_agent", "") == agent.decode("latin-1").strip(" \t")
    assert told.get("detail", "") == detail


@pytest.mark.parametrize("line", FORMATS.values())
def test_line_ends_and_quotes_are_escaped(line: object) -> None:
    """The classic: a target with a line end and a line that looks like the log's own."""
    asked = unreadable_head(b'GET /\r\n1.2.3.4 - root [x] "GET /admin HTTP/1.1" 200 HTTP/1.1')
    written = line(Visitor("192.0.2.1:5000"), asked, PLAIN)  # type: ignore[operator]
    assert "\n" not in written
    assert "\r" not in written
    assert '"GET /admin' not in written.replace('\\"', "")


@pytest.mark.parametrize("line", FORMATS.values())
def test_no_format_knows_the_token_of_an_invitation(line: object) -> None:
    """Neither as the target, nor in the place of the method, nor in a Referer."""
    token = "Xq3_" * 10 + "abc"
    target = f"/.gatekeeper/invite/{token}".encode()
    referred = head(b"/", b"Referer: https://app.example.com" + target)
    for asked in (head(target), unreadable_head(target + b" / HTTP/1.1"), referred):
        written = line(Visitor("192.0.2.1:5000"), asked, PLAIN)  # type: ignore[operator]
        assert "/" in written
        assert token[:8] not in written


# -- memory


def test_what_refused_visitors_send_is_not_cached() -> None:
    """A stranger could fill the gate's memory with 32 KiB heads otherwise."""
    caches = (_REQUESTS, _FIELDS)
    for cache in caches:
        cache.clear()
    for asked, outcome in ((head(b"/" + b"x" * 1000), REFUSED), (head(b"/" + b"x" * 5000), PLAIN)):
        json_line(Visitor("192.0.2.1:5000"), asked, outcome)
        assert not asked.block.logged
    assert [len(cache) for cache in caches] == [0, 0]
    asked = head(b"/")
    line = json_line(Visitor("192.0.2.1:5000"), asked, PLAIN)
    assert [len(cache) for cache in caches] == [1, 1]
    assert line.endswith(asked.block.logged)


def test_the_cache_is_bounded() -> None:
    """A visitor who asks for ever new addresses fills it once, and then it is emptied."""
    for number in range(CACHED + 1):
        json_line(Visitor("192.0.2.1:5000"), head(b"/%d" % number), PLAIN)
        assert len(_REQUESTS) <= CACHED
    assert len(_REQUESTS) < CACHED


def test_the_group_of_the_key_exchange_is_in_json() -> None:
    """Left out where it is not known; a name by OpenSSL needs no escapes."""
    assert json.loads(json_line(Visitor("192.0.2.1:5000", group="x25519"), head(), PLAIN))["tls_group"] == "x25519"
    assert "tls_group" not in json.loads(json_line(Visitor("192.0.2.1:5000"), head(), PLAIN))
