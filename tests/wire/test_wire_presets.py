"""The presets where there is no original to run, and where they must differ from it. The rest is in tests/e2e."""

from base64 import b64encode
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import pytest

from gatekeeper.gate.verdict import Identity
from gatekeeper.wire.presets import PRESETS
from gatekeeper.wire.presets.encoding import encoded, listed
from tests.certificates import make_client
from tests.people import ALICE

PLAIN_SERVER = replace(ALICE, uris=())
SERVER = replace(ALICE, uris=("spiffe://example.com/gate",))


def headers(preset: str, server: Any = PLAIN_SERVER, chain: tuple[bytes, ...] = (), **mine: Any) -> dict[str, str]:
    return dict(PRESETS[preset](Identity(replace(ALICE, **mine), chain), server))


def test_envoys_keys_in_envoys_order() -> None:
    """By (the server's URIs), Hash, Cert, Subject, URI, DNS; several of one are several pairs."""
    value = headers("xfcc", SERVER, uris=("spiffe://a/b", "spiffe://a/c"))["X-Forwarded-Client-Cert"]
    by, sha256, cert, *rest = value.split(";")
    assert by == "By=spiffe://example.com/gate"
    assert sha256 == "Hash=" + "ab" * 32
    assert cert.startswith('Cert="-----BEGIN%20CERTIFICATE-----%0A')
    assert cert.endswith('%0A-----END%20CERTIFICATE-----%0A"')
    assert rest == [
        'Subject="CN=alice,OU=staff,OU=dev,O=Home"',
        "URI=spiffe://a/b",
        "URI=spiffe://a/c",
        "DNS=laptop.example.com",
        "DNS=Phone.example.com",
    ]


def test_envoys_certificate_is_escaped_as_envoy_does() -> None:
    """Line ends, spaces, and the three characters of base64 that mean something in a URL; nothing else."""
    value = headers("xfcc", der=bytes(range(256)))["X-Forwarded-Client-Cert"]
    cert = value.partition('Cert="')[2].partition('"')[0]
    expected = unquote(cert)
    for char, escape in (("%", "%25"), ("\n", "%0A"), (" ", "%20"), ("+", "%2B"), ("/", "%2F"), ("=", "%3D")):
        expected = expected.replace(char, escape)
    assert cert == expected
    assert "+" in unquote(cert)


def test_envoys_uri_is_there_even_if_it_is_empty() -> None:
    """As Envoy writes it; By and DNS are not."""
    value = headers("xfcc", uris=(), dns_names=())["X-Forwarded-Client-Cert"]
    assert value.endswith(';Subject="CN=alice,OU=staff,OU=dev,O=Home";URI=')
    assert "By=" not in value
    assert "DNS=" not in value


def test_envoys_values_with_separators_are_quoted() -> None:
    """The documented rule: a URI cannot add a key of its own."""
    hostile = 'urn:x;Hash=00,By="a\\b"'
    value = headers("xfcc", uris=(hostile,), dns_names=())["X-Forwarded-Client-Cert"]
    assert value.endswith(';URI="urn:x;Hash=00,By=\\"a\\\\b\\""')


def test_envoys_subject_keeps_its_escapes() -> None:
    """RFC 2253 has quotes escaped already, so a name cannot end the value."""
    value = headers("xfcc", subject='CN=a\\"\\;Hash=00')["X-Forwarded-Client-Cert"]
    assert 'Subject="CN=a\\"\\;Hash=00";URI=' in value


def test_the_chain_is_a_list_of_byte_sequences() -> None:
    """RFC 9440, 2.3, in the order in which it was sent; without one there is nothing to say."""
    one, other = (b64encode(der).decode() for der in (b"one", b"other"))
    assert headers("rfc9440", chain=(b"one", b"other"))["Client-Cert-Chain"] == f":{one}:, :{other}:"
    assert headers("rfc9440")["Client-Cert-Chain"] == ""


def test_traefik_is_not_told_of_what_nobody_can_read() -> None:
    """A visitor may send anything along: Traefik lets no such client in."""
    mine, other = make_client("alice", None).der, make_client("other", None).der
    sent = (b"no certificate", other[:-1], other)
    assert headers("traefik", chain=sent, der=mine) == headers("traefik", chain=(other,), der=mine)


def test_users_mail_and_groups() -> None:
    """The common name twice, the first address, all units."""
    assert headers("remote-user") == {
        "Remote-User": "alice",
        "X-Forwarded-User": "alice",
        "X-Forwarded-Email": "alice@Example.com",
        "X-Forwarded-Groups": "staff,dev",
    }


def test_a_comma_in_a_unit_makes_no_group() -> None:
    """A unit "dev,admin" is not a member of admin."""
    assert headers("remote-user", organizational_units=("dev,admin", "x"))["X-Forwarded-Groups"] == "dev%2Cadmin,x"


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("alice", "alice"),
        ("Zoë Müller", "Zoë Müller"),
        ("a, b; c=\"d\" 'e' \\ <f>", "a, b; c=\"d\" 'e' \\ <f>"),
        (" alice", "%20alice"),
        ("alice  ", "alice%20%20"),
        ("\u3000alice\u00a0", "%E3%80%80alice%C2%A0"),
        ("50%", "50%"),
        ("100%25", "100%2525"),
        ("%20alice", "%2520alice"),
        ("%zz", "%zz"),
        ("", ""),
    ],
)
def test_names_stay_as_they_are_unless_they_would_be_misread(name: str, written: str) -> None:
    """And decoding gives back what was encoded, so no two names become one."""
    assert encoded(name) == written
    assert unquote(written) == name


def test_lists_are_told_apart() -> None:
    """Their commas, and whatever else the surroundings use."""
    assert listed(("a,b", "c"), "; ") == "a%2Cb,c"
    assert listed(("a;b", " c"), "; ") == "a%3Bb,%20c"
    assert listed(()) == ""
