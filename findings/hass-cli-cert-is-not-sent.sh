#!/bin/sh
# homeassistant-cli 0.9.6 (and 1.0.0), hass-cli --cert FILE: the server sees no client certificate.
#
# The option sets the certificate of a requests.Session, and each request is then made by requests.get(), which has a
# session of its own. The same file, given to a session that is used, is sent. What --cert and --insecure ask for is
# never told to be without effect.
#
# Output seen (who asks, and the name in the certificate that the server got):
#   hass-cli none
#   requests alice
#
# Source: homeassistant_cli/remote.py, restapi(). Mended after 1.0.0:
# https://github.com/home-assistant-ecosystem/home-assistant-cli/pull/459
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet homeassistant-cli==0.9.6
cd "$folder"
openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=alice -keyout alice.key -out alice.crt -days 2 2>openssl.log
openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout server.key \
  -out server.crt -days 2 2>>openssl.log
cat alice.crt alice.key >alice.pem
"$folder/venv/bin/python" - >output <<'PYTHON'
import os
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import requests

seen = []


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        certificate = self.connection.getpeercert()
        seen.append(certificate["subject"][-1][-1][1] if certificate else "none")
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b"[]")

    def log_message(self, *_: object) -> None:
        pass


server = HTTPServer(("127.0.0.1", 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("server.crt", "server.key")
context.load_verify_locations("alice.crt")
context.verify_mode = ssl.CERT_OPTIONAL
server.socket = context.wrap_socket(server.socket, server_side=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"https://localhost:{server.server_port}"
os.environ["REQUESTS_CA_BUNDLE"] = "server.crt"
hass_cli = ["venv/bin/hass-cli", "--server", url, "--token", "t", "--cert", "alice.pem", "raw", "get", "/api/"]
subprocess.run(hass_cli, check=True, capture_output=True)
print("hass-cli", seen.pop())
session = requests.Session()
session.cert = "alice.pem"
session.get(f"{url}/api/")
print("requests", seen.pop())
PYTHON
cat output
printf '%s\n' 'hass-cli none' 'requests alice' | cmp -s - output || {
  echo "hass-cli behaves differently now" >&2
  exit 1
}
