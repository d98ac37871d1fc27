"""Names of clients and servers, which are file names too."""

import re
import unicodedata
from ipaddress import ip_address

from cryptography import x509

from gatekeeper.ca.requests import check_common_name
from gatekeeper.ca.subject import Subject
from gatekeeper.errors import AuthorityError
from gatekeeper.gate.names import UNSEEN, rfc2253

# `NAME.key` and `NAME.crt` of such a client would be the authority's own files.
AUTHORITY_NAME = "ca"

# ext4, APFS and NTFS take 255 bytes for a name; ".NAME.key.new" is the longest we make.
_LONGEST = 200

# Windows opens a device for these, whatever the suffix (Naming Files, Paths, and Namespaces), and bundles go there.
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*", re.ASCII)

# Path separators of any system, characters that Windows forbids, and shell patterns.
_FORBIDDEN = frozenset('/\\:*?"<>|')

_WORDS: dict[type, str] = {
    x509.RFC822Name: "e-mail",
    x509.DNSName: "host name",
    x509.UniformResourceIdentifier: "URI",
    x509.IPAddress: "address",
}


def check_name(name: str) -> str:
    """Return the name in Unicode normal form NFC if it can be a common name and the stem of a file name.

    AuthorityError otherwise: for a name that leads out of the folder, hides a file, looks like an option, or is the
    authority's own.
    """
    name = unicodedata.normalize("NFC", check_common_name(name))
    if bad := _FORBIDDEN.intersection(name):
        raise AuthorityError(f"the name {name!r} holds {' '.join(sorted(bad))}, which a file name must not")
    if name[0] in ".-" or name != name.strip() or name[-1] == ".":
        raise AuthorityError(
            f"the name {name!r} must not begin with a dot, a dash or a space, nor end in a dot or a space"
        )
    if same_name(name, AUTHORITY_NAME):
        raise AuthorityError(f"the name {name!r} is the authority's own; choose another")
    if _DEVICES.fullmatch(name):
        raise AuthorityError(f"the name {name!r} is a device's on Windows, where no file can have it")
    if len(name.encode()) > _LONGEST:
        raise AuthorityError(f"the name {name!r} is too long for a file name")
    return name


def check_host(host: str) -> str:
    """Return a host name or an IP address; AuthorityError for one that no certificate can be issued for.

    RFC 1123, 2.1 and RFC 9525, 6.3: letters, digits, hyphens; a leading ``*.`` stands for one label. An
    internationalized name must be in its ASCII form (``xn--``).
    """
    try:
        ip_address(host)
    except ValueError:
        if len(host) > 253 or not _HOST.fullmatch(host):
            raise AuthorityError(f"{host!r} is neither a host name nor an address; write them one by one") from None
    return host


def same_name(one: str, other: str) -> bool:
    """Whether two names share their files: case and composition are ignored, as some file systems do."""
    return folded_name(one) == folded_name(other)


def folded_name(name: str) -> str:
    """The name in NFC, with case folded."""
    return unicodedata.normalize("NFC", name).casefold()


def printable(text: str) -> str:
    """The text with every character escaped that could control a terminal or is not seen: anyone can choose the names
    in a request.
    """
    text = UNSEEN.sub(lambda found: ascii(found[0])[1:-1], text)
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def left_out(wanted: Subject, granted: Subject) -> tuple[str, ...]:
    """The names that a request asked for and did not get, as text."""
    given = list(granted.name)
    subject = [rfc2253(x509.Name([attribute])) for attribute in wanted.name if attribute not in given]
    names = [f"{_WORDS[type(name)]} {name.value}" for name in wanted.alternatives if name not in granted.alternatives]
    return tuple(map(printable, (*subject, *names)))
