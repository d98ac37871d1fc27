"""``Remote-User`` and ``X-Forwarded-User``, ``-Email``, ``-Groups``: for apps that let a proxy sign users in.

The names are those of Authelia, Grafana's auth proxy and oauth2-proxy. The user is the common name, the groups are the
organizational units. UTF-8 is sent as it is, as HAProxy's ``ssl_c_s_dn(cn)`` does.
"""

from gatekeeper.gate.certificate import Certificate
from gatekeeper.gate.verdict import Identity
from gatekeeper.wire.presets.encoding import encoded, listed


def headers(identity: Identity, _server: Certificate) -> list[tuple[str, str]]:
    """What the certificate does not say gets no header. Of several addresses the first is sent."""
    certificate = identity.certificate
    user = encoded(certificate.common_name)
    return [
        ("Remote-User", user),
        ("X-Forwarded-User", user),
        ("X-Forwarded-Email", encoded(next(iter(certificate.emails), ""))),
        ("X-Forwarded-Groups", listed(certificate.organizational_units)),
    ]
