"""Which module answers which local request. Loaded for the first one."""

from collections.abc import Callable, Mapping

from gatekeeper.gate.routes import EST_AUTHORITIES, EST_RENEW, ME, RENEW
from gatekeeper.gate.verdict import Identity
from gatekeeper.invitations.token import INVITE
from gatekeeper.local import est, invite, me, renewal
from gatekeeper.local.request import Reply, Request, failure

# What only admitted visitors may request, by path.
_ADMITTED: Mapping[bytes, Callable[[Request, Identity], Reply]] = {
    ME: me.answer,
    RENEW: renewal.answer,
    EST_RENEW: est.renew,
}


def answer(request: Request) -> Reply:
    """The reply; InvitationError if the folder of invitations cannot be used."""
    if request.path.startswith(INVITE):
        return invite.answer(request, request.path.removeprefix(INVITE).removesuffix(b"/"))
    path = request.path.removesuffix(b"/")
    if path == EST_AUTHORITIES:
        return est.authorities(request)
    if request.identity is not None and path in _ADMITTED:
        return _ADMITTED[path](request, request.identity)
    return failure(request, 404, "There is nothing here.")
