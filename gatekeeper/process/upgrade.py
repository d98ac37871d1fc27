"""SIGUSR2: a successor from the code that is installed now takes over the sockets, as nginx does it.

The successor loads everything, starts workers and says so; only then does the old gate stop accepting, and finish what
it has. Until that word the old gate serves as before, whatever happens to the successor.
"""

import logging
import os
import selectors
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence

from gatekeeper.errors import StartError
from gatekeeper.process.children import describe_exit
from gatekeeper.process.handover import READY, UPGRADE_VARIABLE, upgrade_value
from gatekeeper.process.listeners import Listener
from gatekeeper.telemetry.ledger import Ledger
from gatekeeper.telemetry.metrics import Cell

_log = logging.getLogger("gatekeeper")

# Reading large lists and starting workers; a successor that has not taken over by then is ended.
UPGRADE_SECONDS = 120.0
# From the end of its channel to its own: an interpreter may take seconds to end on a busy machine.
EXIT_SECONDS = 20.0


class Successor:
    """A process started to replace this one, which inherits its listening sockets."""

    def __init__(self, listeners: Sequence[Listener], command: Sequence[str], environ: Mapping[str, str]) -> None:
        """StartError if it cannot be started."""
        self.channel, theirs = socket.socketpair()
        # WATCHDOG_PID names this process; without it, the watchdog is meant for whoever reads the variables
        # (sd_watchdog_enabled(3)).
        inherited = {name: value for name, value in environ.items() if name != "WATCHDOG_PID"}
        try:
            self._process = subprocess.Popen(  # noqa: S603  the command line that this process was started with
                command,
                env=inherited | {UPGRADE_VARIABLE: upgrade_value(listeners, theirs)},
                pass_fds=[theirs.fileno(), *(one.socket.fileno() for one in listeners)],
                stdin=subprocess.DEVNULL,
            )
        except OSError as error:
            self.channel.close()
            raise StartError(f"{command[0]} cannot be started: {(error.strerror or str(error)).lower()}") from error
        finally:
            theirs.close()
        self.channel.setblocking(False)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def has_taken_over(self) -> bool | None:
        """True when it accepts visitors, False if it never will, None while that is undecided."""
        try:
            said = self.channel.recv(64)
        except BlockingIOError:
            return None
        except OSError:
            said = b""
        return said == READY

    @property
    def has_ended(self) -> bool:
        """Whether the process is gone."""
        return self._process.poll() is not None

    def give_up(self) -> str:
        """Kill it unless it has ended, and describe how it ended."""
        self.channel.close()
        code = self._process.poll()
        if code is not None:
            return f"the new process {describe_exit(code)}"
        self._process.kill()
        self._process.wait()
        return "the new process was ended, because it did not take over"


class Upgrade:
    """At most one attempt at a time to replace this gate; failures are counted in the ledger."""

    def __init__(self, selector: selectors.BaseSelector, ledger: Ledger) -> None:
        self._selector = selector
        self._ledger = ledger
        self._successor: Successor | None = None
        self._deadline = 0.0
        self._leaving = False
        self.successor_pid: int | None = None

    def begin(self, listeners: Sequence[Listener], now: float) -> None:
        """Start a successor with these sockets."""
        if self._successor is not None:
            _log.warning("no second upgrade: process %d is about to take over", self._successor.pid)
            return
        if os.getpid() == 1:
            # When process 1 ends, the container does, and the successor with it.
            self._failed("process 1 of a container cannot be replaced; start a container of the new image")
            return
        try:
            self._successor = Successor(listeners, own_command(), os.environ)
        except StartError as error:
            self._failed(str(error))
            return
        self._deadline, self._leaving = now + UPGRADE_SECONDS, False
        self._selector.register(self._successor.channel, selectors.EVENT_READ)
        _log.info("upgrade: process %d takes over when it serves", self._successor.pid)

    def has_taken_over(self, now: float) -> bool:
        """Whether the successor has taken over; True only once. A failed successor is ended."""
        if self._successor is None:
            return False
        taken = None if self._leaving else self._successor.has_taken_over()
        if taken:
            self.successor_pid = self._successor.pid
            _log.info("upgrade: process %d has taken over; this one finishes what it has", self.successor_pid)
            self._forget()
            return True
        if taken is False:
            self._selector.unregister(self._successor.channel)
            self._deadline, self._leaving = now + EXIT_SECONDS, True
        if (self._leaving and self._successor.has_ended) or now > self._deadline:
            self.cancel()
        return False

    def cancel(self) -> None:
        """End a successor that has not taken over."""
        if self._successor is not None:
            successor = self._successor
            self._forget()
            self._failed(successor.give_up())

    def close_in_child(self) -> None:
        """In a forked child: close the channel, and leave the selector alone, which is the parent's too (epoll(7))."""
        if self._successor is not None:
            self._successor.channel.close()

    def _forget(self) -> None:
        if self._successor is not None:
            if not self._leaving:
                self._selector.unregister(self._successor.channel)
            self._successor.channel.close()
            self._successor = None

    def _failed(self, why: str) -> None:
        self._ledger.own.change(Cell.UPGRADES_FAILED, 1)
        _log.error("not upgraded, this gate continues: %s", why)


def own_command() -> list[str]:
    """The command line of this process as it was started, interpreter included."""
    return [sys.executable, *sys.orig_argv[1:]]
