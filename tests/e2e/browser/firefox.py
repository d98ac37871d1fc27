"""A real Firefox with a profile of its own, driven over WebDriver BiDi (W3C), which it speaks without a driver."""

import json
import os
import re
import signal
import subprocess
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from websockets.sync.client import connect

from tests.gate_process import PATIENCE, until

# A certificate is sent without asking, which no protocol could click away; nothing is fetched from Mozilla.
PREFERENCES = """\
user_pref("security.default_personal_cert", "Select Automatically");
user_pref("app.update.enabled", false);
user_pref("browser.safebrowsing.downloads.remote.enabled", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("toolkit.telemetry.enabled", false);
user_pref("services.settings.server", "data:,#remote-settings-dummy/v1");
"""
_LISTENING = re.compile(r"WebDriver BiDi listening on (ws://\S+)\n")


class Firefox:
    """One browser with one tab, and ``authority`` trusted; ``bundle`` is a .p12 and its password."""

    def __init__(self, folder: Path, authority: Path, bundle: tuple[Path, str] | None = None) -> None:
        profile = folder / "profile"
        profile.mkdir(parents=True)
        store = f"sql:{profile}"
        (profile / "user.js").write_text(PREFERENCES)
        _run("certutil", "-N", "--empty-password", "-d", store)
        _run("certutil", "-A", "-n", "Home CA", "-t", "CT,C,C", "-i", str(authority), "-d", store)
        if bundle is not None:
            _run("pk12util", "-i", str(bundle[0]), "-W", bundle[1], "-d", store)
        said = folder / "firefox.log"  # a pipe that nobody empties would stop it one day
        with said.open("wb") as errors:
            self._process = subprocess.Popen(
                ["firefox-esr", "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port=0"],
                env=dict(os.environ, HOME=str(folder)),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,
            )
        self._open = ExitStack()
        self._open.callback(self._end)
        self._sent = 0
        try:
            until(lambda: _LISTENING.search(said.read_text()) or self._process.poll() is not None)
            match = _LISTENING.search(said.read_text())
            assert match, said.read_text()
            self._socket = self._open.enter_context(connect(f"{match[1]}/session", max_size=None, proxy=None))
            self._call("session.new", capabilities={})
            self._tab = self._call("browsingContext.create", type="tab")["context"]
        except BaseException:
            self._open.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._open.close()

    def go(self, address: str) -> int:
        """Open a page and wait until it is complete; its status."""
        self._call("browsingContext.navigate", context=self._tab, url=address, wait="complete")
        return int(self.run("performance.getEntriesByType('navigation')[0].responseStatus"))

    def run(self, script: str) -> Any:
        """What this JavaScript gives in the page: a string, number or truth value; a promise is awaited."""
        said = self._call("script.evaluate", expression=script, awaitPromise=True, target={"context": self._tab})
        assert said["type"] == "success", said
        return said["result"].get("value")

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._sent += 1
        self._socket.send(json.dumps({"id": self._sent, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv(PATIENCE))
            if message.get("id") == self._sent:
                assert message["type"] == "success", message
                result: dict[str, Any] = message["result"]
                return result

    def _end(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(PATIENCE)


def _run(*command: str) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr
