"""Certificates for the gate itself, ordered and renewed by ACME (RFC 8555).

A *directory* is an authority's ACME server. The *folder* is shared by all workers and replicas: accounts, certificate,
pending challenges, state and the lock under which one of them orders. A *schedule* says when the next order is due.
"""
