"""The access log: lines that nobody can forge, and a target that may be slow or broken without stopping traffic."""

import json
import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeeper.errors import StartError
from gatekeeper.gate.certificate import Certificate, read_certificate
from gatekeeper.telemetry.access_log import (
    _REMEMBERED,
    FLUSH_LINES,
    FLUSH_SECONDS,
    FORMATS,
    MAX_BATCHES,
    AccessLog,
    Format,
    LocalOutcome,
    Visitor,
    combined_line,
    json_line,
    text_line,
)
from gatekeeper.wire.request import HeadLimits, RequestHead, RequestReader, unreadable_head
from tests.certificates import make_client
from tests.gate_process import PATIENCE, until
from tests.proxy.virtual import VirtualLoop

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
    for function in _REMEMBERED:
        function.cache_clear()
    json_line(Visitor("192.0.2.1:5000"), head(b"/" + b"x" * 1000), REFUSED)
    json_line(Visitor("192.0.2.1:5000"), head(b"/" + b"x" * 5000), PLAIN)
    assert [function.cache_info().currsize for function in _REMEMBERED] == [0, 0]
    json_line(Visitor("192.0.2.1:5000"), head(b"/"), PLAIN)
    assert [function.cache_info().currsize for function in _REMEMBERED] == [1, 1]


# -- the target


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    loop = VirtualLoop()
    yield loop
    loop.close()


def a_line(_visitor: Visitor, asked: RequestHead, _outcome: object) -> str:
    return asked.target.decode()


def write(log: AccessLog, *targets: str) -> None:
    for target in targets:
        log.write(Visitor("a"), head(target.encode()), PLAIN)


def test_lines_are_written_a_moment_later(loop: VirtualLoop, tmp_path: Path) -> None:
    """Gathered for FLUSH_SECONDS; the file is made private to owner and group."""
    path = tmp_path / "access.log"
    log = AccessLog(path, a_line, loop)
    write(log, "/1", "/2")
    loop.advance(FLUSH_SECONDS)
    until(lambda: path.read_text() == "/1\n/2\n")
    assert path.stat().st_mode & 0o007 == 0
    log.close()


def test_many_lines_do_not_wait(loop: VirtualLoop, tmp_path: Path) -> None:
    """A batch of FLUSH_LINES goes at once."""
    path = tmp_path / "access.log"
    log = AccessLog(path, a_line, loop)
    write(log, *["/"] * FLUSH_LINES)
    until(lambda: path.read_text().count("\n") == FLUSH_LINES)
    log.close()


def test_closing_writes_what_is_left(loop: VirtualLoop, tmp_path: Path) -> None:
    """And lines are appended to what is there."""
    path = tmp_path / "access.log"
    path.write_text("/0\n")
    log = AccessLog(path, a_line, loop)
    write(log, "/1")
    log.close()
    assert path.read_text() == "/0\n/1\n"
    loop.settle()


def test_off_writes_nothing_and_starts_nothing(loop: VirtualLoop) -> None:
    """No line is even made."""
    before = threading.active_count()
    log = AccessLog("off", lambda *_: pytest.fail("a line was made"), loop)
    assert not log.wanted
    write(log, "/1")
    log.close()
    assert threading.active_count() == before


def test_reopening_follows_a_renamed_file(loop: VirtualLoop, tmp_path: Path) -> None:
    """logrotate renames, then sends SIGUSR1."""
    path = tmp_path / "access.log"
    log = AccessLog(path, a_line, loop)
    write(log, "/old")
    loop.advance(FLUSH_SECONDS)
    until(lambda: path.read_text() == "/old\n")
    old = path.rename(tmp_path / "access.log.1")
    log.reopen()
    write(log, "/new")
    log.close()
    assert (old.read_text(), path.read_text()) == ("/old\n", "/new\n")


def test_a_file_that_cannot_be_reopened_is_kept(
    loop: VirtualLoop, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """No line is lost by a folder that went away."""
    folder = tmp_path / "logs"
    folder.mkdir()
    log = AccessLog(folder / "access.log", a_line, loop)
    moved = folder.rename(tmp_path / "elsewhere")
    log.reopen()
    write(log, "/1")
    log.close()
    assert (moved / "access.log").read_text() == "/1\n"
    assert "the old file is kept" in caplog.text


def test_a_target_that_cannot_be_opened(loop: VirtualLoop, tmp_path: Path) -> None:
    """Said at the start."""
    with pytest.raises(StartError, match=r"cannot write the access log .*/missing/access\.log: no such file"):
        AccessLog(tmp_path / "missing" / "access.log", a_line, loop)


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """A target that takes 64 KiB and no more until somebody reads: its path, and the end to read from."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    yield path, reader
    os.close(reader)


def test_a_slow_target_loses_lines_but_never_stops_traffic(
    loop: VirtualLoop, pipe: tuple[Path, int], caplog: pytest.LogCaptureFixture
) -> None:
    """What does not fit is dropped, counted and said; what was taken is whole, and later lines come through."""
    path, reader = pipe
    log = AccessLog(path, a_line, loop)
    line = "/" + "x" * 8000
    batches = MAX_BATCHES + 40
    for _ in range(batches):
        write(log, *[line] * 4)
        log.flush()
    assert log.dropped > 0
    # Once for each gap: the thread may take another batch in the middle.
    assert set(caplog.messages) == {"access log: the target is too slow; lines are lost"}
    assert len(caplog.messages) < log.dropped / 4
    got = b""
    while got.count(b"\n") < batches * 4 - log.dropped:
        got += read_some(reader)
    assert set(got.splitlines()) == {line.encode()}
    write(log, "/after")
    log.flush()
    assert read_some(reader) == b"/after\n"
    log.close()


def test_a_pipe_without_a_reader_is_not_waited_for(loop: VirtualLoop, tmp_path: Path) -> None:
    """open(2) would wait for one, and the gate with it. Who comes later finds what was written meanwhile."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    log = AccessLog(path, a_line, loop)
    write(log, "/early")
    log.flush()
    reader = os.open(path, os.O_RDONLY)
    assert os.read(reader, 100) == b"/early\n"
    os.close(reader)
    write(log, "/later")
    log.close()
    assert log.dropped == 0


def read_some(reader: int) -> bytes:
    pieces = []  # type: ignore[var-annotated]
    until(lambda: pieces or pieces.append(read_now(reader)) or pieces[0] or pieces.clear())
    return pieces[0]


def read_now(reader: int) -> bytes:
    try:
        return os.read(reader, 1 << 20)
    except BlockingIOError:
        return b""


def test_closing_does_not_wait_for_ever(loop: VirtualLoop, pipe: tuple[Path, int]) -> None:
    """A gate must be able to stop while its log stands still."""
    path, reader = pipe
    log = AccessLog(path, a_line, loop)
    write(log, *["/" + "x" * 8000] * 20)
    log.close(seconds=0.05)
    while log._thread.is_alive():  # it was stuck; let it go, for the other tests' sake
        read_now(reader)
    log._thread.join(PATIENCE)


def test_a_broken_target_is_said_and_counted(loop: VirtualLoop, caplog: pytest.LogCaptureFixture) -> None:
    """/dev/full: no space left on device. The gate goes on."""
    target = Path("/dev/full")
    with caplog.at_level(logging.ERROR):
        log = AccessLog(target, a_line, loop)
        write(log, "/1", "/2")
        log.close()
    assert log.dropped == 2
    assert caplog.messages == ["access log: No space left on device; lines are lost"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is led astray")
def test_root_does_not_follow_a_link(loop: VirtualLoop, tmp_path: Path) -> None:
    """The gate's user owns the folder of the log, and could have root write into any file (CWE-59)."""
    (tmp_path / "precious").write_text("")
    (tmp_path / "access.log").symlink_to(tmp_path / "precious")
    with pytest.raises(StartError, match="symbolic links"):
        AccessLog(tmp_path / "access.log", a_line, loop)


def test_only_a_file_that_was_made_here_is_handed_over(loop: VirtualLoop, tmp_path: Path) -> None:
    """A file that was there belongs to whom it belonged to: a name in the folder of the log can lead to any."""
    handed: list[int] = []
    for _ in range(2):
        log = AccessLog(tmp_path / "access.log", a_line, loop)
        log.hand_over(handed.append)
        log.close()
    assert len(handed) == 1
