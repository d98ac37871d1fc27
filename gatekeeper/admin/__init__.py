"""The admin listener: what operators and orchestrators can ask a running gate.

server
    the HTTP listener: ``/healthz``, ``/readyz``, ``/metrics``, ``/status``.
status
    the answers: any worker answers for all of them.
"""
