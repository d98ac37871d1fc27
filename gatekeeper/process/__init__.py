"""What runs the gate: one supervisor, which never touches a request, and its workers, which do everything else.

supervisor
    opens the listeners, starts workers, replaces those that fail, passes on signals.
workers
    what the supervisor decides about its workers, as values: no process, no signal, no clock.
worker
    one worker process: event loop, proxy, its share of the listening sockets.
reload, watch
    loads everything anew when a file changes or SIGHUP asks for it; tells that a file has changed.
sealed_files
    copies of files that only root may read, handed to workers that are not root.
listeners, privileges
    the sockets that visitors connect to; the user that a worker becomes.
handover, upgrade
    sockets that come from systemd or from an older gate; the start of a newer one.
children, noted_signals
    how processes end; signals that the supervisor's loop acts on.
sd_notify, stderr_log
    what systemd is told; log lines to stderr that never block.
"""
