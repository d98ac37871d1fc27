"""gatekeeper itself."""

import platform
import subprocess
import sys
from pathlib import Path

from benchmarks.contenders.contender import Contender, Place, open_files
from benchmarks.processes import Command
from benchmarks.upstream import REPOSITORY

GATEKEEPER = """\
[server]
listen = "127.0.0.1:{port}"
certificate = "{server}"
key = "{server_key}"
min_tls = "1.3"
workers = {workers}
[client_auth]
ca = "{ca}"
crl = [{crl}]
session_resumption = {resumption}
[upstream]
url = "http://127.0.0.1:{files_port}"
[upstreams.app]
url = "http://127.0.0.1:{app_port}"
{routes}
[[routes]]
path = "/app/*"
upstream = "app"
[[routes]]
path = "/*"
[identity]
headers = ["nginx"]
[admin]
listen = "127.0.0.1:0"
[log]
access = "{folder}/access.log"
[limits]
connections = {connections}
"""


class Gatekeeper(Contender):
    """This repository, or another checkout of it: `gatekeeper@/path` compares two states in one run."""

    def __init__(self, name: str = "gatekeeper") -> None:
        self.name = name
        _, _, path = name.partition("@")
        self.source = Path(path).resolve() if path else REPOSITORY

    def version(self) -> str | None:  # noqa: D102
        if not (self.source / "gatekeeper" / "__main__.py").exists():
            return None
        return f"{commit(self.source)} on Python {platform.python_version()}"

    def configure(self, place: Place) -> Command:  # noqa: D102
        c, setup = place.certificates, place.setup
        text = GATEKEEPER.format(
            connections=open_files() // 2 - 100,
            port=place.port,
            files_port=place.upstream.files_port,
            app_port=place.upstream.app_port,
            workers=setup.workers,
            folder=place.folder,
            server=c.server,
            server_key=c.server_key,
            ca=c.ca,
            crl=f'"{setup.crl}"' if setup.crl else "",
            resumption="true" if setup.tickets else "false",
            routes="\n".join(f'[[routes]]\npath = "/route{n}/*"' for n in range(setup.routes)),
        )
        (place.folder / "gatekeeper.toml").write_text(text)
        argv = (sys.executable, "-m", "gatekeeper", "serve", "-c", str(place.folder / "gatekeeper.toml"))
        return Command(argv, place.folder / "output", {"PYTHONPATH": str(self.source)})


def commit(source: Path) -> str:
    """The short commit of a checkout, with `+` when files differ from it, or `unknown` outside of one."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty=+", "--exclude=*"],
        cwd=source,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "unknown"
