"""Eight real apps on loopback, and the environment in which real clients find a gate in front of them by its names."""

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.gate_process import until
from tests.ports import accepts, free_port
from tests.tools import SEARCHED, needs, program

PORTS = {
    "aria2": 6800,
    "jupyter": 8888,
    "transmission": 9091,
    "git": 3000,
    "prometheus": 9090,
    "radicale": 5232,
    "registry": 5000,
    "wsgidav": 8080,
}
"""The apps, and where config/house.toml expects them."""

TOKEN = "the-token-of-jupyter"

LIGHTTPD = """
server.modules = ("mod_alias", "mod_cgi", "mod_setenv")
server.bind = "127.0.0.1"
server.port = {port}
server.document-root = "{folder}"
alias.url = ("/git" => "{backend}/git-http-backend")
$HTTP["url"] =~ "^/git" {{
    cgi.assign = ("" => "")
    setenv.add-environment = ("GIT_PROJECT_ROOT" => "{folder}/git", "GIT_HTTP_EXPORT_ALL" => "")
}}
"""
REGISTRY = """
version: 0.1
storage: {{filesystem: {{rootdirectory: {folder}/registry}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""
WSGIDAV = """
host: 127.0.0.1
port: {port}
provider_mapping: {{"/files": "{folder}/files"}}
simple_dc: {{user_mapping: {{"*": true}}}}
"""
PROMETHEUS = "global: {scrape_interval: 1s}\n"


@dataclass
class House:
    """The running apps, and ``folder``, which holds what they need and what they keep."""

    folder: Path
    ports: dict[str, int] = field(default_factory=lambda: {name: free_port() for name in PORTS})

    def commands(self) -> Iterator[tuple[str, Sequence[str], Mapping[str, str]]]:
        """Each app: its name, its command, and what is in its environment."""
        folder, ports = self.folder, self.ports
        yield "aria2", ["aria2c", "--enable-rpc", f"--rpc-listen-port={ports['aria2']}"], {}
        token = {"JUPYTER_TOKEN": TOKEN}
        yield "jupyter", ["jupyter-server", "--allow-root", "--no-browser", f"--port={ports['jupyter']}"], token
        peers = ["--no-dht", "--no-lpd", "--no-utp", "--no-portmap", "--peerport", str(free_port())]
        bound = ["-g", f"{folder}/transmission", "-r", "127.0.0.1", "-p", str(ports["transmission"])]
        yield "transmission", ["transmission-daemon", "-f", *bound, *peers], {}
        yield "git", ["lighttpd", "-D", "-f", self._configured("git", LIGHTTPD)], {}
        yield "prometheus", self.prometheus("prometheus", PROMETHEUS), {}
        radicale = ["radicale", "--hosts", f"127.0.0.1:{ports['radicale']}", "--auth-type", "http_x_remote_user"]
        yield "radicale", [*radicale, "--storage-filesystem-folder", f"{folder}/radicale"], {}
        yield "registry", ["docker-registry", "serve", self._configured("registry", REGISTRY)], {}
        yield "wsgidav", ["wsgidav", "--config", self._configured("wsgidav", WSGIDAV)], {}

    def prometheus(self, name: str, configuration: str) -> list[str]:
        """The command of a Prometheus; one with another name than that of the app is a client."""
        port = self.ports.setdefault(name, free_port())
        path = self.folder / f"{name}.yaml"
        path.write_text(configuration)
        stored = f"--storage.tsdb.path={self.folder}/{name}"
        return ["prometheus", f"--config.file={path}", stored, f"--web.listen-address=127.0.0.1:{port}"]

    def _configured(self, name: str, text: str) -> str:
        path = self.folder / f"{name}.yaml"  # the ending by which WsgiDAV knows the form
        backend = subprocess.run(["git", "--exec-path"], capture_output=True, text=True, check=True).stdout.strip()
        path.write_text(text.format(port=self.ports[name], folder=self.folder, backend=backend))
        return str(path)


@contextmanager
def house(folder: Path) -> Iterator[House]:
    """Run the apps until the end of the block; each listens when it begins."""
    apps = House(folder)
    commands = list(apps.commands())
    needs("aria2c", "docker-registry", "git", "jupyter-server", "lighttpd", "prometheus", "radicale", "wsgidav")
    needs("transmission-daemon")
    for name in ("files", "git"):
        (folder / name).mkdir()
    with ExitStack() as stack:
        started = {
            name: stack.enter_context(running(folder, name, command, environ)) for name, command, environ in commands
        }
        for name, process in started.items():
            until(partial(_listens, apps.ports[name], process))
            assert process.poll() is None, (folder / f"{name}.log").read_text()
        yield apps
        for process in started.values():
            process.terminate()  # all at once: some take seconds


def _listens(port: int, process: "subprocess.Popen[bytes]") -> bool:
    """Or has ended, so that it never will."""
    return accepts(("127.0.0.1", port)) or process.poll() is not None


@contextmanager
def running(
    folder: Path, name: str, command: Sequence[str], environ: Mapping[str, str]
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a program; what it says goes into a file of its name."""
    path = program(command[0])
    assert path is not None
    environ = plain_environ(folder) | dict(environ)
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen([path, *command[1:]], env=environ, stdout=log, stderr=log, cwd=folder)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def plain_environ(folder: Path) -> dict[str, str]:
    """What every program gets: no proxy, authority or setting of this machine is in it."""
    return {"PATH": SEARCHED, "HOME": str(folder), "LANG": "C.UTF-8"}
