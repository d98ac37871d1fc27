"""The admin listener: what operators and orchestrators can ask a running gate.

server
    the HTTP listener: ``/healthz``, ``/readyz``, ``/metrics``, ``/status``.
connection
    one connection to it: a request and its answer.
exposition
    Prometheus' text format.
status
    the answers: any worker answers for all of them.
wording
    numbers and durations as people read them.
"""
