"""Who is on the other side of a connection: what was recalled counts only where nothing speaks against it."""

import ssl

from cryptography.hazmat.primitives.serialization import Encoding

from gatekeeper.gate.verdict import STRANGERS_BYTES, Peer, VerifyError
from gatekeeper.tls.connection import TLSConnection
from gatekeeper.tls.context import ServerContext
from gatekeeper.tls.openssl import OpenSSL
from gatekeeper.tls.verifier import Recall
from gatekeeper.tls.verifier import Refuse as Refuser
from tests.certificates import DAY, NOW, Holder, make_authority, make_client
from tests.tls.scene import Scene, Visitor


def meet(context: ServerContext, holder: Holder) -> Peer:
    server = TLSConnection(context)
    Visitor(holder).shake_hands(server)
    assert server.established
    return server.peer


class Doubting(OpenSSL):
    """OpenSSL whose second witness finds something wrong."""

    doubts = False

    def verify_result(self, connection: ssl.SSLObject, found: list[VerifyError]) -> tuple[VerifyError, ...]:
        return (VerifyError(1, 0, "doubt"),) if self.doubts else super().verify_result(connection, found)


def test_what_is_remembered_does_not_outweigh_an_error(scene: Scene) -> None:
    """Nothing is wrong only if both witnesses say so."""
    binding, alice = Doubting(), make_client("alice", scene.authority)
    context = scene.gate(binding=lambda: binding)
    meet(context, alice)
    binding.doubts = True
    assert meet(context, alice).errors


def test_a_peer_that_was_recalled_for_other_certificates_does_not_count(scene: Scene) -> None:
    """Fails closed: the certificate is compared with the one of this connection."""
    alice, bob = (make_client(name, scene.authority) for name in ("alice", "bob"))

    class Confused(OpenSSL):
        def handshake(
            self,
            connection: ssl.SSLObject,
            found: list[VerifyError],
            refuse: Refuser | None = None,
            recall: Recall | None = None,
        ) -> bool:
            if recall is not None:
                recall((bob.der,))
            return super().handshake(connection, found, refuse)

    context = scene.gate(binding=Confused)
    meet(context, bob)
    assert meet(context, alice).leaf == alice.der


def test_a_strangers_long_chain_is_not_kept(scene: Scene) -> None:
    """It leads to no trusted authority, and takes memory for as long as the connection."""
    foreign = make_authority("Foreign CA")
    short = (make_authority("Between", foreign).certificate,)
    for chain, kept in ((short, 1), (short * 9, 0)):
        mallory = make_client("mallory", foreign, chain=chain)
        assert (sum(len(one.public_bytes(Encoding.DER)) for one in chain) <= STRANGERS_BYTES) is bool(kept)
        peer = meet(scene.gate(), mallory)
        assert peer.errors
        assert len(peer.sent) == kept


def test_the_chain_of_an_early_certificate_is_kept(scene: Scene) -> None:
    """A trusted authority vouches for it, and without it the path cannot be verified again on the day."""
    between = make_authority("Between", scene.authority)
    early = make_client("early", between, starts=NOW + DAY, ends=NOW + 2 * DAY, chain=(between.certificate,) * 9)
    peer = meet(scene.gate(), early)
    assert [(error.code, error.depth) for error in peer.errors] == [(9, 0)]
    assert sum(map(len, peer.sent)) > STRANGERS_BYTES
