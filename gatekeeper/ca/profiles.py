"""One key and certificate in every form that devices import, under one password.

An Apple configuration profile contains the encrypted PKCS #12 unchanged; the device asks for its password. The
authority's certificate is not installed as trusted: a client certificate is no reason to believe servers. For a server
without a public certificate there is an anchor, an authority that is limited to the names of that server.
"""

import plistlib
import uuid
from collections.abc import Mapping

from gatekeeper.ca.bundle import make_bundle, read_bundle
from gatekeeper.errors import AuthorityError
from gatekeeper.invitations.invitation import Profile


def all_profiles(
    bundle: bytes, password: str, name: str, source: str, anchor: bytes | None = None
) -> Mapping[Profile, bytes]:
    """A client's ``.p12`` converted to every profile; AuthorityError if it cannot be opened.

    ``anchor`` (DER) is an authority that the device is to trust, too.
    """
    opened = read_bundle(bundle, password, source)
    if opened.key is None or opened.certificate is None:
        raise AuthorityError(f"{source} holds no key with its certificate")
    modern, compat = (
        make_bundle(opened.key, opened.certificate, opened.others, password, friendly_name=name, compat=older)
        for older in (False, True)
    )
    return {Profile.MODERN: modern, Profile.COMPAT: compat, Profile.APPLE: apple_profile(compat, name, anchor)}


def apple_profile(bundle: bytes, name: str, anchor: bytes | None = None) -> bytes:
    """A ``.mobileconfig`` that contains a PKCS #12 (Apple, Device Management, "CertificatePKCS12"), and with an
    ``anchor`` (DER) an authority of servers ("CertificateRoot"), which the device trusts after a further question.

    Its identifiers are new each time: a device would replace a profile of the same identifier, and with it a
    certificate that is still in use.
    """
    inner, outer, root = (str(uuid.uuid4()).upper() for _ in range(3))
    trusted = {
        "PayloadType": "com.apple.security.root",
        "PayloadVersion": 1,
        "PayloadIdentifier": f"gatekeeper.{outer}.{root}",
        "PayloadUUID": root,
        "PayloadDisplayName": "Authority of the server",
        "PayloadCertificateFileName": "authority.crt",
        "PayloadContent": anchor,
    }
    return plistlib.dumps(
        {
            "PayloadType": "Configuration",
            "PayloadVersion": 1,
            "PayloadIdentifier": f"gatekeeper.{outer}",
            "PayloadUUID": outer,
            "PayloadDisplayName": f"Certificate of {name}",
            "PayloadDescription": "Lets this device sign in by a client certificate.",
            "PayloadContent": [
                {
                    "PayloadType": "com.apple.security.pkcs12",
                    "PayloadVersion": 1,
                    "PayloadIdentifier": f"gatekeeper.{outer}.{inner}",
                    "PayloadUUID": inner,
                    "PayloadDisplayName": name,
                    "PayloadCertificateFileName": f"{name}.p12",
                    "PayloadContent": bundle,
                },
                *([trusted] if anchor is not None else []),
            ],
        }
    )
