#!/bin/sh
# strongSwan 5.9.8 (Debian 12, strongswan-pki), pki --estca: an EST answer in base64 with line ends is not read.
#
# RFC 7030 shows such answers with line ends in its examples (appendix A), and `openssl base64` and Python's encodebytes
# write them. strongSwan decodes the line ends as if they were digits, so the PKCS #7 is cut short ("signerInfos: length of
# ASN.1 object invalid or too large"). On one line it is read.
#
# Output seen:
#   one line: read
#   several lines: not read
#
# Source: chunk_from_base64() in src/libstrongswan/utils/chunk.c, and src/pki/est/est_tls.c; RFC 7030, 4.1.3 and A.1; RFC
# 4648, 3.1.
set -eu
case $(pki --help 2>/dev/null | head -n 1) in
*5.9.8*) ;;
*)
  echo "this is about pki of strongSwan 5.9.8" >&2
  exit 1
  ;;
esac
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$folder/key" -subj /CN=localhost \
  -addext subjectAltName=DNS:localhost -days 2 -out "$folder/crt" 2>"$folder/log"
openssl crl2pkcs7 -nocrl -certfile "$folder/crt" -outform DER -out "$folder/p7"
python3 - "$folder" >"$folder/output" <<'PYTHON'
import base64
import ssl
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

folder = Path(sys.argv[1])
bundle = (folder / "p7").read_bytes()


def answers(body: bytes) -> bool:
    """Whether the client gets the certificate out of this body."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.close_connection = True
            self.send_response(200)
            self.send_header("Content-Type", "application/pkcs7-mime")
            self.send_header("Content-Transfer-Encoding", "base64")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "crt", folder / "key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"https://localhost:{server.server_port}"
    command = ["pki", "--estca", "--url", url, "--cacert", folder / "crt", "--caout", folder / "got"]
    done = subprocess.run(command, capture_output=True, timeout=30)
    server.shutdown()
    return done.returncode == 0


print("one line:", "read" if answers(base64.b64encode(bundle)) else "not read")
print("several lines:", "read" if answers(base64.encodebytes(bundle)) else "not read")
PYTHON
cat "$folder/output"
printf 'one line: read\nseveral lines: not read\n' | cmp -s - "$folder/output" || {
  echo "strongSwan behaves differently now" >&2
  exit 1
}
