"""Hosts with their own authorities (``client_auth.hosts``): which certificates count on which host."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from gatekeeper.errors import BindingError
from gatekeeper.gate.certificate import Certificate
from gatekeeper.gate.paths import read_host
from gatekeeper.gate.verdict import Peer, Policy, Reason, Refuse, Verdict, VerifyError, judge
from gatekeeper.tls.context import CACHED_PEERS, CACHED_SECONDS, HostAuthorities, ServerContext


@dataclass(frozen=True, slots=True, eq=False)
class _Trust:
    """What decides on some hosts: TLS that trusts their authorities alone, and the policy with these."""

    tls: ServerContext
    policy: Policy
    verified: dict[bytes, tuple[Peer, Peer, float]]
    """By certificate: what was asked, what was found, and until when that may be used (monotonic clock)."""

    def verify(self, peer: Peer) -> Peer:
        """The peer that a handshake would have found if only these authorities were trusted."""
        leaf, now = peer.leaf or b"", time.monotonic()
        asked, found, end = self.verified.get(leaf, (None, None, 0.0))
        if found is not None and asked == peer and now < end and not found.is_early:
            return found
        try:
            # What the handshake used may not have been sent: a resumed session brings the certificate alone.
            found = self.tls.verify(leaf, tuple(dict.fromkeys((*peer.sent, *peer.verified))))
        except BindingError as error:  # fail closed
            return Peer(leaf, errors=(VerifyError(1, 0, str(error)),))
        if len(self.verified) >= CACHED_PEERS:
            self.verified.clear()
        found = replace(found, sent=peer.sent)
        self.verified[leaf] = peer, found, now + CACHED_SECONDS
        return found


class HostTrust:
    """The verdict about a visitor on a host. ``hosts`` are those with their own authorities; for all other hosts, and
    where the Host header holds no name, those of ``default`` count.
    """

    def __init__(self, default: ServerContext, hosts: Sequence[HostAuthorities], policy: Policy) -> None:
        self._default = _trust(default, policy)
        self._by_host = {name: trust for one in hosts for trust in (_trust(one.tls, policy),) for name in one.names}

    def verdict(self, host: bytes, peer: Peer, now: float) -> Verdict:
        """The verdict at the moment ``now`` about a visitor that asks for this Host and sent a certificate.

        Not checked: what an OCSP responder says, and whether the handshake found an error. It trusted all authorities
        together, and a visitor whom that verdict refuses is refused on every host.
        """
        trust = self._trust_on(host)
        verdict = judge(trust.verify(peer), now, trust.policy)
        if isinstance(verdict, Refuse) and verdict.reason is Reason.UNTRUSTED_ISSUER:
            # OpenSSL's words are about the path that these authorities leave, such as "self-signed certificate in
            # certificate chain" for one that the handshake accepted.
            return replace(verdict, detail="The authority that signed the certificate does not count for this host.")
        return verdict

    def authorities(self, host: bytes) -> tuple[Certificate, ...]:
        """Those that count on this Host."""
        return self._trust_on(host).tls.authorities

    def _trust_on(self, host: bytes) -> _Trust:
        return self._by_host.get(read_host(host) or "", self._default)


def _trust(tls: ServerContext, policy: Policy) -> _Trust:
    return _Trust(tls, replace(policy, authorities=tls.authorities), {})
