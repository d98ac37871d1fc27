#!/bin/sh
# Installs another release of Debian (trixie, sid) below build/, and runs the tests of `make core` there, for the
# Python and the OpenSSL that it brings. The committed state is tested. Nothing stays mounted.
set -eu
suite=$1
root=build/debian-$suite

[ -e "$root/.made" ] || {
  rm -rf "$root"
  mkdir -p build
  debootstrap --variant=minbase --include=python3,python3-venv,openssl,ca-certificates,make,procps "$suite" "$root"
  touch "$root/.made"
}
# What this machine trusts and asks for packages, the other one does too.
cp /etc/resolv.conf "$root/etc/resolv.conf"
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
find "$root/src" -mindepth 1 -maxdepth 1 ! -name .venv -exec rm -rf {} + 2>/dev/null || mkdir "$root/src"
git archive HEAD | tar -x -C "$root/src"
exec unshare --mount --pid --fork sh -eu -c '
  mount -t proc proc "$0/proc"
  mount --rbind /dev "$0/dev"
  chroot "$0" sh -eu -c "
    cd /src
    python3 -c \"import ssl, sys; print(sys.version, ssl.OPENSSL_VERSION)\"
    make core
  "
' "$root"
