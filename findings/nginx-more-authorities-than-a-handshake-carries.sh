#!/bin/sh
# nginx 1.22.1 (Debian 12, OpenSSL 3.0): with too many authorities in ssl_client_certificate no client can connect at all.
#
# The names of the authorities go into the CertificateRequest, whose list has a length of two octets (RFC 8446, 4.2.4; RFC
# 5246, 7.4.4). With more than 65,535 octets of names `nginx -t` is content and nginx starts, and every handshake ends with
# an alert, internal_error, with or without a client certificate, though ssl_verify_client is optional; the log says
# "construct_ca_names:internal error". In ssl_trusted_certificate, beside one authority here, they verify without being sent.
#
# Output seen (directive, number of authorities: nginx -t, curl without a certificate):
#   ssl_client_certificate, 300: ok, 200
#   ssl_client_certificate, 700: ok, no connection
#   ssl_client_certificate, 1, and ssl_trusted_certificate, 700: ok, 200
#
# Source: ssl/statem/statem_lib.c of OpenSSL 3.0, construct_ca_names(); src/event/ngx_event_openssl.c,
# ngx_ssl_client_certificate(). The documentation of ssl_client_certificate has no limit.
set -eu
case $(dpkg-query -W -f '${Version}' nginx) in
1.22.1-*) ;;
*)
  echo "this is about nginx 1.22.1 of Debian 12" >&2
  exit 1
  ;;
esac
script=$(realpath "$0")
folder=$(mktemp -d)
nginx=
trap '[ -z "$nginx" ] || { kill "$nginx"; wait "$nginx" || true; }; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet cryptography==50.0.2
venv/bin/python - <<'PYTHON'
import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

now = datetime.datetime.now(datetime.UTC)
key = ec.generate_private_key(ec.SECP256R1())
made = []
for number in range(700):
    organization = x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Certificate Services For Everybody And All Of Us")
    common = x509.NameAttribute(x509.NameOID.COMMON_NAME, f"The Authority With The Number {number:04}")
    name = x509.Name([organization, common])
    builder = x509.CertificateBuilder(name, name, key.public_key(), number + 1, now, now + datetime.timedelta(2))
    made.append(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
for count in (1, 300, 700):
    with open(f"{count}.pem", "wb") as file:
        file.writelines(made[:count])
PYTHON
openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout key -out crt \
  -days 2 2>log
port=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
try() {
  cat >nginx.conf <<CONF
daemon off; pid $folder/pid; error_log $folder/error.log; events {}
http {
  access_log off;
  server {
    listen 127.0.0.1:$port ssl; ssl_certificate $folder/crt; ssl_certificate_key $folder/key;
    $1 ssl_verify_client optional;
    location / { return 200; }
  }
}
CONF
  checked=refused
  nginx -t -p "$folder" -c "$folder/nginx.conf" -e "$folder/error.log" -q && checked=ok
  nginx -p "$folder" -c "$folder/nginx.conf" -e "$folder/error.log" &
  nginx=$!
  for _ in $(seq 100); do
    python3 -c "import socket; socket.create_connection(('127.0.0.1', $port))" 2>>log && break
    sleep 0.1
  done
  status=$(curl -q -s -o answer -w '%{http_code}' --cacert crt "https://localhost:$port/") || status="no connection"
  echo "$2: $checked, $status"
  kill "$nginx"
  wait "$nginx"
  nginx=
}
{
  try "ssl_client_certificate $folder/300.pem;" "ssl_client_certificate, 300"
  try "ssl_client_certificate $folder/700.pem;" "ssl_client_certificate, 700"
  try "ssl_client_certificate $folder/1.pem; ssl_trusted_certificate $folder/700.pem;" \
    "ssl_client_certificate, 1, and ssl_trusted_certificate, 700"
} >output
cat output
sed -n 's/^#   ssl/ssl/p' "$script" | cmp -s - output || {
  echo "nginx behaves differently now" >&2
  exit 1
}
