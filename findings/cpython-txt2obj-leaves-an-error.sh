#!/bin/sh
# CPython 3.11 (3.11.2 of Debian 12, 3.11.7), _ssl.txt2obj(name=True): an unknown name leaves an error in OpenSSL's queue.
#
# The ValueError is caught, and the next call of `ssl` in the same thread that looks into the queue fails with that old
# error: a certificate that is fine cannot be loaded, "unknown object name". Asked by number ("1.2.3.4") nothing is left.
# On CPython 3.12.1 and 3.13.0 the certificate is loaded either way.
#
# Output seen:
#   by number: loaded
#   by name: UNKNOWN_OBJECT_NAME
#
# Source: Modules/_ssl.c of 3.11, _ssl_txt2obj_impl(); crypto/objects/obj_dat.c of OpenSSL 3.0, OBJ_txt2obj().
set -eu
python3 -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || {
  echo "this is about CPython 3.11" >&2
  exit 1
}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$folder/key" -subj /CN=CA \
  -out "$folder/ca.crt" 2>"$folder/log"
python3 - "$folder/ca.crt" >"$folder/output" <<'PYTHON'
import ssl
import sys
from _ssl import txt2obj
from pathlib import Path

authority = ssl.PEM_cert_to_DER_cert(Path(sys.argv[1]).read_text())


def load() -> str:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=authority)
    except ssl.SSLError as error:
        return str(error.reason)
    return "loaded"


for kind, text in (("number", "1.2.3.4.5.6.7.8"), ("name", "noSuchName")):
    try:
        txt2obj(text, name=kind == "name")
    except ValueError:
        print(f"by {kind}: {load()}")
PYTHON
cat "$folder/output"
printf 'by number: loaded\nby name: UNKNOWN_OBJECT_NAME\n' | cmp -s - "$folder/output" || {
  echo "CPython behaves differently now" >&2
  exit 1
}
