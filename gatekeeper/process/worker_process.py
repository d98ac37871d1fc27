"""A worker process as the supervisor has it: a child process, with a channel on which it reports in lines of JSON."""

import json
import logging
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from gatekeeper.errors import ConfigurationError, GatekeeperError
from gatekeeper.process.children import describe_exit
from gatekeeper.process.worker import WorkerContext, run_worker
from gatekeeper.process.workers import Exit
from gatekeeper.telemetry.metrics import Metrics

_log = logging.getLogger("gatekeeper")

_FAILED, _WRONG_CONFIGURATION = 1, 2
_REASON_KEY = "failed"


@dataclass(slots=True, eq=False)
class WorkerProcess:
    """A worker's process id, its row in the ledger, and its channel, with the received part of the next message.

    ``folder`` is the name of the temporary folder that it may make.
    """

    pid: int
    row: Metrics
    channel: socket.socket
    folder: str = ""
    _heard: bytes = b""
    _failure: str = ""
    _code: int = _FAILED

    def messages(self) -> list[dict[str, object]] | None:
        """The messages that have arrived; None once the worker has closed its end."""
        try:
            heard = self.channel.recv(65536)
        except OSError:
            heard = b""
        if not heard:
            return None
        *lines, self._heard = (self._heard + heard).split(b"\n")
        messages = [message for message in map(_parsed, lines) if message is not None]
        for message in messages:
            if _REASON_KEY in message:
                self._failure = str(message[_REASON_KEY])
                self._code = _WRONG_CONFIGURATION if message.get("code") == _WRONG_CONFIGURATION else _FAILED
        return messages

    def exited(self, code: int) -> Exit:
        """How it ended, with the reason that it reported; ``code`` is that of `os.waitstatus_to_exitcode`."""
        return Exit(describe_exit(code), self._failure, self._code == _WRONG_CONFIGURATION, transient=code < 0)


def _parsed(line: bytes) -> dict[str, object] | None:
    try:
        message = json.loads(line)
    except ValueError:
        return None
    return message if isinstance(message, dict) else None


def work(channel: socket.socket, prepare: Callable[[], WorkerContext]) -> NoReturn:
    """Run a worker in this process, which was forked for it, and exit. Reports on ``channel`` why it cannot begin."""
    code = _FAILED
    try:
        run_worker(prepare())
        code = 0
    except GatekeeperError as error:
        code = _WRONG_CONFIGURATION if isinstance(error, ConfigurationError) else _FAILED
        channel.send(json.dumps({_REASON_KEY: str(error), "code": code}).encode() + b"\n")
    except BaseException as error:
        _log.error("a worker exits because of a bug", exc_info=error)
    finally:
        os._exit(code)
