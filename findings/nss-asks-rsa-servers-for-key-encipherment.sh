#!/bin/sh
# NSS 3.87 (Debian 12: tstclnt, libcurl3-nss): a server with an RSA key that may sign only is refused, in TLS 1.3 too.
#
# Its key usage is digitalSignature, which is all that ECDHE and TLS 1.3 use, and what Let's Encrypt's profile
# "tlsserver" issues since 2025 for RSA keys as well. NSS's own verification wants keyEncipherment from an RSA key whatever
# the key exchange ("Certificate key usage inadequate for attempted operation"). EC keys with the same usage are accepted.
# Firefox does not do that, because it verifies by mozilla::pkix; what does are programs that leave it to NSS. curl with
# OpenSSL accepts all three.
#
# Output seen (key, usage; NSS's tstclnt, curl with NSS, curl with OpenSSL):
#   rsa:2048, digitalSignature: refused, refused, accepted
#   rsa:2048, digitalSignature + keyEncipherment: accepted, accepted, accepted
#   ec, digitalSignature: accepted, accepted, accepted
#
# Source: lib/certdb/certdb.c, CERT_KeyUsageAndTypeForCertUsage(): KU_KEY_AGREEMENT_OR_ENCIPHERMENT for certUsageSSLServer,
# and CERT_CheckKeyUsage(); https://letsencrypt.org/2025/01/09/acme-profiles; RFC 8446, 4.4.2.2; RFC 5246, 7.4.2 (ECDHE_RSA).
# Needs libnss3-tools, libcurl3-nss.
set -eu
for name in libnss3-tools=2:3.87. libcurl3-nss=7.88.1-; do
  case $(dpkg-query -W -f '${Version}' "${name%%=*}") in
  "${name#*=}"*) ;;
  *)
    echo "this needs $name of Debian 12" >&2
    exit 1
    ;;
  esac
done
script=$(realpath "$0")
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$folder"' EXIT
cd "$folder"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=Home CA" -keyout ca.key -out ca.crt -days 2 \
  -addext keyUsage=critical,keyCertSign 2>log
mkdir db
certutil -N -d sql:db --empty-password
certutil -A -d sql:db -n ca -t C,, -i ca.crt
cat >curl.py <<'PYTHON'
import ctypes
import sys

curl = ctypes.CDLL(sys.argv[1])
curl.curl_easy_init.restype = ctypes.c_void_p
curl.curl_easy_setopt.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p]
curl.curl_easy_perform.argtypes = [ctypes.c_void_p]
handle = curl.curl_easy_init()
curl.curl_easy_setopt(handle, 10002, sys.argv[2].encode())  # CURLOPT_URL
curl.curl_easy_setopt(handle, 10065, b"ca.crt")  # CURLOPT_CAINFO
sys.exit(curl.curl_easy_perform(handle))
PYTHON
port=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
said() { if "$@" >>log 2>&1 </dev/null; then printf accepted; else printf refused; fi; }
try() {
  printf 'subjectAltName=DNS:localhost\nextendedKeyUsage=serverAuth\nkeyUsage=critical,%s\n' "$2" >extensions
  openssl req -newkey "$1" -pkeyopt "$3" -nodes -subj /CN=localhost -keyout key -out csr 2>>log
  openssl x509 -req -in csr -CA ca.crt -CAkey ca.key -set_serial 2 -days 2 -extfile extensions -out crt 2>>log
  openssl s_server -accept "127.0.0.1:$port" -cert crt -key key -www -quiet 2>>log >>log &
  server=$!
  until openssl s_client -connect "127.0.0.1:$port" </dev/null >>log 2>&1; do sleep 0.1; done
  printf '%s, %s: %s, %s, %s\n' "$1" "$(echo "$2" | sed 's/,/ + /')" "$(said tstclnt -4 -h localhost -p "$port" -d sql:db -Q)" \
    "$(said python3 curl.py libcurl-nss.so.4 "https://localhost:$port/")" \
    "$(said python3 curl.py libcurl.so.4 "https://localhost:$port/")"
  kill "$server"
  wait "$server" 2>>log || true
  server=
}
{
  try rsa:2048 digitalSignature rsa_keygen_pubexp:65537
  try rsa:2048 digitalSignature,keyEncipherment rsa_keygen_pubexp:65537
  try ec digitalSignature ec_paramgen_curve:P-256
} >output
cat output
sed -n 's/^#   \(rsa\|ec\)/\1/p' "$script" | cmp -s - output || {
  echo "NSS behaves differently now" >&2
  exit 1
}
