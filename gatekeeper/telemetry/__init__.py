"""What is counted and written down, told in plain values by whoever knows them.

access_log
    one line an exchange, written without blocking the event loop.
metrics
    counters in memory that all workers share, and their Prometheus text.
address_counts
    connections by client address, over all workers.
"""
