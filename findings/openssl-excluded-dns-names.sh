#!/bin/sh
# OpenSSL 3.0, name constraints: an authority that excludes every DNS name rejects servers that have an address alone.
#
# Constraints permit 192.168.1.5 and exclude all DNS names (a zero-length dNSName, as the Baseline Requirements of the
# CA/Browser Forum write it). A certificate with this address as its only alternative name has no DNS name, and is
# rejected all the same if its common name is the address: because there is no DNS name, OpenSSL checks the common name as
# if it were one, and four numbers with dots pass for a host name. One without a dot ("nas") does not.
#
# Output seen:
#   CN=192.168.1.5: excluded subtree violation
#   CN=nas: OK
#
# Source: crypto/x509/v3_ncons.c, NAME_CONSTRAINTS_check_CN() and cn2dnsid(); RFC 5280, 4.2.1.10; Baseline Requirements,
# 7.1.5.
set -eu
case $(openssl version) in
"OpenSSL 3.0."*) ;;
*)
  echo "this is about OpenSSL 3.0" >&2
  exit 1
  ;;
esac
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat >ca.conf <<'CONF'
[req]
distinguished_name = name
x509_extensions = ca
prompt = no
[name]
CN = Home CA
[ca]
basicConstraints = critical, CA:TRUE
nameConstraints = critical, DER:30:14:A0:0C:30:0A:87:08:C0:A8:01:05:FF:FF:FF:FF:A1:04:30:02:82:00
CONF
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -config ca.conf -days 2 -out ca.crt \
  2>log
printf 'subjectAltName = IP:192.168.1.5\n' >server.conf
for name in 192.168.1.5 nas; do
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout server.key -subj "/CN=$name" -out csr 2>log
  openssl x509 -req -in csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 1 -extfile server.conf -out server.crt 2>log
  if openssl verify -CAfile ca.crt server.crt >log 2>&1; then
    echo "CN=$name: OK"
  else
    echo "CN=$name: $(sed -n 's/^error [0-9]* at 0 depth lookup: //p' log)"
  fi
done | tee output
printf 'CN=192.168.1.5: excluded subtree violation\nCN=nas: OK\n' |
  cmp -s - output || {
  echo "OpenSSL behaves differently now" >&2
  exit 1
}
