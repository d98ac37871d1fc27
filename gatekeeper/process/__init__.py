"""The gate's processes: one supervisor, which never handles a request, and workers, which do everything else.

supervisor
    opens the listeners, starts workers, replaces those that fail, passes on signals.
workers
    the supervisor's decisions about its workers, as values: no process, no signal, no clock.
worker
    one worker process: event loop, proxy, its share of the listening sockets.
worker_process
    a worker as the supervisor has it: process id, messages, how it ended.
configuration
    the settings that a child process validated, as the others have them.
apart, preload
    a function called in a child process, for the sake of what it loads; what workers load before they are forked.
reload, watch
    reloads when a file changes or on SIGHUP; detects that a file has changed.
sealed_files, privileged_files
    copies of files that only root may read, handed to workers that are not root; when these are made.
listeners, privileges
    the sockets that visitors connect to; the user that a worker becomes.
handover, upgrade
    sockets inherited from systemd or from an older gate; starting a newer one.
children, signal_queue
    how child processes end; signals, queued for the supervisor's loop.
renewing
    renews the gate's own certificates (``[acme]``) on a thread of each worker.
malloc
    glibc's malloc, tuned for large buffers.
sd_notify, stderr_log
    notifications to systemd; log lines to stderr that never block.
"""
