"""The peer of a connection, as its finished handshake shows it."""

import _ssl
import ssl
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from gatekeeper.errors import BindingError
from gatekeeper.gate.verdict import NO_PEER, STRANGERS_BYTES, Peer, VerifyError
from gatekeeper.tls.context import ServerContext


def peer_of(
    connection: ssl.SSLObject, errors: tuple[VerifyError, ...], context: ServerContext, recalled: Peer | None
) -> Peer:
    """The peer of a connection whose handshake has found these ``errors``. ``recalled`` is what `ServerContext.recall`
    knew of the certificates, which were then not verified again.

    Fails closed: if an error was found all the same, or ``recalled`` is of another certificate, it does not count.
    """
    if recalled is not None and not errors and recalled.leaf == connection.getpeercert(True):
        return recalled
    peer = _found(connection, errors, context)
    if context.openssl is None:
        return peer
    if not errors and not connection.session_reused:
        context.remember(peer)
    # A stranger's long chain is no path to a trusted authority. Should a reload trust one of its authorities, the
    # client has to connect anew.
    if peer.errors and not peer.is_early and sum(map(len, peer.sent)) > STRANGERS_BYTES:
        return replace(peer, sent=())
    return peer


def _found(connection: ssl.SSLObject, errors: tuple[VerifyError, ...], context: ServerContext) -> Peer:
    """A resumed session has no path, and OpenSSL's result is that of its first handshake, so the certificate is
    verified again. In the fallback that cannot be done, but there a session only begins with a good certificate, and
    ends with the context.
    """
    leaf = connection.getpeercert(True)
    if leaf is None:
        return NO_PEER
    if connection.session_reused and context.openssl is None:
        return Peer(leaf, errors=errors)
    sent, path = _chains(connection)
    if connection.session_reused:
        return _resumed(leaf, sent, context)
    peer = Peer(leaf, tuple(sent), () if errors else tuple(path[1:]), errors)
    return context.another_path(peer) if errors else context.require_path(peer, path)


def _resumed(leaf: bytes, sent: Sequence[bytes], context: ServerContext) -> Peer:
    """Fails closed: a certificate that cannot be verified again is an error."""
    try:
        return context.resume(leaf, sent)
    except BindingError as error:
        return Peer(leaf, errors=(VerifyError(1, 0, f"a resumed session cannot be verified: {error}"),))


def _chains(connection: ssl.SSLObject) -> tuple[list[bytes], list[bytes]]:
    """What was sent behind the leaf, and OpenSSL's path, leaf first; both as DER."""
    if sys.version_info >= (3, 13):
        return connection.get_unverified_chain()[1:], connection.get_verified_chain()
    inner = connection._sslobj  # type: ignore[attr-defined]
    # None: no certificate, or none that leads anywhere.
    return _ders((inner.get_unverified_chain() or [])[1:]), _ders(inner.get_verified_chain() or [])


def _ders(chain: Sequence[Any]) -> list[bytes]:
    return [certificate.public_bytes(_ssl.ENCODING_DER) for certificate in chain]
