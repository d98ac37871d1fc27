"""Certificates as values for the tests of the gate, so that any field can hold anything."""

from gatekeeper.gate.certificate import Certificate

DAY = 86_400.0
NOW = 1_795_460_400.0  # 2026-11-23 19:00:00 UTC

ALICE = Certificate(
    der=b"0\x82",
    subject="CN=alice,OU=staff,OU=dev,O=Home",
    issuer="CN=Home CA,O=Home",
    serial="0A1B",
    not_before=NOW - 100 * DAY,
    not_after=NOW + 265 * DAY,
    common_names=("alice",),
    organizations=("Home",),
    organizational_units=("staff", "dev"),
    issuer_common_names=("Home CA",),
    emails=("alice@Example.com", "al@home.example"),
    dns_names=("laptop.example.com", "Phone.example.com"),
    uris=("spiffe://example.com/people/alice",),
    ips=(),
    sha1="11" * 20,
    sha256="ab" * 32,
    spki_sha256="cd" * 32,
    dn="O=Home,OU=dev,OU=staff,CN=alice,serialNumber=PNODE-1",
    subject_serials=("PNODE-1",),
    uids=("al",),
    upns=("alice@Corp.example.com",),
    policies=("1.2.3.4", "1.2.3.5"),
    purposes=("1.3.6.1.5.5.7.3.2", "1.3.6.1.4.1.311.20.2.2"),
)
