"""The certificate for a tls-alpn-01 challenge (RFC 8737, 3)."""

import pytest
from cryptography import x509
from cryptography.x509.general_name import DNSName, IPAddress

from gatekeeper.acme.tls_alpn import challenge_certificate, general_name, placeholder, server_name


def read(pem: bytes) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem[pem.index(b"-----BEGIN CERTIFICATE-----") :])


@pytest.mark.parametrize("name", ["gate.example.com", "192.0.2.1", "2001:db8::1"])
def test_it_carries_the_name_and_the_digest(name: str) -> None:
    """The name alone in its subjectAltName, the digest in a critical acmeIdentifier; it is signed by its own key."""
    certificate = read(challenge_certificate(name, bytes(range(32))))
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(names) == [general_name(name)]
    identifier = certificate.extensions.get_extension_for_oid(x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31"))
    assert identifier.critical
    assert identifier.value.public_bytes() == bytes.fromhex("0420") + bytes(range(32))
    certificate.verify_directly_issued_by(certificate)


def test_an_address_is_asked_for_by_its_reverse_name() -> None:
    """RFC 8738, 6: SNI holds no addresses."""
    assert server_name("gate.example.com") == "gate.example.com"
    assert server_name("192.0.2.1") == "1.2.0.192.in-addr.arpa"
    assert server_name("2001:db8::1").endswith(".8.b.d.0.1.0.0.2.ip6.arpa")


def test_the_placeholder_has_all_names() -> None:
    """So that the gate serves before a directory has answered."""
    names = read(placeholder(["a.example", "192.0.2.1"])).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert [type(one) for one in names.value] == [DNSName, IPAddress]
