#!/bin/sh
# Wget 1.21.3, Wget2 1.99.1, lftp 4.9.2 (Debian 12, all with GnuTLS): a client key that cannot be read is no error.
#
# If the key has a passphrase (for Wget and Wget2 also: if its file does not exist), they say nothing of it, ask for no
# passphrase, and make the request without the certificate. The exit code is that of the response: where the server only
# asks for a certificate, they save another page than the one that was meant and have succeeded. curl and ffmpeg end with
# an error before they send anything.
#
# Output seen (program, key, exit code, whose certificate the server got):
#   wget plain: 0, alice
#   wget encrypted: 0, none
#   wget missing: 0, none
#   wget2 plain: 0, alice
#   wget2 encrypted: 0, none
#   wget2 missing: 0, none
#   lftp plain: 0, alice
#   lftp encrypted: 0, none
#   lftp missing: 1, no request
#
# Source: Wget, src/gnutls.c, ssl_init(): the result of gnutls_certificate_set_x509_key_file() is not looked at.
set -eu
for pinned in wget=1.21.3- wget2=1.99.1- lftp=4.9.2-; do
  case $(dpkg-query -W -f '${Version}' "${pinned%=*}") in
  "${pinned#*=}"*) ;;
  *)
    echo "this needs $pinned of Debian 12" >&2
    exit 1
    ;;
  esac
done
script=$(realpath "$0")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
for name in alice localhost; do
  openssl req -x509 -newkey rsa:2048 -nodes -subj "/CN=$name" -addext "subjectAltName=DNS:$name" -keyout "$name.key" \
    -out "$name.crt" -days 2 2>>log
done
cp alice.key plain.key
openssl pkcs8 -topk8 -in alice.key -passout pass:secret -out encrypted.key
python3 - >output <<'PYTHON'
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

seen = []


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        certificate = self.connection.getpeercert()
        seen.append(certificate["subject"][-1][-1][1] if certificate else "none")
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_GET

    def log_message(self, *_: object) -> None:
        pass


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("localhost.crt", "localhost.key")
context.load_verify_locations("alice.crt")
context.verify_mode = ssl.CERT_OPTIONAL
server = HTTPServer(("127.0.0.1", 0), Handler)
server.socket = context.wrap_socket(server.socket, server_side=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"https://localhost:{server.server_port}/"


def command(program: str, key: str) -> list[str]:
    if program == "lftp":
        files = f"set ssl:ca-file localhost.crt; set ssl:cert-file alice.crt; set ssl:key-file {key}"
        return ["lftp", "-c", f"set cmd:fail-exit yes; {files}; cat {url}"]
    files = ["--ca-certificate=localhost.crt", "--certificate=alice.crt", f"--private-key={key}"]
    return [program, "--no-config", "-q", "-O", "/dev/null", *files, url]


for program in ("wget", "wget2", "lftp"):
    for key in ("plain", "encrypted", "missing"):
        seen[:] = ["no request"]
        environ = {"PATH": "/usr/bin:/bin", "HOME": "."}
        done = subprocess.run(command(program, f"{key}.key"), env=environ, stdin=subprocess.DEVNULL, capture_output=True)
        assert bool(done.stderr) == (seen[-1] == "no request")
        print(f"{program} {key}: {done.returncode}, {seen[-1]}")
PYTHON
cat output
sed -n 's/^#   \([a-z2]* [a-z]*: [0-9], \)/\1/p' "$script" | cmp -s - output || {
  echo "they behave differently now" >&2
  exit 1
}
