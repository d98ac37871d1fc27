#!/usr/bin/env bash
# wrk 4.1.0 (Debian 12: 4.1.0-3): what `delay()` of a Lua script does to the arrival of requests.
#
# 1. Connections that pause for random times do not ask one by one. wrk's event loop counts whole milliseconds, so all
#    whose pause ends within one send in the same turn: 32 connections that pause for 6 to 10 ms, 4,000 requests/s in
#    all, come as some 800 to 1,000 bursts a second, of 4 on average and 14 at times. A p99 that is measured so is the
#    time that the server takes for a burst, not the queue of independent clients.
# 2. The number is cut to an integer: a pause of 0.9 is none, so a thousand requests a second for each connection are the
#    most that can be asked for with one.
#
# Seen (a turn: between two calls of epoll_wait(2), where any were sent):
#   requests in a turn: 4.3 on average, 13 at most
#   one connection: 18103/s with a pause of 0.9, 875/s with 1
# Source: observed; wrk's SCRIPTING calls it the number of milliseconds to delay the next request, and tells neither.
set -euo pipefail
[ "$(dpkg-query -W -f '${Version}' wrk | cut -d- -f1)" = 4.1.0 ] || { echo "another wrk than 4.1.0"; exit 1; }
folder=$(mktemp -d)
trap 'kill "$server" 2>/dev/null || true; rm -rf "$folder"' EXIT
cat >"$folder/server.py" <<'PYTHON'
import asyncio


class Server(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


async def main():
    server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.sleep(60)


asyncio.run(main())
PYTHON
mkfifo "$folder/port"
python3 "$folder/server.py" >"$folder/port" &
server=$!
read -r port <"$folder/port"

echo 'delay = function() return math.random(6, 10) end' >"$folder/pause.lua"
strace -f -o "$folder/calls" -e trace=write,epoll_wait \
  wrk -t1 -c32 -d2s -s "$folder/pause.lua" "http://127.0.0.1:$port/" >/dev/null
bursts=$(awk '/epoll_wait/ { if (n) { turns++; sent += n; if (n > most) most = n }; n = 0 } /"GET / { n++ }
  END { printf "%.1f %d", sent / turns, most }' "$folder/calls")
echo "requests in a turn: ${bursts% *} on average, ${bursts#* } at most"

rate() {
  echo "$1" >"$folder/rate.lua"
  wrk -t1 -c1 -d1s -s "$folder/rate.lua" "http://127.0.0.1:$port/" | awk '/Requests\/sec/ { print int($2) }'
}
cut=$(rate 'delay = function() return 0.9 end')
one=$(rate 'delay = function() return 1 end')
echo "one connection: $cut/s with a pause of 0.9, $one/s with 1"
awk -v mean="${bursts% *}" 'BEGIN { exit !(mean >= 2) }' || exit 1
[ "$one" -le 1000 ] && [ "$cut" -gt 1100 ] || exit 1
