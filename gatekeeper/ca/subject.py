"""The subject of a certificate: its distinguished name and its subject alternative names."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import NameOID


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a certificate is for: the subject field (RFC 5280, 4.1.2.6), and the subject alternative names (4.2.1.6)."""

    name: x509.Name
    alternatives: tuple[x509.GeneralName, ...] = ()


def make_subject(
    name: str | None,
    *,
    organizational_units: Iterable[str] = (),
    emails: Iterable[str] = (),
    dns_names: Iterable[str] = (),
    uris: Iterable[str] = (),
    ips: Iterable[str] = (),
) -> Subject:
    """Make a `Subject`; ValueError for what no certificate can hold: an empty name, one of 65 characters …

    A ``name`` of None leaves the common name out; one of spaces is written as it is.
    """
    attributes = [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit) for unit in organizational_units]
    if name is not None:
        attributes.append(x509.NameAttribute(NameOID.COMMON_NAME, name))
    return Subject(
        x509.Name(attributes),
        (
            *(x509.RFC822Name(email) for email in emails),
            *(x509.DNSName(dns_name) for dns_name in dns_names),
            *(x509.UniformResourceIdentifier(uri) for uri in uris),
            *(x509.IPAddress(ipaddress.ip_address(ip)) for ip in ips),
        ),
    )


def make_server_subject(name: str, hosts: Iterable[str]) -> Subject:
    """The subject of a server: a common name, and alternative names of type dNSName or iPAddress."""
    dns_names: list[str] = []
    ips: list[str] = []
    for host in hosts:
        (ips if _is_address(host) else dns_names).append(host)
    return make_subject(name, dns_names=dns_names, ips=ips)


def subject_of(certificate: x509.Certificate) -> Subject:
    """The subject of a certificate, with its alternative names."""
    try:
        names = tuple(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        names = ()
    return Subject(certificate.subject, names)


def common_name(name: x509.Name) -> str:
    """The first common name, empty if there is none."""
    values = [attribute.value for attribute in name.get_attributes_for_oid(NameOID.COMMON_NAME)]
    return str(values[0]) if values else ""


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
