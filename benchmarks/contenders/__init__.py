"""The proxies under measurement, each configured for the same job.

The job: TLS 1.3 on loopback; the client certificate asked for and checked against the authority; 403 for who has none;
`/app/*` to one upstream and the rest to another, over kept connections; the identity of the client in request headers;
one line in an access log file for each exchange. Where a product cannot do a part, `falls_short` says so.
"""

from benchmarks.contenders.caddy import Caddy
from benchmarks.contenders.contender import Contender, Place, Setup
from benchmarks.contenders.envoy import Envoy
from benchmarks.contenders.gatekeeper import COMPILED, Gatekeeper
from benchmarks.contenders.haproxy import HAProxy
from benchmarks.contenders.nginx import Nginx
from benchmarks.contenders.traefik import Traefik

__all__ = ["NAMES", "Contender", "Place", "Setup", "contender"]

NAMES = ("nginx", "gatekeeper", COMPILED, "haproxy", "caddy", "traefik", "envoy")
"""gatekeeper right behind nginx: on a machine whose speed changes within seconds, both have the same."""


def contender(name: str) -> Contender:
    """The contender of that name; `KeyError` for an unknown one."""
    if name.startswith("gatekeeper@") or name == COMPILED:
        return Gatekeeper(name)
    return {c.name: c for c in (Nginx(), HAProxy(), Caddy(), Traefik(), Envoy(), Gatekeeper())}[name]
