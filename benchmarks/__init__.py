"""Measures gatekeeper beside other proxies that do the same job, so that a claim about speed can be repeated.

Words used here:

- A *contender* is a proxy under measurement: nginx, HAProxy, Caddy, Traefik, gatekeeper.
- A *setup* is how a contender is configured for a measurement: workers, tickets, routes, CRL.
- A *scenario* is one kind of load, for instance a hundred bytes over 32 kept connections.
- A *sample* is what one contender did in one scenario in one round. A *cell* is the median of its samples.
- The *upstream* is what stands behind every contender; the *load* is what asks. Neither is counted in the cost.
"""
