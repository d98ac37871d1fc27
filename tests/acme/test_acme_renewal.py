"""A certificate over years, with a clock moved by hand, and directories that are played by the test."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509

from gatekeeper.acme.folder import ACMEFolder
from gatekeeper.acme.renewal import Held, Renewal, certificate_to_show, held_certificate
from gatekeeper.acme.schedule import DAY, FIRST_RETRY_SECONDS
from gatekeeper.acme.tls_alpn import general_name
from gatekeeper.errors import ACMEError
from tests.certificates import make, make_authority, named

START = datetime(2027, 1, 1, tzinfo=UTC).timestamp()
NAMES = ("gate.example.com", "192.0.2.1")
MAIN, OTHER = "https://main.example/dir", "https://other.example/dir"
AUTHORITY = make_authority("A directory's CA", ends=datetime(2040, 1, 1, tzinfo=UTC))


@dataclass
class Directories:
    """Gives certificates of ``days`` at the time of ``clock``, unless ``broken`` says why not."""

    clock: Callable[[], float]
    days: float = 90.0
    broken: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    information: tuple[float | None, float] | None = None

    def obtain(self, directory: str, names: Sequence[str]) -> bytes:
        self.asked.append(directory)
        if directory in self.broken:
            raise ACMEError(self.broken[directory])
        return certificate(names, self.clock(), self.days)

    def renewal_information(self, directory: str, pem: bytes) -> tuple[float | None, float]:
        if self.information is None:
            raise ACMEError("there is none")
        return self.information


def certificate(names: Iterable[str], begins: float, days: float) -> bytes:
    holder = make(
        named(None),
        AUTHORITY,
        starts=datetime.fromtimestamp(begins, UTC),
        ends=datetime.fromtimestamp(begins + days * DAY, UTC),
        extensions=[
            (x509.SubjectAlternativeName([general_name(name) for name in names]), False),
            (x509.AuthorityKeyIdentifier(b"the authority", None, None), False),
        ],
    )
    return holder.key_pem() + holder.certificate_pem


class Clock:
    """What time it is, and who looks at the folder as it passes."""

    def __init__(
        self, folder: Path, *directories: str, workers: int = 1, lineage: str = "", names: Sequence[str] = NAMES
    ) -> None:
        self.now = START
        self.folder = ACMEFolder(folder, lineage)
        self.orders = Directories(lambda: self.now)
        self.renewals = [
            Renewal(ACMEFolder(folder, lineage), names, directories or (MAIN,), self.orders, lambda: 0.5)
            for _ in range(workers)
        ]
        self.serials: list[str] = []

    def held(self) -> Held | None:
        return held_certificate(self.folder)

    def step(self) -> None:
        """Everybody looks once."""
        for renewal in self.renewals:
            renewal.step(self.now)
        held = self.held()
        if held is not None and held.serial not in self.serials[-1:]:
            self.serials.append(held.serial)

    def pass_days(self, days: float, every: float = 4 * 3600.0) -> float:
        """Let days pass with a look every so many seconds; returns how many seconds there was no valid certificate."""
        end, without = self.now + days * DAY, 0.0
        while self.now < end:
            self.step()
            held = self.held()
            if held is None or not held.lifetime.begins <= self.now < held.lifetime.ends:
                without += every
            self.now += every
        return without


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path / "acme")


def test_three_renewals_without_a_second_without_a_certificate(clock: Clock) -> None:
    """Each when a third of the life is left, though the directory is away for two weeks at each of them."""
    assert clock.pass_days(1) == 0
    for _ in range(3):
        before = len(clock.serials)
        due = clock.folder.state.renew_at
        assert clock.pass_days((due - clock.now) / DAY - 0.1) == 0
        assert len(clock.serials) == before
        clock.orders.broken[MAIN] = "it is away"
        assert clock.pass_days(14) == 0
        del clock.orders.broken[MAIN]
        assert clock.pass_days(1) == 0
        assert len(clock.serials) == before + 1
    assert clock.folder.state.issued == 4
    assert clock.folder.state.failures == 0


def test_two_certificates_are_renewed_three_times_apart(tmp_path: Path) -> None:
    """Of one folder, with the directory away for a week at each renewal; one is for 90 days, the other for 45. Neither
    is missing for a moment, and neither takes the place of the other.
    """
    here, there = Clock(tmp_path), Clock(tmp_path, lineage="www.example.com", names=("www.example.com",))
    there.orders.days = 45.0
    without = 0.0
    for _ in range(2 * 220):  # half days
        away = here.now >= here.folder.state.renew_at > here.now - 7 * DAY
        for clock in (here, there):
            clock.orders.broken = {MAIN: "it is away"} if away else {}
            without += clock.pass_days(0.5, every=DAY / 2)
    assert without == 0
    assert (here.folder.state.issued, there.folder.state.issued) == (len(here.serials), len(there.serials))
    assert (len(here.serials), len(there.serials)) == (4, 7)
    for clock, names in ((here, NAMES), (there, ("www.example.com",))):
        held = clock.held()
        assert held is not None
        assert held.names == set(names)
    assert {path.name for path in tmp_path.iterdir()} == {
        *("certificate.pem", "state.json", "certificate-www.example.com.pem", "state-www.example.com.json", "lock")
    }


def test_short_lived_certificates_are_renewed_at_half_of_their_life(clock: Clock) -> None:
    """Six days: over a month, one for each three of them, and never none."""
    clock.orders.days = 6.0
    assert clock.pass_days(30, every=3600.0) == 0
    assert 9 <= len(clock.serials) <= 12


def test_failures_are_spread_and_counted(clock: Clock) -> None:
    """Not at each look: five minutes after the first, then ever more rarely; the last words are kept for /status."""
    clock.orders.broken[MAIN] = "it is away"
    clock.step()
    clock.step()
    assert len(clock.orders.asked) == 1
    clock.now += FIRST_RETRY_SECONDS * 1.1
    clock.step()
    assert len(clock.orders.asked) == 2
    clock.pass_days(1)
    assert len(clock.orders.asked) <= 11
    state = clock.folder.state
    assert (state.issued, state.failed, state.failures) == (0, len(clock.orders.asked), state.failed)
    assert state.error == f"{MAIN}: it is away"


def test_the_next_directory_is_asked_where_one_fails(tmp_path: Path) -> None:
    """In the order of the list, at each attempt."""
    clock = Clock(tmp_path, MAIN, OTHER)
    clock.orders.broken[MAIN] = "it is away"
    clock.step()
    assert clock.orders.asked == [MAIN, OTHER]
    assert clock.folder.state.directory == OTHER
    assert (clock.folder.state.issued, clock.folder.state.failed) == (1, 0)


def test_workers_and_replicas_make_one_order(tmp_path: Path) -> None:
    """Four look at the same folder; one orders, the others find the certificate."""
    clock = Clock(tmp_path, workers=4)
    clock.pass_days(65)
    assert len(clock.orders.asked) == 2


def test_nobody_orders_while_another_one_does(clock: Clock) -> None:
    """The lock is another process's: nothing happens, and it is not waited for."""
    with clock.folder.lock():
        clock.step()
    assert clock.orders.asked == []
    clock.step()
    assert clock.orders.asked == [MAIN]


def test_other_names_need_another_certificate(tmp_path: Path) -> None:
    """After a change of the configuration, at once; not before the next attempt is due, where that failed."""
    clock = Clock(tmp_path)
    clock.step()
    more = Renewal(clock.folder, (*NAMES, "b.example.com"), (MAIN,), clock.orders, lambda: 0.5)
    more.step(clock.now)
    held = clock.held()
    assert held is not None
    assert held.names == {*NAMES, "b.example.com"}


@pytest.mark.parametrize("names", [("2001:DB8:0::1", "GATE.example.com"), ("gate.example.com",)])
def test_the_same_names_in_other_words_are_not_ordered_again(tmp_path: Path, names: tuple[str, ...]) -> None:
    """Nor fewer names than the certificate has: an order at each look would soon be one too many for the directory."""
    clock = Clock(tmp_path)
    clock.folder.write_certificate(certificate(["gate.example.com", "2001:db8::1"], clock.now, 90))
    renewal = Renewal(clock.folder, names, (MAIN,), clock.orders, lambda: 0.5)
    for _ in range(3):
        renewal.step(clock.now)
        clock.now += 30.0
    assert clock.orders.asked == []


def test_the_directory_says_when_to_renew(clock: Clock) -> None:
    """RFC 9773: when it is about to revoke a certificate, it asks for a renewal now."""
    clock.step()
    clock.orders.information = (clock.now + 5 * DAY, clock.now + 3600.0)
    clock.now += 6 * 3600.0
    clock.step()
    assert clock.folder.state.renew_at == clock.orders.information[0]
    clock.orders.information = (clock.now - 60.0, clock.now + 6 * 3600.0)
    clock.now += 3600.0
    clock.step()
    assert len(clock.orders.asked) == 2


def test_a_window_beyond_the_end_of_the_certificate_is_not_waited_for(clock: Clock) -> None:
    """A directory that errs must not let it end."""
    clock.step()
    held = clock.held()
    assert held is not None
    clock.orders.information = (held.lifetime.ends + DAY, clock.now + 10 * DAY)
    clock.now += 6 * 3600.0
    clock.step()
    assert clock.folder.state.renew_at == held.lifetime.ends


def test_renewal_information_is_not_asked_for_at_each_look(clock: Clock) -> None:
    """As often as the directory says, not within a minute; every six hours where it cannot be asked."""
    clock.step()
    assert clock.folder.state.ask_at == clock.now + 6 * 3600.0
    clock.now += 6 * 3600.0
    clock.orders.information = (None, clock.now)
    clock.step()
    assert clock.folder.state.ask_at == clock.now + 60.0


def test_the_certificate_of_before_is_shown_until_the_next_order(tmp_path: Path) -> None:
    """Names move to another entry of the configuration, which has no certificate yet or one for other names: the last
    one that was ordered for all of them is shown there. Where none was, what there is is shown.
    """
    root, www = ACMEFolder(tmp_path), ACMEFolder(tmp_path, "www")
    own, short, long = (
        certificate(names, START, days) for names, days in ((["www"], 9), (["WWW", "m"], 8), (["www", "m"], 9))
    )
    assert certificate_to_show(www, ["www", "m"]) == b""
    root.write_certificate(long)
    ACMEFolder(tmp_path, "gone").write_certificate(short)
    assert certificate_to_show(www, ["www", "M"]) == long
    www.write_certificate(own)
    assert certificate_to_show(www, ["www", "m"]) == long
    assert certificate_to_show(www, ["www"]) == own
    assert certificate_to_show(www, ["www", "x"]) == own


@pytest.mark.parametrize("content", [b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", b"\0"])
def test_a_certificate_that_cannot_be_read_is_none(clock: Clock, content: bytes) -> None:
    """The next order takes its place."""
    clock.folder.write_certificate(content)
    assert clock.held() is None
    clock.step()
    assert clock.held() is not None


def test_challenges_are_cleared_whatever_came_of_the_order(clock: Clock) -> None:
    """Answers that nobody asks for any more are given to nobody."""
    for broken in ({MAIN: "no"}, {}):
        clock.orders.broken = broken
        clock.folder.put_token("abc", "x")
        clock.now += DAY
        clock.step()
        assert clock.folder.token("abc") == b""
