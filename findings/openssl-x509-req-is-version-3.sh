#!/bin/sh
# OpenSSL 3.5 (Debian 13), openssl x509 -req without -extfile: no more version 1, and a root made so is no authority.
#
# Up to OpenSSL 3.1 `openssl x509 -req -signkey` makes X.509 version 1, which has no extensions, and OpenSSL takes a
# self-signed certificate of version 1 for an authority. Since 3.2 the same command adds the key identifiers, which
# makes it version 3; there an authority needs basic constraints, which are not added. What such a root signs is refused.
# Many recipes on the Web make their root by this command: they stop working with Debian 13, without an error before
# the first verification. `openssl req -x509` is not affected, and neither are leaf certificates.
#
# Output seen (OpenSSL 3.0 here, then 3.5):
#   Version: 1 (0x0)
#   leaf.crt: OK
#   Version: 3 (0x2)
#   error 79 at 1 depth lookup: invalid CA certificate
#
# Source: NEWS of OpenSSL 3.2.0 says that x509 always produces version 3; what that does to a root follows from
# check_ca() in crypto/x509/v3_purp.c, where a self-signed certificate needs to be of version 1 to pass without.
# Needs root and debootstrap.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
debootstrap --variant=minbase --include=openssl trixie "$folder/debian13" >"$folder/log"
case $(openssl version) in "OpenSSL 3.0."*) ;; *) echo "this needs Debian 12's OpenSSL 3.0" >&2; exit 1 ;; esac
case $(chroot "$folder/debian13" openssl version) in "OpenSSL 3.5."*) ;; *) echo "Debian 13 has another OpenSSL" >&2; exit 1 ;; esac
cat >"$folder/try.sh" <<'SH'
set -eu
cd "$(mktemp -d)"
openssl req -new -newkey rsa:2048 -nodes -keyout ca.key -subj "/CN=Home CA" -out ca.csr 2>/dev/null
openssl x509 -req -in ca.csr -signkey ca.key -days 9 -out ca.crt 2>/dev/null
openssl req -new -newkey rsa:2048 -nodes -keyout leaf.key -subj /CN=alice -out leaf.csr 2>/dev/null
openssl x509 -req -in leaf.csr -CA ca.crt -CAkey ca.key -set_serial 2 -days 9 -out leaf.crt 2>/dev/null
openssl x509 -in ca.crt -noout -text | grep -o "Version: .*"
openssl verify -CAfile ca.crt leaf.crt 2>&1 | grep -E "OK|at 1 depth" || true
SH
cp "$folder/try.sh" "$folder/debian13/try.sh"
{
  sh "$folder/try.sh"
  chroot "$folder/debian13" sh /try.sh
} >"$folder/output"
cat "$folder/output"
diff - "$folder/output" <<'SEEN'
Version: 1 (0x0)
leaf.crt: OK
Version: 3 (0x2)
error 79 at 1 depth lookup: invalid CA certificate
SEEN
