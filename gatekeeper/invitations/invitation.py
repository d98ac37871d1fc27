"""The content of ``invitation.json``. It contains no secret."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from gatekeeper.errors import InvitationError

_VERSION = 1
_DIGEST = re.compile(r"[0-9a-f]{64}")
# RFC 5280, 4.1.2.2; "" as long as there is no certificate.
_SERIAL = re.compile(r"[0-9A-Fa-f]{0,40}")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class InvitationKind(StrEnum):
    """The kind of an invitation."""

    BUNDLE = "bundle"  # key and certificate are in the folder, encrypted
    REQUEST = "request"  # the client generates its key and sends a certificate request
    RENEWAL = "renewal"  # no invitation: a machine requested its next certificate (`renewal`)


class Profile(StrEnum):
    """The forms in which a key and certificate are offered to devices."""

    MODERN = "modern"  # PKCS #12 with AES-256
    COMPAT = "compat"  # PKCS #12 with 3DES, for Apple, Android and older Windows
    APPLE = "apple"  # a configuration profile with the same PKCS #12 inside


FILES: Mapping[Profile, str] = {
    Profile.MODERN: "modern.p12",
    Profile.COMPAT: "compat.p12",
    Profile.APPLE: "apple.mobileconfig",
}

ANCHOR = "authority.crt"
"""The certificate (DER) of the server's authority, if the device is to trust it."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """Whom an invitation is for and when it expires; times are seconds since the epoch.

    ``digest`` is the SHA-256 of the token; for a renewal see `renewal.digest_of_renewal`. ``files`` are the names of
    the files by profile. ``serial`` is the certificate's serial number in hex, "" before it is issued; ``replaces`` is
    the SHA-256 of the certificate that it replaces, "" for none.
    """

    name: str
    digest: str
    made: float
    ends: float
    kind: InvitationKind = InvitationKind.BUNDLE
    files: Mapping[str, str] = field(default_factory=dict)
    serial: str = ""
    replaces: str = ""


def write_invitation(invitation: Invitation) -> bytes:
    """The invitation as JSON."""
    return json.dumps({"version": _VERSION, **asdict(invitation)}, indent=2).encode() + b"\n"


def read_invitation(content: bytes, source: str) -> Invitation:
    """Read what `write_invitation` wrote; InvitationError for anything else, such as file names that lead elsewhere."""
    try:
        record: dict[str, Any] = json.loads(content)
        if record.pop("version") != _VERSION:
            raise InvitationError(f"{source} was written by another version of gatekeeper")
        found = Invitation(**record | {"kind": InvitationKind(record["kind"])})
        whole = _DIGEST.fullmatch(found.digest) and all(map(_FILE.fullmatch, found.files.values()))
        known = _SERIAL.fullmatch(found.serial) and (not found.replaces or _DIGEST.fullmatch(found.replaces))
        if not (whole and known and isinstance(found.name, str) and found.ends > found.made > 0):
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InvitationError(f"{source} is damaged") from None
    return found
