"""Metrics and access log; callers pass plain values.

access_log
    one line per exchange, written without blocking the event loop.
metrics
    counters in memory that all workers share, and their Prometheus text.
address_counts
    connections by client address, over all workers.
"""
