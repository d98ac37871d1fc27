"""Everything that was configured and loaded, as one value that never changes. A reload makes a new one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address

from gatekeeper.gate.revocation import alarms
from gatekeeper.gate.verdict import Policy
from gatekeeper.proxy.pool import Pool
from gatekeeper.proxy.revocations import load_revocations
from gatekeeper.refusal.answer import RefusalPages
from gatekeeper.settings import Settings
from gatekeeper.tls.build import build_context
from gatekeeper.tls.context import Mode, ServerContext
from gatekeeper.wire.request import HeadLimits, RequestReader


@dataclass(frozen=True, slots=True)
class World:
    """What a request meets: settings, TLS, who is trusted, how heads are read, where the apps are."""

    settings: Settings
    tls: ServerContext
    policy: Policy
    reader: RequestReader
    pages: RefusalPages
    upstreams: Mapping[str, Pool]

    def trusts(self, address: str) -> bool:
        """Whether this client is a proxy whose X-Forwarded-* is believed (``server.trusted_proxies``)."""
        return _within(address, self.settings.server.trusted_proxies)

    def expects_proxy_header(self, address: str) -> bool:
        """Whether this is a load balancer that must say whom it speaks for (``server.proxy_protocol_from``)."""
        return _within(address, self.settings.server.proxy_protocol_from)

    def warnings(self, now: float) -> list[str]:
        """What works, but should be looked at: one sentence each. ``now`` is seconds since the epoch."""
        found = []
        if self.tls.mode is Mode.ALERTS_ONLY and self.tls.reason:
            found.append(f"bad certificates get a TLS alert instead of the refusal page, because {self.tls.reason}")
        found += self.tls.warnings
        if self.policy.revocations is not None:
            found += alarms(self.policy.revocations, self.tls.authorities, now)
        return found


def _within(address: str, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    return bool(networks) and address != "unix" and any(ip_address(address) in network for network in networks)


def build_world(settings: Settings, upstreams: Mapping[str, Pool], now: float) -> World:
    """Load every file that the settings name; ConfigurationError with all that is wrong."""
    server, client_auth, limits, refusal = settings.server, settings.client_auth, settings.limits, settings.refusal
    tls = build_context(
        certificate=server.certificate,
        key=server.key,
        key_passphrase_file=server.key_passphrase_file,
        ca=client_auth.ca,
        min_tls=server.min_tls,
        advertise_ca=client_auth.advertise_ca,
        now=now,
    )
    return World(
        settings=settings,
        tls=tls,
        policy=Policy(
            require_common_name=client_auth.require_common_name,
            revocations=load_revocations(client_auth.crl, tls.authorities),
            stale_counts=client_auth.crl_stale == "allow",
        ),
        reader=RequestReader(HeadLimits(limits.request_header, limits.request_line, limits.header_count)),
        pages=RefusalPages(detail=refusal.detail, contact=refusal.contact or "", template=refusal.template),
        upstreams=upstreams,
    )
