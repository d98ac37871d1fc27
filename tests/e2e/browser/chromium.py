"""A real Chromium with a profile of its own, driven over the DevTools protocol."""

import base64
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from websockets.sync.client import connect

from tests.gate_process import PATIENCE, until

# Where Debian's Chromium looks for what the administrator of the machine has decided. It is the same for every user.
POLICIES = Path("/etc/chromium/policies/managed")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)


@contextmanager
def certificates_chosen() -> Iterator[None]:
    """While this lasts, every Chromium of the machine answers ``localhost`` with a certificate without asking anybody.

    What a person would click: the dialog itself belongs to the window system, and no protocol reaches it. Chromium
    takes the policy from one file alone, so it names no port: two runs at once then write the same.
    """
    made = [path for path in (POLICIES, *POLICIES.parents) if not path.exists()]
    POLICIES.mkdir(parents=True, exist_ok=True)
    file = POLICIES / f"gatekeeper-test-{os.getpid()}.json"
    chosen = json.dumps({"pattern": "https://localhost:*", "filter": {}})
    file.write_text(json.dumps({"AutoSelectCertificateForUrls": [chosen]}), encoding="ascii")
    try:
        yield
    finally:
        file.unlink()
        for path in made:
            with suppress(OSError):  # somebody else has put something there meanwhile
                path.rmdir()


class Home:
    """A home folder with the store that Chromium takes certificates from on Linux, as its user fills it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._store = f"sql:{folder / '.pki' / 'nssdb'}"
        (folder / ".pki" / "nssdb").mkdir(parents=True)
        self._run("certutil", "-N", "--empty-password")

    def trust(self, authority: Path) -> None:
        """Believe the servers that this authority signed."""
        self._run("certutil", "-A", "-n", "Home CA", "-t", "CT,C,C", "-i", str(authority))

    def import_bundle(self, bundle: Path, password: str) -> None:
        """What the import button does with a .p12."""
        self._run("pk12util", "-i", str(bundle), "-W", password)

    def _run(self, *command: str) -> None:
        done = subprocess.run(
            [*command, "-d", self._store], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE
        )
        assert done.returncode == 0, done.stdout + done.stderr


class PageGoneError(Exception):
    """A command failed: the browser was on its way to another page, or the command is wrong."""


class Chromium:
    """One browser with one tab. Leaving ends it; the profile stays in the home folder for the next one."""

    def __init__(self, home: Home) -> None:
        profile = home.folder / "profile"
        active = profile / "DevToolsActivePort"
        active.unlink(missing_ok=True)
        self._process = subprocess.Popen(
            ["chromium", *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            env=dict(os.environ, HOME=str(home.folder)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._open = ExitStack()
        self._open.callback(self._end)
        self._sent = 0
        self._session = ""
        self.reported: list[str] = []
        self._downloads: list[str] = []
        self._loaded: set[str] = set()
        self.responses: list[tuple[str, str, int]] = []
        self.websockets: list[int] = []
        try:
            until(lambda: active.exists() and active.read_text().partition("\n")[2])
            port, path = active.read_text().split()
            self._devtools = self._open.enter_context(
                connect(f"ws://127.0.0.1:{port}{path}", max_size=None, proxy=None)
            )
            self.open_tab()
        except BaseException:
            self._open.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        with self._open:
            self._call("Browser.close")
            self._process.wait(PATIENCE)

    def open_tab(self, *, private: bool = False) -> None:
        """Go on in a new tab; a private one knows nothing of the others."""
        self._session = ""
        context = {"browserContextId": self._call("Target.createBrowserContext")["browserContextId"]} if private else {}
        target = self._call("Target.createTarget", url="about:blank", **context)["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Log", "Runtime"):
            self._call(f"{domain}.enable")
        self._call("Page.setLifecycleEventsEnabled", enabled=True)

    def watch_network(self) -> None:
        """From now on ``responses`` are what the developer tools list of the tab: address, protocol and status, and
        ``websockets`` the statuses of handshakes.
        """
        self._call("Network.enable")

    def go(self, address: str) -> int:
        """Open a page and wait until it is complete; its status.

        The command ends before the page is there: a script could still run in the one before.
        """
        went = self._call("Page.navigate", url=address)
        assert "errorText" not in went, went["errorText"]
        while went["loaderId"] not in self._loaded:
            self._receive()
        return self.run("performance.getEntriesByType('navigation')[0].responseStatus")

    def run(self, script: str) -> Any:
        """What this JavaScript gives in the page; a promise is awaited."""
        answer = self._call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def sees(self, script: str) -> Any:
        """The same while a click leads to another page; None where the page goes away meanwhile."""
        with suppress(PageGoneError):
            return self.run(script)
        return None

    @property
    def text(self) -> str:
        """What the page says."""
        return self.run("document.body.innerText")

    def look(
        self, width: int, height: int, scheme: str, *, medium: str = "screen", forced_colors: bool = False
    ) -> None:
        """Be a screen of this size, in a "light" or "dark" colour scheme; a narrow one is a phone.

        Nothing moves: a picture taken in the middle of a movement shows what nobody sees.
        """
        phone = width < 600
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        features = {
            "prefers-color-scheme": scheme,
            "prefers-reduced-motion": "reduce",
            "forced-colors": "active" if forced_colors else "none",
        }
        wanted = [{"name": name, "value": value} for name, value in features.items()]
        self._call("Emulation.setEmulatedMedia", media=medium, features=wanted)

    def pretend(self, user_agent: str, platform: str = "") -> None:
        """Be another browser, as far as it tells; ``platform`` is for its client hints, which some do not send."""
        brands = [{"brand": "Chromium", "version": "130"}]
        hints = {"brands": brands, "platform": platform, "platformVersion": "", "architecture": "", "model": "",
                 "mobile": "Mobile" in user_agent} if platform else None  # fmt: skip
        more = {"userAgentMetadata": hints} if hints else {}
        self._call("Emulation.setUserAgentOverride", userAgent=user_agent, **more)

    def keep_downloads(self, folder: Path) -> None:
        """Put what is downloaded there, without asking."""
        self._call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder), eventsEnabled=True)

    def wait_for_download(self) -> None:
        """Return when one is complete: a file of its name is there before, and empty."""
        while "completed" not in self._downloads:
            self._receive()

    def picture(self, file: Path) -> None:
        """The whole page, to its end, as a PNG."""
        width, height = self.run("[innerWidth, Math.max(innerHeight, document.documentElement.scrollHeight)]")
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        shot = self._call(
            "Page.captureScreenshot", format="png", optimizeForSpeed=True, captureBeyondViewport=True, clip=clip
        )
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(base64.b64decode(shot["data"]))

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._sent += 1
        session = {"sessionId": self._session} if self._session else {}
        self._devtools.send(json.dumps({"id": self._sent, "method": method, "params": parameters, **session}))
        while (message := self._receive()).get("id") != self._sent:
            pass
        if "error" in message:
            raise PageGoneError(method, message["error"])
        result: dict[str, Any] = message["result"]
        return result

    def _receive(self) -> dict[str, Any]:
        """The next message; what it reports is kept."""
        message: dict[str, Any] = json.loads(self._devtools.recv(PATIENCE))
        match message.get("method"):
            case "Log.entryAdded" | "Runtime.exceptionThrown" | "Page.javascriptDialogOpening":
                self.reported.append(json.dumps(message["params"]))
            case "Network.responseReceived":
                response = message["params"]["response"]
                self.responses.append((response["url"], response["protocol"], response["status"]))
            case "Network.webSocketHandshakeResponseReceived":
                self.websockets.append(message["params"]["response"]["status"])
            case "Page.lifecycleEvent" if message["params"]["name"] == "load":
                self._loaded.add(message["params"]["loaderId"])
            case "Browser.downloadProgress":
                self._downloads.append(message["params"]["state"])
        return message

    def _end(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(PATIENCE)
