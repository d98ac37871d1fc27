"""gatekeeper enroll --renew: the files on the machine's disk, and weeks of certificates that hold for one day.

The gate is real, with real TLS, on a clock of the test; the authority is `gatekeeper ca watch`'s.
"""

import argparse
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gatekeeper.ca.creation import NewAuthority, create_store
from gatekeeper.ca.folder import PUBLIC, SECRET, Content, write_over
from gatekeeper.ca.issuer import Issuer
from gatekeeper.ca.keys import key_pem, load_key, make_key
from gatekeeper.ca.renewal import RenewalPolicy
from gatekeeper.ca.requests import make_request
from gatekeeper.ca.store import Store
from gatekeeper.ca.subject import make_subject
from gatekeeper.cli.ca.watch import Watch
from gatekeeper.cli.enrolling import GateClient, GateResponse
from gatekeeper.cli.renewing import LOOK_SECONDS, RETRY_SECONDS, Renewal, obtain, stay, until_next_look
from gatekeeper.errors import AuthorityError, InvitationError, UsageError
from gatekeeper.invitations.folder import Invitations
from gatekeeper.local.handler import SWEEP_SECONDS
from gatekeeper.proxy.snapshot import build_snapshot
from tests.certificates import Holder
from tests.proxy.scene import Files, Scene, get, request

PASSPHRASE = b"four random words here"
EC = "ec:p256"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WEEKS = 3
# X509_V_FLAG_NO_CHECK_TIME: OpenSSL's clock is this machine's; the judge's is the test's.
NO_CHECK_TIME = 0x200000


class Home:
    """The authority, the gate's files and a machine with a certificate that holds for a day."""

    def __init__(self, folder: Path, age: timedelta = timedelta()) -> None:
        self.now = datetime.now(UTC).replace(microsecond=0) - age
        self.folder = folder
        self.store: Store = create_store(folder / "ca", NewAuthority("Home CA", EC), PASSPHRASE, now=self.now)
        self.issuer = Issuer(self.store, PASSPHRASE)
        self.issuer.issue_server("gate.example.com", ("gate.example.com",), key_type=EC, now=self.now)
        (folder / "ca.crt").write_bytes((folder / "ca" / "ca.crt").read_bytes())
        for suffix in (".crt", ".key"):
            (folder / f"server{suffix}").write_bytes((folder / "ca" / f"gate.example.com{suffix}").read_bytes())
        (folder / "invitations").mkdir(mode=0o700)
        self.invitations = Invitations(folder / "invitations")
        self.machine = folder / "machine"
        self.machine.mkdir()
        self._enroll()
        args = argparse.Namespace(json=False, dir=None, config=None, invitations=None)
        self.watch = Watch(self.invitations, self.store, PASSPHRASE, RenewalPolicy(), args)

    def _enroll(self) -> None:
        key = make_key(EC)
        pem = make_request(key, make_subject("backup")).public_bytes(Encoding.PEM)
        entry = self.issuer.sign(pem, "x", lifetime=DAY, now=self.now).entry
        write_over(self.machine / "backup.key", Content(key_pem(key), SECRET))
        chain = self.store.issued(entry).public_bytes(Encoding.PEM) + (self.folder / "ca.crt").read_bytes()
        write_over(self.machine / "backup.crt", Content(chain, PUBLIC))

    @property
    def renewal(self) -> Renewal:
        return Renewal.of(self.machine, None)

    def holder(self) -> Holder:
        key = load_key((self.machine / "backup.key").read_bytes(), None, "x")
        return Holder(key, x509.load_pem_x509_certificate((self.machine / "backup.crt").read_bytes()))


class SceneGate:
    """What `GateClient` is for a command: here it leads to a gate in memory. ``away``: nobody answers."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.away = False
        self.start()

    def start(self) -> None:
        """A gate that knows nothing but the files."""
        files = Files(self.home.folder, cast(Any, None), cast(Any, None))
        tables = {"invitations": {"folder": str(self.home.folder / "invitations")}}
        snapshot = build_snapshot(files.settings(**tables), {}, 0.0)
        snapshot.tls.ssl_context.verify_flags |= ssl.VerifyFlags(NO_CHECK_TIME)
        self.scene = Scene(files, snapshot, **tables)
        self.scene.started = self.home.now.timestamp()

    def pass_time(self, seconds: float) -> None:
        """By the gate's clock on the wall; its loop lives through as much as one sweep of the folder needs."""
        self.scene.started += seconds - SWEEP_SECONDS
        self.scene.loop.advance(SWEEP_SECONDS)

    def show(self, certificate: Path, key: Path) -> None:
        self.holder = self.home.holder()

    def ask(self, method: str, path: str, body: bytes | None = None, kind: str = "") -> GateResponse:
        if self.away:
            raise ConnectionRefusedError(111, "Connection refused")
        head, content = self.send(request(method, path, f"Content-Length: {len(body or b'')}", body=body or b""))
        return GateResponse(int(head[9:12]), content, 1)

    def send(self, octets: bytes, who: Holder | None = None) -> tuple[bytes, bytes]:
        visitor = self.scene.visitor(who or self.holder)
        visitor.send(octets)
        self.scene.loop.settle()
        if octets.startswith(b"GET"):
            return self.scene.serve(visitor).partition(b"\r\n\r\n")[::2]
        return visitor.read().partition(b"\r\n\r\n")[::2]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@contextmanager
def running(home: Home) -> Iterator[SceneGate]:
    gate = SceneGate(home)
    try:
        yield gate
    finally:
        gate.scene.close()


def attempt(gate: SceneGate, home: Home) -> bool:
    """What a timer does each hour: one try, no waiting."""
    if home.now < home.renewal.due():
        return False
    try:
        obtain(cast(GateClient, gate), home.renewal, EC, time.monotonic() - 1)
    except InvitationError:
        return False
    return True


def test_certificates_of_a_day_hold_for_weeks(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    """Each hour the timer runs and the authority looks; each hour the machine must be let in. The gate is restarted
    with a request waiting, is away for an hour when one is due, and the authority sleeps for a night.
    """
    with running(home) as gate:
        renewed, outside, first = 0, [], home.holder().certificate
        restarted = was_away = False
        for hour in range(WEEKS * 7 * 24):
            home.now += HOUR
            gate.pass_time(3600)
            due = home.now >= home.renewal.due()
            gate.away = due and hour > 100 and not was_away
            was_away = was_away or gate.away
            renewed += attempt(gate, home)
            if due and hour > 200 and not restarted:
                restarted = True
                gate.scene.close()
                gate.start()
            if not 300 <= hour < 306:
                home.watch.look(home.now)
            gate.away = False
            head, _ = gate.send(get(), home.holder())
            if not head.startswith(b"HTTP/1.1 200"):
                outside.append((hour, head))
        assert outside == []
        assert (restarted, was_away) == (True, True)
        assert WEEKS * 7 <= renewed <= WEEKS * 7 * 24 / 16 + 1
        assert home.holder().certificate.public_key() != first.public_key()
        # And the guard of all this: without a renewal the machine is out within the day.
        home.now += DAY
        gate.pass_time(DAY.total_seconds())
        assert b"Gatekeeper-Reason: expired" in gate.send(request("POST", "/"), home.holder())[0]
    said = capsys.readouterr()
    assert (said.out.count("is renewed until"), said.err) == (renewed, "")


def asked(home: Home, gate: SceneGate) -> None:
    home.now += timedelta(hours=17)
    gate.pass_time(17 * 3600)
    with pytest.raises(InvitationError, match="nobody has signed"):
        obtain(cast(GateClient, gate), home.renewal, EC, time.monotonic() - 1)


def test_a_killed_run_goes_on_with_the_same_key(home: Home) -> None:
    """The key lies on the disk before the request is sent, and one request waits, not two."""
    with running(home) as gate:
        asked(home, gate)
        key = (home.machine / "backup.key.new").read_bytes()
        before = home.holder().certificate
        with pytest.raises(InvitationError, match="nobody has signed"):
            obtain(cast(GateClient, gate), home.renewal, EC, time.monotonic() - 1)
        assert (home.machine / "backup.key.new").read_bytes() == key
        assert (home.machine / "backup.key.new").stat().st_mode & 0o777 == 0o600
        assert home.holder().certificate == before
        assert len(list(home.invitations.all())) == 1
        home.watch.look(home.now)
        obtain(cast(GateClient, gate), home.renewal, EC, time.monotonic() - 1)
        assert (home.machine / "backup.key").read_bytes() == key
        assert sorted(path.name for path in home.machine.iterdir()) == ["backup.crt", "backup.key"]


@pytest.mark.parametrize("moved", [False, True], ids=["before the key", "before the certificate"])
def test_a_run_that_is_killed_while_it_replaces_both_is_completed(home: Home, moved: bool) -> None:
    """Two renames; whoever runs next finishes them before anything else."""
    key = make_key(EC)
    pem = make_request(key, make_subject("backup")).public_bytes(Encoding.PEM)
    entry = home.issuer.sign(pem, "x", replace_older=True, now=home.now).entry
    write_over(home.machine / "backup.crt.new", Content(home.store.issued(entry).public_bytes(Encoding.PEM), PUBLIC))
    name = "backup.key" if moved else "backup.key.new"
    write_over(home.machine / name, Content(key_pem(key), SECRET))
    Renewal.of(home.machine, None)
    assert home.holder().key.public_key() == home.holder().certificate.public_key()
    assert home.holder().certificate == home.store.issued(entry)
    assert sorted(path.name for path in home.machine.iterdir()) == ["backup.crt", "backup.key"]


def test_a_certificate_for_another_key_or_name_is_not_installed(home: Home) -> None:
    """Whatever the gate says, the machine keeps what works."""
    before = [path.read_bytes() for path in sorted(home.machine.iterdir())]
    renewal = home.renewal
    renewal.request(EC)
    new = load_key((home.machine / "backup.key.new").read_bytes(), None, "x")
    other = home.issuer.sign(
        make_request(make_key(EC), make_subject("one")).public_bytes(Encoding.PEM), "x", now=home.now
    ).entry
    named = home.issuer.sign(make_request(new, make_subject("two")).public_bytes(Encoding.PEM), "x", now=home.now).entry
    for entry, why in ((other, "another key"), (named, "another name")):
        with pytest.raises(InvitationError, match=why):
            renewal.install(home.store.issued(entry).public_bytes(Encoding.PEM))
    with pytest.raises(InvitationError, match="not a client certificate"):
        renewal.install(b"<html>")
    (home.machine / "backup.key.new").unlink()
    assert [path.read_bytes() for path in sorted(home.machine.iterdir())] == before


def test_which_certificate_is_meant_is_said_or_clear(home: Home) -> None:
    """One with a key in the folder, or the one of --name."""
    (home.machine / "ca.crt").write_bytes((home.folder / "ca.crt").read_bytes())
    assert Renewal.of(home.machine, None).key_path.name == "backup.key"
    for suffix in (".crt", ".key"):
        (home.machine / f"other{suffix}").write_bytes((home.machine / f"backup{suffix}").read_bytes())
    with pytest.raises(UsageError, match="backup, other"):
        Renewal.of(home.machine, None)
    assert Renewal.of(home.machine, "other").certificate_path.name == "other.crt"
    with pytest.raises(AuthorityError, match=r"no NAME\.crt"):
        Renewal.of(home.folder / "invitations", None)


def test_a_daemon_looks_when_it_is_due_and_each_hour(home: Home) -> None:
    """Clocks are set and machines sleep; and after a failure it does not spin."""
    due = home.renewal.due()
    assert due == home.now - timedelta(minutes=10) + (DAY + timedelta(minutes=10)) * 2 / 3
    assert until_next_look(home.renewal, due - timedelta(minutes=30)) == 1800
    assert until_next_look(home.renewal, due - DAY) == LOOK_SECONDS
    assert until_next_look(home.renewal, due + DAY) == RETRY_SECONDS


class IdleError(Exception):
    """The daemon has nothing to do any more."""


def test_a_daemon_goes_on_after_each_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The gate is away, then nobody has signed yet, then the certificate comes; then it sleeps for an hour."""
    home = Home(tmp_path, age=timedelta(hours=17))
    args = argparse.Namespace(out=home.machine, name=None, key=EC, timeout=3600.0, json=False)
    slept: list[float] = []
    before = home.holder().certificate
    with running(home) as gate:
        home.now += timedelta(hours=17)
        gate.pass_time(17 * 3600)
        gate.away = True

        def sleep(seconds: float) -> None:
            slept.append(seconds)
            if gate.away:
                gate.away = False
            elif home.holder().certificate == before:
                home.watch.look(home.now)
            else:
                raise IdleError

        monkeypatch.setattr(time, "sleep", sleep)
        with pytest.raises(IdleError):
            stay(cast(GateClient, gate), args)
    assert len(slept) == 3
    assert slept[-1] == LOOK_SECONDS
    said = capsys.readouterr()
    assert said.err.count("does not answer") == 1
    assert "with a new key" in said.out


def test_a_daemon_survives_a_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says so, keeps what it has, and tries again: the administrator may change their mind."""
    home = Home(tmp_path, age=timedelta(hours=17))
    args = argparse.Namespace(out=home.machine, name=None, key=EC, timeout=3600.0, json=False)
    before = [path.read_bytes() for path in sorted(home.machine.iterdir())]
    with running(home) as gate:
        home.now += timedelta(days=1, hours=1)
        gate.pass_time(25 * 3600)

        def sleep(seconds: float) -> None:
            assert seconds == RETRY_SECONDS
            raise IdleError

        monkeypatch.setattr(time, "sleep", sleep)
        with pytest.raises(IdleError):
            stay(cast(GateClient, gate), args)
    assert "the gate refuses (403)" in capsys.readouterr().err
    (home.machine / "backup.key.new").unlink()
    assert [path.read_bytes() for path in sorted(home.machine.iterdir())] == before


def test_watch_says_once_what_it_leaves_and_signs_it_never(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    """Too early is for a person; the other machines' renewals go on."""
    with running(home) as gate:
        with pytest.raises(InvitationError, match="nobody has signed"):
            obtain(cast(GateClient, gate), home.renewal, EC, time.monotonic() - 1)
        for _ in range(3):
            home.watch.look(home.now)
        assert len(home.store.index().named("backup")) == 1
        said = capsys.readouterr().err
        assert said.count("too short a time ago") == 1
        assert "gatekeeper ca approve" in said


def test_watch_survives_a_folder_that_is_away(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    """A file server that is restarted must not end the service; it is said once."""
    away = home.folder / "away"
    (home.folder / "invitations").rename(away)
    home.watch.look(home.now)
    home.watch.look(home.now)
    assert capsys.readouterr().err.count("No such file or directory") == 1
    away.rename(home.folder / "invitations")
    home.watch.look(home.now)


def test_watch_signs_for_nobody_whose_name_was_exchanged(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    """A person approves by the name in the folder; where it is not the certificate's, somebody wrote it."""
    with running(home) as gate:
        asked(home, gate)
        (record,) = (home.folder / "invitations").glob("*/invitation.json")
        record.write_text(record.read_text().replace('"backup"', '"harmless"'))
        home.watch.look(home.now)
        assert "tampered with" in capsys.readouterr().err
        assert len(home.store.index().named("backup")) == 1
