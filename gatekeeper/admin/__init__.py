"""What operators and orchestrators ask a running gate, on a listener of its own.

server
    the HTTP listener: ``/healthz``, ``/readyz``, ``/metrics``, ``/status``.
status
    what it answers: one worker tells about all of them.
"""
