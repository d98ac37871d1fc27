"""config/house.toml: eight real apps with the settings that they come with, behind three names, two certificates from
pebble and one public host; each is used by a client that people use.
"""

import json
import os
import re
import socket
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.e2e.house import PORTS, TOKEN, House, house, plain_environ, running
from tests.e2e.pebble import Pebble, pebble
from tests.gate_process import ROOT, Gate, until
from tests.ports import accepts, free_port
from tests.tools import needs, needs_file, program
from tests.visitors import Visitors

HOME, DAV, IMAGES = "home.example.com", "dav.example.com", "images.example.com"
PATIENCE = 60.0
ALICE = ("--cert", "alice.crt", "--key", "alice.key")


@dataclass
class Front:
    """The gate, the apps behind it, and what clients need to find and to trust it."""

    folder: Path
    gate: Gate
    house: House
    environ: dict[str, str]

    def url(self, host: str, path: str = "/") -> str:
        return f"https://{host}:{self.gate.port}{path}"

    def run(self, *command: str, said: str = "", **environ: str) -> str:
        """What a client says; ``said`` is what it is told. It must succeed."""
        done = self.tried(*command, said=said, **environ)
        assert done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def tried(self, *command: str, said: str = "", **environ: str) -> "subprocess.CompletedProcess[str]":
        path = program(command[0])
        return subprocess.run(
            [path or "", *command[1:]],
            input=said,
            env=self.environ | environ,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def answers(self, length: int) -> set[tuple[str, int]]:
        """The first so many characters of each target, and the status, as far as the access log has them."""
        whole = (self.folder / "access.log").read_text().rpartition("\n")[0]  # the last one may be half written
        lines = map(json.loads, whole.splitlines())
        return {(line["target"][:length], line["status"]) for line in lines}

    @contextmanager
    def forwarder(self) -> Iterator[int]:
        """A port of this machine behind which alice's certificate is shown, for clients that can show none."""
        port = free_port()
        listen = f"TCP-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr"
        target = f"OPENSSL:{HOME}:{self.gate.port},cert=alice.crt,key=alice.key,cafile=root.pem"
        with running(self.folder, "socat", ["socat", listen, target], self.environ):
            until(lambda: accepts(("127.0.0.1", port)))
            yield port


@pytest.fixture(scope="module")
def front(visitors: Visitors, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    needs("aria2p", "buildah", "curl", "promtool", "rclone", "socat", "transmission-create", "transmission-remote")
    needs("vdirsyncer")
    wrapper = needs_file("libnss_wrapper.so", "/usr/lib/*", "/usr/lib64", "/usr/lib")
    folder = tmp_path_factory.mktemp("house")
    for name, source in (("client-ca.crt", "ca.crt"), ("alice.crt", "alice.crt"), ("alice.key", "alice.key")):
        (folder / name).write_bytes((visitors.folder / source).read_bytes())
    (folder / "hosts").write_text("".join(f"127.0.0.1 {name}\n" for name in (HOME, DAV, IMAGES)))
    with ExitStack() as stack:
        server = stack.enter_context(pebble(folder))
        apps = stack.enter_context(house(folder))
        gate = stack.enter_context(Gate(folder, file=str(configured(folder, server, apps))))
        for name in (HOME, IMAGES):
            gate.wait_for(lambda line, name=name: f"acme: a new certificate for {name}" in line)  # type: ignore[misc]
        (folder / "root.pem").write_bytes(server.root().public_bytes(Encoding.PEM))
        for name in (HOME, IMAGES):
            until(lambda name=name: names_shown(gate, name)[0].startswith("CN=Pebble"))  # type: ignore[misc]
        environ = plain_environ(folder) | {
            "LD_PRELOAD": str(wrapper),
            "NSS_WRAPPER_HOSTS": str(folder / "hosts"),
            "GODEBUG": "netdns=cgo",  # else Go asks the name servers of this machine
        }
        yield Front(folder, gate, apps, environ)


def configured(folder: Path, server: Pebble, apps: House) -> Path:
    """config/house.toml with the ports and folders of this test, and pebble as the directory."""
    text = (ROOT / "config" / "house.toml").read_text(encoding="utf-8")
    directory = f'directory = "{server.directory}"\nca = "{server.ca}"\nfolder = "{folder}/acme"'
    replacements = {
        '["0.0.0.0:443", "[::]:443"]': f'"127.0.0.1:{server.tls_port}"',
        '["0.0.0.0:80", "[::]:80"]': f'"127.0.0.1:{server.http_port}"',
        'folder = "/var/lib/gatekeeper/acme"': directory,
        **{f'"http://127.0.0.1:{port}"': f'"http://127.0.0.1:{apps.ports[name]}"' for name, port in PORTS.items()},
    }
    for old, new in replacements.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path = folder / "house.toml"
    path.write_text(f'{text}\n[admin]\nlisten = "127.0.0.1:0"\n[log]\naccess = "access.log"\n', encoding="utf-8")
    return path


def names_shown(gate: Gate, name: str) -> tuple[str, list[str]]:
    """The issuer and the names of the certificate for a host."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with gate.connect(context, name=name) as connection:
        certificate = x509.load_der_x509_certificate(connection.getpeercert(True) or b"")
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return certificate.issuer.rfc4514_string(), sorted(found.get_values_for_type(x509.DNSName))


def test_each_name_has_its_certificate_and_its_visitors(front: Front) -> None:
    """By curl: two hosts let in who has a certificate, the third lets everybody read."""
    assert [names_shown(front.gate, name)[1] for name in (HOME, DAV, IMAGES)] == [[DAV, HOME], [DAV, HOME], [IMAGES]]
    found = {
        (url, bool(options)): front.run(
            *("curl", "-sS", "--cacert", "root.pem", "-o", "/dev/null"),
            *("-w", "%{http_code} %header{gatekeeper-reason}", *options, url),
        ).strip()
        for url in (front.url(HOME, "/api"), front.url(DAV), front.url(IMAGES, "/v2/"), front.url(IMAGES, "/v1/"))
        for options in ((), ALICE)
    }
    assert found == {
        (front.url(HOME, "/api"), False): "403 no_certificate",
        (front.url(HOME, "/api"), True): "200",
        (front.url(DAV), False): "403 no_certificate",
        (front.url(DAV), True): "302",
        (front.url(IMAGES, "/v2/"), False): "200",
        (front.url(IMAGES, "/v2/"), True): "200",
        (front.url(IMAGES, "/v1/"), False): "403 no_certificate",
        (front.url(IMAGES, "/v1/"), True): "403 no_certificate",
    }


def test_check_tells_what_is_ordered(front: Front) -> None:
    """Each certificate with its names; the directory was asked, and has no objection."""
    said = front.run("gatekeeper", "check", "-c", "house.toml", LD_PRELOAD="")
    rows = [line.split(maxsplit=1)[1].strip() for line in said.splitlines() if line.startswith("ordered")]
    assert rows == [f"{HOME}, {DAV} by http-01", f"{IMAGES} by http-01"]
    assert "cannot be asked" not in said


def test_jupyter_runs_code(front: Front) -> None:
    """Alice's own Jupyter runs its kernels on the house's (--gateway-url), and talks to them by WebSocket."""
    port = free_port()
    environ = {
        "JUPYTER_TOKEN": TOKEN,
        "JUPYTER_GATEWAY_URL": front.url(HOME, ""),
        "JUPYTER_GATEWAY_AUTH_TOKEN": TOKEN,
        "JUPYTER_GATEWAY_CLIENT_CERT": "alice.crt",
        "JUPYTER_GATEWAY_CLIENT_KEY": "alice.key",
        "JUPYTER_GATEWAY_CA_CERTS": "root.pem",
    }
    command = ["jupyter-server", "--allow-root", "--no-browser", f"--port={port}"]
    with running(front.folder, "own-jupyter", command, front.environ | environ):
        until(lambda: accepts(("127.0.0.1", port)))
        assert executed(f"127.0.0.1:{port}", "print(6 * 7)") == "42\n"
    until(lambda: ("/api/kernels/", 101) in front.answers(13))


def test_jupyter_knows_its_own_pages(front: Front) -> None:
    """What a browser that has logged in sends from them: a kernel starts, a WebSocket opens. Not from another site's.
    Jupyter compares Origin and Referer with the Host that it gets, which is its own address.
    """
    curl = ("curl", "-sS", "-b", "jar", "-c", "jar", "--cacert", "root.pem", *ALICE, "-o", "/dev/null")
    front.run(*curl, front.url(HOME, f"/login?token={TOKEN}"))
    front.run(*curl, front.url(HOME, "/none"))  # any page of its own, which brings the cookie against such requests
    cookies = dict(re.findall(r"\t(\S+)\t(\S+)$", (front.folder / "jar").read_text(), re.MULTILINE))
    for site, started, opened in ((front.url(HOME, ""), "201", 101), ("https://evil.example", "404", 403)):
        page = {"Origin": site, "Referer": f"{site}/tree", "X-XSRFToken": cookies["_xsrf"]}
        fields = [word for name, value in page.items() for word in ("-H", f"{name}: {value}")]
        code = ("-w", "%{http_code}", "-d", "{}", front.url(HOME, "/api/kernels"))
        assert front.run(*curl, *fields, *code) == started
        assert websocket(front, "/api/events/subscribe", page, cookies) == opened


def websocket(front: Front, path: str, page: Mapping[str, str], cookies: Mapping[str, str]) -> int:
    """The status of an attempt to open one with alice's certificate."""
    context = ssl.create_default_context(cafile=str(front.folder / "root.pem"))
    context.load_cert_chain(front.folder / "alice.crt", front.folder / "alice.key")
    sent = {**page, "Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
    address = front.url(HOME, path).replace("https", "wss")
    plain = socket.create_connection(("127.0.0.1", front.gate.port), PATIENCE)
    try:
        with connect(address, sock=plain, ssl=context, additional_headers=sent) as opened:
            assert opened.response is not None
            return opened.response.status_code
    except InvalidStatus as refused:
        return refused.response.status_code


def executed(jupyter: str, code: str) -> str:
    """What a new kernel of a Jupyter server prints (jupyter-client's documentation, "Messaging in Jupyter")."""
    authorized = {"Authorization": f"token {TOKEN}"}
    connection = HTTPConnection(jupyter, timeout=PATIENCE)
    connection.request("POST", "/api/kernels", "{}", authorized)
    kernel = json.loads(connection.getresponse().read())["id"]
    header = {"msg_id": "1", "session": "1", "username": "", "msg_type": "execute_request", "version": "5.3"}
    message = {"channel": "shell", "header": header, "parent_header": {}, "metadata": {}, "content": {"code": code}}
    with connect(f"ws://{jupyter}/api/kernels/{kernel}/channels", additional_headers=authorized) as channels:
        channels.send(json.dumps(message))
        while (heard := json.loads(channels.recv(PATIENCE)))["msg_type"] != "stream":
            pass
    connection.request("DELETE", f"/api/kernels/{kernel}", headers=authorized)
    assert connection.getresponse().status == 204
    connection.close()
    text: str = heard["content"]["text"]
    return text


def test_radicale_takes_a_calendar(front: Front) -> None:
    """vdirsyncer makes it, and brings an appointment there; Radicale knows her by her certificate alone."""
    (front.folder / "own" / "house").mkdir(parents=True)
    event = (
        "BEGIN:VEVENT\r\nUID:tea\r\nDTSTAMP:20270101T000000Z\r\nDTSTART:20270102T160000Z\r\nSUMMARY:Tea\r\nEND:VEVENT"
    )
    calendar = f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//y//EN\r\n{event}\r\nEND:VCALENDAR\r\n"
    (front.folder / "own" / "house" / "tea.ics").write_text(calendar)
    (front.folder / "vdirsyncer.ini").write_text(
        f"""
[general]
status_path = "{front.folder}/vdirsyncer"
[pair calendars]
a = "own"
b = "radicale"
collections = ["house"]
[storage own]
type = "filesystem"
path = "{front.folder}/own"
fileext = ".ics"
[storage radicale]
type = "caldav"
url = "{front.url(DAV)}"
auth_cert = ["{front.folder}/alice.crt", "{front.folder}/alice.key"]
verify = "{front.folder}/root.pem"
"""
    )
    front.run("vdirsyncer", "-c", "vdirsyncer.ini", "discover", said="y\n" * 4)
    front.run("vdirsyncer", "-c", "vdirsyncer.ini", "sync")
    (kept,) = (front.folder / "radicale" / "collection-root" / "alice").glob("*/*.ics")
    assert "SUMMARY:Tea" in kept.read_text()


def test_wsgidav_keeps_files(front: Front) -> None:
    """rclone puts, moves and copies them; it names the target of both by its whole address (RFC 4918, 10.3)."""
    (front.folder / "one.txt").write_text("hello")
    certificates = ("--ca-cert", "root.pem", "--client-cert", "alice.crt", "--client-key", "alice.key")
    rclone = ("rclone", *certificates, "--webdav-url", front.url(DAV, "/files/"))
    front.run(*rclone, "copyto", "one.txt", ":webdav:kept/one.txt")
    front.run(*rclone, "moveto", ":webdav:kept/one.txt", ":webdav:kept/two.txt")
    front.run(*rclone, "copyto", ":webdav:kept/two.txt", ":webdav:kept/three.txt")
    assert front.run(*rclone, "lsf", ":webdav:kept").split() == ["three.txt", "two.txt"]
    assert front.run(*rclone, "cat", ":webdav:kept/two.txt") == "hello"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_the_registry_is_pushed_to_and_pulled_from(front: Front) -> None:
    """buildah pushes with a certificate; everybody pulls by the public name, and pushes nothing there."""
    for name, files in (("with", ("client.cert", "client.key", "ca.crt")), ("without", ("ca.crt",))):
        (front.folder / name).mkdir()
        for file in files:
            source = {"client.cert": "alice.crt", "client.key": "alice.key", "ca.crt": "root.pem"}[file]
            (front.folder / name / file).write_bytes((front.folder / source).read_bytes())
    buildah = ["buildah", "--root", "storage/root", "--runroot", "storage/run", "--storage-driver", "vfs"]
    (front.folder / "layer").write_bytes(os.urandom(3_000_000))
    container = front.run(*buildah, "from", "scratch").strip()
    front.run(*buildah, "copy", container, "layer", "/layer")
    image = front.run(*buildah, "commit", "-q", container, "house").strip()
    port = front.gate.port
    front.run(*buildah, "push", "--cert-dir", "with", "house", f"docker://{HOME}:{port}/house:1")
    refused = front.tried(*buildah, "push", "--cert-dir", "without", "house", f"docker://{IMAGES}:{port}/house:2")
    assert refused.returncode != 0
    front.run(*buildah, "rmi", "--all", "--force")
    assert front.run(*buildah, "pull", "-q", "--cert-dir", "without", f"{IMAGES}:{port}/house:1").strip() == image


def test_git_is_pushed_to_and_cloned_from(front: Front) -> None:
    """A pack of more than a megabyte, which git sends in chunks (http.postBuffer)."""
    files = {"GIT_SSL_CERT": "alice.crt", "GIT_SSL_KEY": "alice.key", "GIT_SSL_CAINFO": "root.pem"}
    environ = {name: str(front.folder / file) for name, file in files.items()}
    front.run("git", "init", "-q", "--bare", "git/project.git")
    front.run("git", "-C", "git/project.git", "config", "http.receivepack", "true")
    front.run("git", "init", "-q", "-b", "main", "work")
    (front.folder / "work" / "large").write_bytes(os.urandom(3_000_000))
    front.run("git", "-C", "work", "add", "large")
    author = ("-c", "user.name=Alice", "-c", "user.email=alice@example.com")
    front.run("git", *author, "-C", "work", "commit", "-q", "-m", "Begin")
    url = front.url(HOME, "/git/project.git")
    front.run("git", "-C", "work", "push", "-q", url, "main", **environ)
    front.run("git", "clone", "-q", "-b", "main", url, "clone", **environ)
    assert (front.folder / "clone" / "large").read_bytes() == (front.folder / "work" / "large").read_bytes()


def test_prometheus_is_scraped_by_another(front: Front) -> None:
    """Below a path that it does not know; the other one has a certificate, and reports that this one is up."""
    scraped = f"""
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: house
    scheme: https
    metrics_path: /prometheus/metrics
    tls_config: {{ca_file: root.pem, cert_file: alice.crt, key_file: alice.key}}
    static_configs: [{{targets: ["{HOME}:{front.gate.port}"]}}]
"""
    command = front.house.prometheus("another", scraped)
    server = f"http://127.0.0.1:{front.house.ports['another']}"
    with running(front.folder, "another", command, front.environ):
        until(lambda: "=> 1 @" in front.tried("promtool", "query", "instant", server, 'up{job="house"}').stdout)


def test_transmission_takes_a_torrent(front: Front) -> None:
    """transmission-remote has no certificate, so another program shows one for it. The app answers to its own address
    alone, and wants a session's number first.
    """
    (front.folder / "seed.bin").write_bytes(b"x" * 100_000)
    front.run("transmission-create", "-o", "seed.torrent", "seed.bin")
    with front.forwarder() as port:
        remote = ("transmission-remote", f"http://{HOME}:{port}/transmission")
        front.run(*remote, "--start-paused", "-a", "seed.torrent")
        assert "seed.bin" in front.run(*remote, "-l")


def test_aria2_tells_of_a_download(front: Front) -> None:
    """aria2p has no certificate either; it adds a download by HTTP, and hears of its end by WebSocket."""
    (front.folder / "heard.py").write_text("def on_download_complete(api, gid):\n    print('complete', flush=True)\n")
    (front.folder / "files" / "page").write_text("hello")
    (front.folder / "page").unlink(missing_ok=True)
    with front.forwarder() as port:
        until(lambda: not front.gate.admin("/status")[1]["tunnels"])  # of the tests before
        aria2p = ("aria2p", "--host", f"http://{HOME}", "--port", str(port))
        listening = (*aria2p, "listen", "--callbacks-module", "heard.py", "--timeout", "1")
        with running(front.folder, "heard", listening, front.environ):
            until(lambda: front.gate.admin("/status")[1]["tunnels"])
            front.run(*aria2p, "add", f"http://127.0.0.1:{front.house.ports['wsgidav']}/files/page")
            until(lambda: "complete" in (front.folder / "heard.log").read_text())
    assert (front.folder / "page").read_text() == "hello"
