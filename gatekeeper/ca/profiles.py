"""One key and certificate in the forms that devices take, all under one password.

An Apple configuration profile carries the PKCS #12 as it is, encrypted; the device asks for its password. The
authority's certificate is not in it as a thing to trust: a device must not believe servers because a client
certificate was installed.
"""

import plistlib
import uuid
from collections.abc import Mapping

from gatekeeper.ca.bundle import make_bundle, read_bundle
from gatekeeper.errors import AuthorityError
from gatekeeper.invitations.invitation import Profile


def all_profiles(bundle: bytes, password: str, name: str, source: str) -> Mapping[Profile, bytes]:
    """Every form of what a ``.p12`` holds, for the client of this name; AuthorityError if it does not open."""
    opened = read_bundle(bundle, password, source)
    if opened.key is None or opened.certificate is None:
        raise AuthorityError(f"{source} holds no key with its certificate")
    modern, compat = (
        make_bundle(opened.key, opened.certificate, opened.others, password, friendly_name=name, compat=older)
        for older in (False, True)
    )
    return {Profile.MODERN: modern, Profile.COMPAT: compat, Profile.APPLE: apple_profile(compat, name)}


def apple_profile(bundle: bytes, name: str) -> bytes:
    """A ``.mobileconfig`` around a PKCS #12 (Apple, Device Management, "CertificatePKCS12").

    Its identifiers are new each time: a profile of the same identifier would take the place of the one before, and
    with it the certificate that is still in use.
    """
    inner, outer = (str(uuid.uuid4()).upper() for _ in range(2))
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
                }
            ],
        }
    )
