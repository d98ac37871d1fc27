#!/bin/sh
# systemd 252, KillMode=mixed: if the main process is not a child of systemd (it came by MAINPID=, and its parent still
# lived then), `systemctl stop` sends SIGTERM and, without waiting for TimeoutStopSec, SIGKILL. This goes for every server
# that replaces itself by fork and MAINPID=, even long after it has become a child of systemd. An ExecStop= that waits for
# $MAINPID helps.
#
# systemd.kill(5) says of mixed only that SIGTERM goes to the main process and "the subsequent SIGKILL signal" to all
# remaining ones.
#
# Output seen:
#   a child of systemd: finished
#   by MAINPID=: killed
#
# Source: src/core/unit.c, unit_kill_context(): wait_for_exit is set for the main process `if (!main_pid_alien)`; and
# src/core/service.c, service_set_main_pid(): whether it is an alien is looked at once, when MAINPID= comes.
#
# As root; boots systemd by systemd-nspawn on a copy of this machine's root in memory. Needs systemd-container.
set -eu
case $(dpkg-query -W -f '${Version}' systemd) in 252.*) ;; *) echo "made for systemd 252" >&2; exit 1 ;; esac
folder=$(mktemp -d)
mkdir "$folder/root"
unshare --mount --propagation=private sh -c 'mount --bind / "$1/root" && exec systemd-nspawn --quiet --private-network \
  --register=no --keep-unit --volatile=overlay --machine=finding --directory="$1/root" \
  /lib/systemd/systemd systemd.unit=sockets.target' sh "$folder" </dev/null >"$folder/console" 2>&1 &
nspawn=$!
trap 'kill -KILL $init 2>/dev/null || true; wait $nspawn || true; rm -rf "$folder"' EXIT
init=
for _ in $(seq 300); do
  sleep 0.1
  init=$(cut -d " " -f 1 /proc/$nspawn/task/$nspawn/children 2>/dev/null) || exit 1
  grep -q "Reached target.*sockets" "$folder/console" && break
done
nsenter --target="$init" --mount --uts --ipc --net --pid --root sh -s >"$folder/output" <<'MACHINE'
cat >/run/server <<'SERVER'
trap 'sleep 1; touch /run/finished; exit 0' TERM
[ "$1" = child ] && systemd-notify --ready
while :; do sleep 0.1; done
SERVER
cat >/run/start <<'START'
[ "$1" = child ] && exec sh /run/server child
sh /run/server alien &
systemd-notify --ready MAINPID=$!
sleep 1
START
for kind in child alien; do
  cat >/run/systemd/system/$kind.service <<UNIT
[Service]
Type=notify
NotifyAccess=all
KillMode=mixed
TimeoutStopSec=30
ExecStart=/bin/sh /run/start $kind
UNIT
done
systemctl daemon-reload
for kind in child alien; do
  rm -f /run/finished
  systemctl start $kind
  sleep 2
  systemctl stop $kind
  [ "$kind" = child ] && echo "a child of systemd: $([ -e /run/finished ] && echo finished || echo killed)"
  [ "$kind" = alien ] && echo "by MAINPID=: $([ -e /run/finished ] && echo finished || echo killed)"
done
exit 0
MACHINE
cat "$folder/output"
printf 'a child of systemd: finished\nby MAINPID=: killed\n' | cmp -s - "$folder/output" || {
  echo "systemd behaves differently now" >&2
  exit 1
}
