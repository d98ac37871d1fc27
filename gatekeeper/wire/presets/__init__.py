"""Identity headers in the formats of other systems, which apps know; one module for each.

Each gives header names and values, in the order in which they are sent. Values may hold any character but controls:
`gatekeeper.wire.identity` encodes them as UTF-8 and lets nothing pass that would end a line. ``tests/e2e`` compares
what the gate sends with what nginx, HAProxy, Caddy, Traefik and Envoy send for the same certificates.
"""

from collections.abc import Callable, Mapping

from gatekeeper.gate.certificate import Certificate
from gatekeeper.gate.verdict import Identity
from gatekeeper.wire.presets import nginx, remote_user, rfc9440, traefik, xfcc

Header = tuple[str, str]

PRESETS: Mapping[str, Callable[[Identity, Certificate], list[Header]]] = {
    "nginx": nginx.headers,
    "rfc9440": rfc9440.headers,
    "remote-user": remote_user.headers,
    "xfcc": xfcc.headers,
    "traefik": traefik.headers,
}
"""The values of ``identity.headers``. The second argument is the server's own certificate."""
