"""Whether this gate would still admit the certificate of an invitation; if not, it is not handed out.

`gatekeeper ca revoke` may not have been able to cancel the invitation, because its folder is on another machine.
"""

from gatekeeper.gate.certificate import Certificate, read_certificate
from gatekeeper.gate.revocation import Standing
from gatekeeper.gate.verdict import Policy
from gatekeeper.invitations.folder import CHAIN, StoredInvitation
from gatekeeper.local.request import Request
from gatekeeper.x509 import pem


def is_withdrawn(request: Request, stored: StoredInvitation) -> bool:
    """Whether the certificate is on a list that is loaded, or its authority is none of the gate's and below none.

    False as long as there is no certificate. Not checked: whether a list is current, and what a responder would say;
    both are checked when the certificate is used. ValueError if the stored chain cannot be parsed.
    """
    chain = pem.blocks(request.invitations.read(stored, CHAIN) or b"", pem.CERTIFICATE_LABELS)
    if len(chain) < 2:  # nothing is signed yet, or an earlier version stored the serial number alone
        return _is_listed(stored.invitation.serial, request.policy)
    leaf, issuer = map(read_certificate, chain[:2])
    revocations = request.policy.revocations
    if revocations is not None and revocations.status(leaf, issuer, request.now).standing is Standing.REVOKED:
        return True
    return not _is_covered(issuer, request.policy)


def _is_listed(serial: str, policy: Policy) -> bool:
    """Serial numbers of invitations are random, of 159 bits, so no other authority has used this one."""
    if not serial or policy.revocations is None:
        return False
    return any(int(serial, 16) in one.serials for one in policy.revocations.every)


def _is_covered(issuer: Certificate, policy: Policy) -> bool:
    """A renewed authority with the same key is the same one. An intermediate authority counts by the name above it."""
    return any(
        (one.subject, one.spki_sha256) == (issuer.subject, issuer.spki_sha256)
        or (one.subject == issuer.issuer and issuer.issuer != issuer.subject)
        for one in policy.authorities
    )
