"""gatekeeper itself."""

import subprocess
from pathlib import Path

from benchmarks.contenders.contender import Contender, Place, most_connections
from benchmarks.contenders.interpreter import interpreter, version_of
from benchmarks.processes import Command
from benchmarks.upstream import REPOSITORY

GATEKEEPER = """\
[server]
listen = "127.0.0.1:{port}"
certificate = "{server}"
key = "{server_key}"
min_tls = "1.3"
workers = {workers}
http2 = {http2}
[client_auth]
ca = "{ca}"
crl = [{crl}]
session_resumption = {resumption}
[upstream]
url = "http://127.0.0.1:{files_port}"
[upstreams.app]
url = "http://127.0.0.1:{app_port}"
{grpc}
{routes}
[identity]
headers = ["nginx"]
[admin]
listen = "127.0.0.1:0"
[log]
access = "{folder}/access.log"
[timeouts]
handshake = "60s"
[limits]
connections = {connections}
"""

ROUTES = """\
[[routes]]
path = "/app/*"
upstream = "app"
[[routes]]
path = "/*"
"""


GRPC_ROUTE = """\
[[routes]]
path = "/test.Echo/*"
upstream = "grpc"
"""

COMPILED = "compiled"


class Gatekeeper(Contender):
    """This repository, or another checkout of it: `gatekeeper@/path` compares two states in one run. `COMPILED` is the
    compiled form of it, where `make build/compiled/.made` has built it.
    """

    def __init__(self, name: str = "gatekeeper") -> None:
        self.name = name
        _, _, path = name.partition("@")
        if name == COMPILED:
            path = str(REPOSITORY / "build" / "compiled")
        self.source = Path(path).resolve() if path else REPOSITORY

    def version(self) -> str | None:  # noqa: D102
        if not (self.source / "gatekeeper" / "__main__.py").exists():
            return None
        if self.name == COMPILED and not list(self.source.glob("gatekeeper__mypyc.*")):
            return None
        python = interpreter()
        return f"{commit(self.source)} on Python {'.'.join(map(str, version_of(python)))}"

    def configure(self, place: Place) -> Command:  # noqa: D102
        c, setup = place.certificates, place.setup
        text = GATEKEEPER.format(
            connections=most_connections(),
            port=place.port,
            files_port=place.upstream.files_port,
            app_port=place.upstream.app_port,
            workers=setup.workers,
            folder=place.folder,
            server=c.server,
            server_key=c.server_key,
            ca=c.ca,
            crl=f'"{place.crl}"' if place.crl else "",
            resumption="true" if setup.tickets else "false",
            http2="true" if setup.http2 else "false",
            grpc=f'[upstreams.grpc]\nurl = "h2c://127.0.0.1:{place.upstream.grpc_port}"' if setup.http2 else "",
            routes=(GRPC_ROUTE if setup.http2 else "") + routes(setup.routes),
        )
        (place.folder / "gatekeeper.toml").write_text(text)
        argv = (str(interpreter()), "-m", "gatekeeper", "serve", "-c", str(place.folder / "gatekeeper.toml"))
        return Command(argv, place.folder / "output", {"PYTHONPATH": str(self.source), "PYTHONDONTWRITEBYTECODE": ""})


def routes(further: int) -> str:
    """The table of routes: as many as are wanted that nobody asks for, then the two that are used."""
    return "".join(f'[[routes]]\npath = "/route{n}/*"\n' for n in range(further)) + ROUTES


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
