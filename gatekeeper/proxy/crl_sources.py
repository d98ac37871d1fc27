"""From where revocation lists are fetched: URLs that are configured, and those that certificates name."""

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from gatekeeper.gate.certificate import Certificate
from gatekeeper.proxy.crl_folder import CRLFolder
from gatekeeper.settings.addresses import HTTP_URL
from gatekeeper.x509.der import element

if TYPE_CHECKING:
    from gatekeeper.settings.access import ClientAuthSettings

_URI = 0x86  # uniformResourceIdentifier of GeneralName (RFC 5280, 4.2.1.6)
# Longer than any that an authority writes.
_LONGEST = 2048


def wanted_urls(
    auth: "ClientAuthSettings", authorities: Iterable[Certificate], learned: Iterable[str] = ()
) -> list[str]:
    """Every URL from which a list is to be fetched, in order, each once.

    ``learned`` are those that visitors' certificates named; those of earlier runs are in the folder.
    """
    found = list(auth.crl_urls)
    if auth.uses_distribution_points and auth.crl_folder is not None:
        named = [url for authority in authorities for url in distribution_urls(authority)]
        before = (fetch.url for fetch in CRLFolder(auth.crl_folder).fetches())
        found += [url for url in (*named, *before, *learned) if is_allowed(url, auth.crl_hosts)]
    return list(dict.fromkeys(found))


def distribution_urls(certificate: Certificate) -> list[str]:
    """The http URLs that a certificate names as the places of its revocation list, in a fixed order."""
    found = []
    for name in sorted(certificate.points):
        one = element(name, 0, len(name))
        url = name[one.start : one.stop].decode("latin-1")
        if one.tag == _URI and len(url) <= _LONGEST and HTTP_URL.fullmatch(url):
            found.append(url)
    return found


def is_allowed(url: str, hosts: Collection[str]) -> bool:
    """Whether ``client_auth.crl_hosts`` names the host of a URL, and its port where that is not 80.

    A certificate is signed by a trusted authority, but what it names may lead anywhere inside of the network.
    """
    found = HTTP_URL.fullmatch(url)
    if found is None:
        return False
    host, port = found[1].strip("[]").lower(), (found[2] or ":80").lstrip(":0")
    return (host if port == "80" else f"{host}:{port}") in hosts
