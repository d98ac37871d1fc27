"""A real gate: ``python -m gatekeeper serve`` in a process of its own, with real files and real ports."""

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).parent.parent
PATIENCE = 60.0  # seconds; whatever takes longer has failed, on a slow and busy machine too

_LISTENING = re.compile(r"gatekeeper: listening on (?:https://(.+):(\d+)|https://unix:.*)")
_ADMIN = re.compile(r"gatekeeper: admin on http://(.+):(\d+)")

CONFIGURATION = """\
[server]
listen = {listen}
{certificate}
{server}
[client_auth]
ca = "ca.crt"
{client_auth}
[upstream]
{upstream}
{app}
[admin]
listen = "{admin}"

[log]
access = "{log}"

{tables}
"""


def until(condition: Callable[[], object]) -> None:
    """Wait for what tells nobody when it happens: a file that another process writes."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.01)


# What stands in braces above, where a test does not say otherwise.
DEFAULTS = {
    "listen": '"127.0.0.1:0"',
    "certificate": 'certificate = "server.crt"\nkey = "server.key"',
    "server": "",
    "client_auth": "",
    "app": "",
    "admin": "127.0.0.1:0",
    "log": "access.log",
    "tables": "",
}


def configure(folder: Path, upstream: str = "http://127.0.0.1:8000", **parts: str) -> Path:
    """Write gatekeeper.toml into ``folder``; an empty ``upstream`` leaves the URL to ``app``."""
    assert parts.keys() <= DEFAULTS.keys()
    path = folder / "gatekeeper.toml"
    url = f'url = "{upstream}"' if upstream else ""
    new = path.with_suffix(".new")
    new.write_text(CONFIGURATION.format(**DEFAULTS | parts, upstream=url), encoding="utf-8")
    return new.replace(path)  # a running gate finds all of it or nothing


class Gate:
    """A running gate. ``folder`` must hold ca.crt, server.crt and server.key; it gets the configuration and the log.

    ``tables`` is further TOML, ``server``, ``client_auth`` and ``app`` are further lines of [server], [client_auth] and
    [upstream]. Everything is awaited by events: a line on stderr, the end of the process, an answer.
    """

    def __init__(
        self,
        folder: Path,
        upstream: str = "",
        *,
        file: str = "",
        environ: Mapping[str, str] | None = None,
        run: Sequence[str] = (),
        **parts: str,
    ) -> None:
        """``run`` goes before the command line. ``file`` is a configuration to run as it is; else one is written."""
        self.folder = folder
        self.log = folder / "access.log"
        configuration = file or configure(folder, upstream, **parts)
        self.process = subprocess.Popen(
            [*run, sys.executable, "-m", "gatekeeper", "serve", "-c", configuration],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            env=dict(os.environ, PYTHONUNBUFFERED="1", **(environ or {})),
            text=True,
        )
        self.err: list[str] = []
        self.out: list[str] = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._out_reader = threading.Thread(target=self._read_out, daemon=True)
        self._out_reader.start()
        self.port = self.admin_port = self.memory_at_start = 0
        admin = self.wait_for(_ADMIN.fullmatch)
        self.admin_host, self.admin_port = admin[1], int(admin[2])
        for line in self.err:
            if (match := _LISTENING.fullmatch(line)) and match[2]:
                self.port = self.port or int(match[2])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.stop()
        assert not any("Traceback" in line for line in self.err), "\n".join(self.err)

    @property
    def address(self) -> str:
        """Where it listens, as curl takes it; the name is one of its certificate's."""
        return f"https://localhost:{self.port}"

    def rests(self, counted: Callable[[list[str]], int]) -> bool:
        """Whether what is counted in the lines on stderr stays as it is for a second, five looks at the files."""
        with self._changed:
            before = counted(self.err)
            return not self._changed.wait_for(lambda: counted(self.err) != before, 1.0)

    def wait_for(self, matches: Callable[[str], Any]) -> Any:
        """The first line on stderr for which ``matches`` is true; what it returned."""
        with self._changed:
            found: Any = None

            def look() -> bool:
                nonlocal found
                found = next((match for line in self.err if (match := matches(line))), None)
                return bool(found) or not self._reader.is_alive()

            self._changed.wait_for(look, PATIENCE)
        if not found:
            self.stop()
            raise AssertionError("the gate did not say it; it said:\n" + "\n".join(self.err))
        return found

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._changed:
                self.err.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    def _read_out(self) -> None:
        assert self.process.stdout is not None
        self.out.extend(line.rstrip("\n") for line in self.process.stdout)

    # -- talking to it

    def request(
        self,
        holder: ssl.SSLContext,
        method: str = "GET",
        target: str = "/",
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, dict[str, str], bytes]:
        """One request by Python's own client: status, headers with lower-case names, body."""
        connection = HTTPSConnection("localhost", self.port, context=holder, timeout=PATIENCE)
        try:
            connection.request(method, target, body, dict(headers or {}))
            response = connection.getresponse()
            return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
        finally:
            connection.close()

    def connect(self, holder: ssl.SSLContext, source: str = "127.0.0.1", name: str = "localhost") -> ssl.SSLSocket:
        """A TLS connection to a host, for a client that is played by hand; an end without a goodbye is an SSLError."""
        plain = socket.create_connection(("127.0.0.1", self.port), PATIENCE, (source, 0))
        return holder.wrap_socket(plain, server_hostname=name, suppress_ragged_eofs=False)

    def admin(self, path: str) -> tuple[int, Any]:
        """What the admin listener says: status, and its JSON."""
        connection = HTTPConnection(self.admin_host, self.admin_port, timeout=PATIENCE)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def admin_text(self, path: str, accept: str = "*/*") -> str:
        """The same as text."""
        connection = HTTPConnection(self.admin_host, self.admin_port, timeout=PATIENCE)
        try:
            connection.request("GET", path, headers={"Accept": accept})
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def logged(self, count: int, path: Path | None = None) -> list[dict[str, Any]]:
        """The lines of the access log, once there are ``count`` of them: it is written a moment later."""
        until(lambda: len(self.log_lines(path)) >= count)
        lines = self.log_lines(path)
        assert len(lines) == count, lines
        return [json.loads(line) for line in lines]

    def log_lines(self, path: Path | None = None) -> list[str]:
        """The lines that the access log has by now; whole ones, since write(2) may be seen half done."""
        path = path or self.log
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        return text[: text.rfind("\n") + 1].splitlines()

    # -- the process

    def workers(self) -> list[int]:
        """The process ids of its workers (proc(5), /proc/PID/task/TID/children), oldest first."""
        pid = self.process.pid
        return sorted(int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split())

    def memory(self) -> int:
        """The most memory that its workers ever had, in bytes (VmHWM, proc(5))."""
        return sum(_most_memory(pid) for pid in self.workers())

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        """Its exit code."""
        code = self.process.wait(PATIENCE)
        self._join()
        return code

    def stop(self) -> None:
        """End it: what is under way has two seconds, then it is cut off by a second signal."""
        for number, seconds in ((signal.SIGTERM, 2.0), (signal.SIGTERM, PATIENCE), (signal.SIGKILL, PATIENCE)):
            if self.process.poll() is None:
                self.process.send_signal(number)
                with suppress(subprocess.TimeoutExpired):
                    self.process.wait(seconds)
        self._join()

    def _join(self) -> None:
        for reader, stream in ((self._reader, self.process.stderr), (self._out_reader, self.process.stdout)):
            reader.join(PATIENCE)
            assert stream is not None
            stream.close()


def _most_memory(pid: int) -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(encoding="ascii"))
    assert found
    return int(found[1]) * 1024
