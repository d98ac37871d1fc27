#!/bin/sh
# nginx 1.22.1 with OpenSSL 3.0 (Debian 12), ssl_ecdh_curve X25519: no client with a P-256 certificate connects by TLS 1.2.
#
# The directive is meant for the key exchange, and X25519 works with every client of today. But in TLS 1.2 OpenSSL holds the
# curve of a client's certificate against the server's groups too, and ends the handshake with illegal_parameter ("wrong
# curve" in nginx's log), whatever ssl_verify_client says. The client cannot know: a server's groups are not announced. TLS
# 1.3 and RSA keys are not affected. "X25519:prime256v1" helps, and key exchanges stay as they are with clients that have
# X25519 first.
#
# Output seen (ssl_ecdh_curve, TLS, key of the client's certificate):
#   X25519, 1.2, P-256: no connection
#   X25519, 1.2, RSA: SUCCESS
#   X25519, 1.3, P-256: SUCCESS
#   X25519:prime256v1, 1.2, P-256: SUCCESS
#
# Source: ssl/t1_lib.c of OpenSSL 3.0, tls12_check_peer_sigalg(): tls1_check_group_id() with check_own_groups. Neither
# SSL_CTX_set1_groups(3) nor nginx's documentation says so; RFC 8422, 5.1, restricts the server's certificate only.
set -eu
case $(dpkg-query -W -f '${Version}' nginx)/$(openssl version) in
"1.22.1-"*"/OpenSSL 3.0."*) ;;
*)
  echo "this is about nginx 1.22.1 and OpenSSL 3.0 of Debian 12" >&2
  exit 1
  ;;
esac
script=$(realpath "$0")
folder=$(mktemp -d)
nginx=
trap '[ -z "$nginx" ] || { kill "$nginx"; wait "$nginx" || true; }; rm -rf "$folder"' EXIT
cd "$folder"
make() {
  openssl req -x509 -newkey "$2" -pkeyopt "$3" -nodes -subj "/CN=$1" -addext "subjectAltName=DNS:$1" -keyout "$1.key" \
    -out "$1.crt" -days 2 2>>log
}
make localhost rsa:2048 rsa_keygen_pubexp:65537
make RSA rsa:2048 rsa_keygen_pubexp:65537
make P-256 ec ec_paramgen_curve:P-256
cat RSA.crt P-256.crt >clients.crt
port=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
try() {
  cat >nginx.conf <<CONF
daemon off; pid $folder/pid; error_log $folder/error.log; events {}
http {
  access_log off;
  server {
    listen 127.0.0.1:$port ssl; ssl_certificate $folder/localhost.crt; ssl_certificate_key $folder/localhost.key;
    ssl_protocols TLSv1.2 TLSv1.3; ssl_ecdh_curve $1;
    ssl_client_certificate $folder/clients.crt; ssl_verify_client optional;
    location / { return 200 \$ssl_client_verify; }
  }
}
CONF
  nginx -p "$folder" -c "$folder/nginx.conf" -e "$folder/error.log" &
  nginx=$!
  for _ in $(seq 100); do
    python3 -c "import socket; socket.create_connection(('127.0.0.1', $port))" 2>>log && break
    sleep 0.1
  done
  said=$(curl -q -s --cacert localhost.crt --cert "$3.crt" --key "$3.key" "--tlsv$2" --tls-max "$2" \
    "https://localhost:$port/") || said="no connection"
  echo "$1, $2, $3: $said"
  kill "$nginx"
  wait "$nginx"
  nginx=
}
{
  try X25519 1.2 P-256
  try X25519 1.2 RSA
  try X25519 1.3 P-256
  try X25519:prime256v1 1.2 P-256
} >output
cat output
grep -q "wrong curve" error.log && sed -n 's/^#   X/X/p' "$script" | cmp -s - output || {
  echo "nginx and OpenSSL behave differently now" >&2
  exit 1
}
