"""gatekeeper.ca.index"""

import json
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from gatekeeper.ca.authority import Authority
from gatekeeper.ca.certificates import issue_client
from gatekeeper.ca.index import (
    CertificateKind,
    Entry,
    Index,
    Status,
    entry_of,
    parse_serial,
    read_index,
    write_index,
)
from gatekeeper.ca.revocation import Revocation, RevocationReason
from gatekeeper.errors import AuthorityError


@pytest.fixture(scope="module")
def alice(home: Authority, now: datetime) -> Entry:
    certificate = issue_client(home, "alice", key_type="ec:p256", now=now, lifetime=timedelta(days=9)).certificate
    return entry_of(certificate, "alice", CertificateKind.CLIENT, holds_key=True)


def test_what_is_written_is_read(alice: Entry, now: datetime) -> None:
    """An index survives its JSON."""
    index = Index((alice,), (Revocation(7, now, RevocationReason.SUPERSEDED),), 5, timedelta(days=3))
    assert read_index(write_index(index), "index.json") == index


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'{"version": 1}',
        b'{"version": 1, "certificates": [{}], "revocations": [], "crl": {}}',
    ],
)
def test_a_damaged_index_stops_everything(content: bytes) -> None:
    """Fail closed: going on with half an index would bring revoked certificates back to life."""
    with pytest.raises(AuthorityError, match=r"index\.json is damaged"):
        read_index(content, "index.json")


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        ("certificates", "serial", 5),
        ("certificates", "serial", "-5"),
        ("certificates", "serial", "0"),
        ("certificates", "serial", "F" * 41),
        ("certificates", "name", 5),
        ("certificates", "name", "../../x"),
        ("certificates", "subject", None),
        ("certificates", "key_sha256", 7),
        ("certificates", "not_after", "2030-01-01"),
        ("certificates", "kind", "king"),
        ("revocations", "serial", "00"),
        ("revocations", "at", "1900-01-01T00:00:00Z"),
        ("revocations", "reason", "boredom"),
        ("crl", "number", -5),
        ("crl", "number", "5"),
        ("crl", "seconds", 0),
        ("crl", "seconds", 10**18),
    ],
)
def test_a_value_that_cannot_be_stops_everything(part: str, key: str, value: object, alice: Entry) -> None:
    """An index changed by hand is read strictly: what it says goes into file names, lists and certificates."""
    index = Index((alice,), (Revocation(7, alice.not_before),), 1)
    document = json.loads(write_index(index))
    meant = document[part] if part == "crl" else document[part][0]
    meant[key] = value
    with pytest.raises(AuthorityError, match=r"index\.json is damaged"):
        read_index(json.dumps(document).encode(), "index.json")


def test_a_serial_that_is_there_twice_stops_everything(alice: Entry) -> None:
    """Two lines for one certificate cannot both be right."""
    document = json.loads(write_index(Index((alice,), crl_number=1)))
    document["certificates"] *= 2
    with pytest.raises(AuthorityError, match="a serial is there twice"):
        read_index(json.dumps(document).encode(), "index.json")


def test_a_newer_index_is_left_alone(alice: Entry) -> None:
    """What a later version wrote may mean something that this one would lose."""
    document = json.loads(write_index(Index((alice,))))
    document["version"] = 3
    with pytest.raises(AuthorityError, match="newer gatekeeper"):
        read_index(json.dumps(document).encode(), "index.json")


def test_a_certificate_lives_from_its_first_to_its_last_second(alice: Entry) -> None:
    """RFC 5280: both notBefore and notAfter are within."""
    index, second = Index((alice,)), timedelta(seconds=1)
    assert index.status(alice, alice.not_before - second) is Status.NOT_YET_VALID
    assert index.status(alice, alice.not_before) is Status.VALID
    assert index.status(alice, alice.not_after) is Status.VALID
    assert index.status(alice, alice.not_after + second) is Status.EXPIRED


def test_revoked_is_stronger_than_anything(alice: Entry, now: datetime) -> None:
    """A revoked certificate is revoked before, during and after its life, and not in force."""
    index = Index((alice,)).with_revocation(Revocation(alice.serial, now))
    for moment in (alice.not_before - timedelta(days=1), now, alice.not_after + timedelta(days=1)):
        assert index.status(alice, moment) is Status.REVOKED
    assert index.in_force("alice", now) == ()


def test_the_first_revocation_stays(alice: Entry, now: datetime) -> None:
    """Revoking again changes neither date nor reason: a stolen key stays stolen."""
    index = Index((alice,)).with_revocation(Revocation(alice.serial, now, RevocationReason.KEY_COMPROMISE))
    again = index.with_revocation(Revocation(alice.serial, now + timedelta(days=1)))
    assert again.revocations == index.revocations
    assert again.key_is_compromised(alice.key)


def test_only_a_stolen_key_is_stolen(alice: Entry, now: datetime) -> None:
    """A superseded certificate's key may be certified again."""
    index = Index((alice,)).with_revocation(Revocation(alice.serial, now, RevocationReason.SUPERSEDED))
    assert not index.key_is_compromised(alice.key)


def test_a_serial_is_never_taken_twice(alice: Entry) -> None:
    """The index refuses a serial it knows."""
    with pytest.raises(AuthorityError, match="was issued before"):
        Index((alice,)).with_entry(replace(alice, name="bob"))


def test_every_serial_that_was_used_is_known(alice: Entry, now: datetime) -> None:
    """Also those that were revoked without having been issued here."""
    assert Index((alice,)).with_revocation(Revocation(1, now)).serials() == {1, alice.serial}


def test_names_are_found_in_any_case(alice: Entry) -> None:
    """Alice and alice are one file on some systems, so they are one name."""
    assert Index((alice,)).named("ALICE") == (alice,)
    assert Index((alice,)).named("bob") == ()


@pytest.mark.parametrize(
    ("text", "serial"),
    [("0A", 10), ("01:0a", 266), ("f" * 40, 16**40 - 1), ("0", None), ("", None), ("f" * 41, None), ("x1", None)],
)
def test_a_serial_is_read_as_people_write_it(text: str, serial: int | None) -> None:
    """As openssl and the gate's log print it, with colons or without; positive, 20 octets at most (RFC 5280)."""
    assert parse_serial(text) == serial
