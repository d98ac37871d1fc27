"""A folder that is served, and what asks for its files."""

import asyncio
import socket
import threading
from dataclasses import dataclass
from http.client import HTTPMessage, HTTPResponse
from pathlib import Path
from typing import Any

from gatekeeper.embedded.sites import StaticSites, new_folder_name
from gatekeeper.settings.addresses import parse_upstream
from gatekeeper.settings.upstream import UpstreamSettings
from tests.gate_process import PATIENCE


@dataclass
class Got:
    status: int
    headers: HTTPMessage
    body: bytes


class Site:
    """A folder, served on a Unix socket, and a client that sends whatever bytes it is told."""

    def __init__(self, folder: Path, **table: Any) -> None:
        self.folder = folder
        self.sites = StaticSites(new_folder_name())
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        upstream = UpstreamSettings(url=parse_upstream(f"static:{folder}"), **table)
        self._run(self.sites.serve({"default": upstream}))
        self._path = self.sites.addresses[upstream].path

    def _run(self, work: object) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)  # type: ignore[arg-type]

    def close(self) -> None:
        self._run(self.sites.__aexit__())
        self._run(self._loop.shutdown_default_executor())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()

    def ask(self, target: str, *lines: str, method: str = "GET") -> Got:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE)
            connection.connect(str(self._path))
            head = "\r\n".join((f"{method} {target} HTTP/1.1", "Host: a", "Connection: close", *lines, "", ""))
            connection.sendall(head.encode("latin-1"))
            response = HTTPResponse(connection, method=method)
            response.begin()
            return Got(response.status, response.headers, response.read())
