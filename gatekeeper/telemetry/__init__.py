"""Metrics and access log; callers pass plain values.

access_log, log_lines
    one line per exchange, written without blocking the event loop; what such a line says.
metrics, ledger
    the counters of one worker, in memory that all share; those of all workers, and their sums.
upstream_times
    how long each app takes to begin its responses, since the start and in the last minutes.
refusal_history
    refusals in each half hour of the last day.
request_rates
    when each client may send its next request (``limits.rate``), over all workers.
address_counts
    connections by client address, over all workers.
"""
