"""Certificates for the gate itself, ordered and renewed by ACME (RFC 8555).

A *directory* is an authority's ACME server. The *folder* is shared by all workers and replicas: accounts, certificate,
pending challenges, state and the lock under which one of them orders. A *schedule* says when the next order is due.

orders
    one order at one directory.
folder, schedule
    what the folder holds; when an order is due.
renewal
    orders the first certificate, renews it in time, and tries again after failures.
report
    what ``/status``, ``/metrics`` and `gatekeeper check` say of the certificates.
tls_alpn
    the certificates that answer tls-alpn-01 challenges.
"""
