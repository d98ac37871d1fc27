"""Real servers that need a key of their own: for their protocol, or for their idea of HTTP."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.e2e.test_real_apps_work_unchanged import gunicorn, running
from tests.e2e.test_who_closes_one_direction_is_answered import HalfClosing
from tests.gate_process import Gate
from tests.tools import needs
from tests.visitors import Visitors

SHELL = """
const server = require("http").createServer((request, response) => response.end("no tunnel"));
server.on("upgrade", (request, socket) => {
  let heard = "";
  socket.write("HTTP/1.1 101 UPGRADED\\r\\nConnection: Upgrade\\r\\nUpgrade: tcp\\r\\n\\r\\n$ ");
  socket.on("data", (piece) => (heard += piece)).on("end", () => socket.end(heard.toUpperCase()));
});
server.listen(0, "127.0.0.1", () => console.log(`port ${server.address().port}`));
"""
CGI = """
from http import server
server.CGIHTTPRequestHandler.have_fork = False  # a forked script runs as nobody, who may read nothing here
server.test(server.CGIHTTPRequestHandler, server.ThreadingHTTPServer, port=0, bind="127.0.0.1")
"""
EXEC = b"POST /exec HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n"


def test_node_switches_to_a_protocol_of_its_own(folder: Path, visitors: Visitors) -> None:
    """As ``docker exec -i`` does: the client says all it has to say, closes its half, and reads the answer to it."""
    needs("node")
    (folder / "shell.js").write_text(SHELL)
    with (
        running("node", "shell.js", folder=folder, says=r"port (\d+)") as found,
        Gate(folder, f"http://127.0.0.1:{found[1]}", app='upgrades = ["tcp"]') as gate,
    ):
        docker = HalfClosing(visitors.context("alice"), gate.port)
        assert docker.ask(EXEC).startswith(b"HTTP/1.1 101 UPGRADED\r\n")
        assert docker.last_words(b"echo hello\n").endswith(b"ECHO HELLO\n")
        assert gate.logged(1)[0]["status"] == 101


def test_gunicorn_gets_a_length_for_chunks(folder: Path, visitors: Visitors) -> None:
    """Its threads leave CONTENT_LENGTH out for a chunked body, and so WSGI apps take that for an empty one."""
    alice = visitors.context("alice")
    content = os.urandom(1_000_003)
    with gunicorn(folder) as url:
        with Gate(folder, url) as gate:
            assert gate.request(alice, "PUT", "/c", pieces(content))[2] == b"CN=alice /c "
        limited = 'request_buffering = true\nrequest_body = "2MiB"'
        with Gate(folder, url, app=limited) as gate:
            assert gate.request(alice, "PUT", "/c", pieces(content))[2] == b"CN=alice /c " + content


def test_scripts_of_http_server_are_repaired(folder: Path, visitors: Visitors) -> None:
    """It writes its own header lines with CRLF, and then whatever the script prints: lines that end in LF."""
    (folder / "cgi-bin").mkdir()
    (folder / "cgi-bin" / "hello.py").write_text("print('Content-Type: text/plain\\n\\nhello')")
    alice = visitors.context("alice")
    with running(sys.executable, "-c", CGI, folder=folder, says=r"port (\d+)") as found:
        url = f"http://127.0.0.1:{found[1]}"
        with Gate(folder, url) as gate:
            assert gate.request(alice, target="/cgi-bin/hello.py")[0] == 502
        with Gate(folder, url, app="lenient = true") as gate:
            status, headers, body = gate.request(alice, target="/cgi-bin/hello.py")
    assert (status, headers["content-type"], body) == (200, "text/plain", b"hello\n")


def pieces(content: bytes) -> Iterator[bytes]:
    """What http.client sends in chunks."""
    yield from (content[start : start + 100_000] for start in range(0, len(content), 100_000))
