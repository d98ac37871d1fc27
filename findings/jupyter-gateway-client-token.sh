#!/bin/sh
# jupyter_server 2.21.1, GatewayKernelManager: its token goes with the REST requests, and not with the WebSocket.
#
# A program that runs code on a Jupyter server elsewhere by these classes can start and delete a kernel there, and not talk
# to it: the server answers 403. Certificates of GatewayClient are used for both. A server in gateway mode
# (--gateway-url) has other code for its WebSockets, which sends the token.
#
# Output seen:
#   kernel started
#   WebSocketBadStatusException 403
#
# Source: jupyter_server/gateway/managers.py, GatewayKernelClient.start_channels(): `websocket.create_connection()` gets
# the timeout and `sslopt`, and no `header`; gateway_client.py adds the token in load_connection_args().
set -eu
folder=$(mktemp -d)
trap 'kill "$server" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$folder"' EXIT
server=
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet jupyter-server==2.21.1 ipykernel==7.4.0 jupyter-client==8.10.0
cd "$folder"
export HOME="$folder" JUPYTER_TOKEN=secret
port=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
venv/bin/jupyter-server --allow-root --no-browser --port="$port" >log 2>&1 &
server=$!
JUPYTER_GATEWAY_URL="http://127.0.0.1:$port" JUPYTER_GATEWAY_AUTH_TOKEN=secret venv/bin/python - "$port" >output <<'PYTHON'
import asyncio
import socket
import sys
import time

from jupyter_server.gateway.managers import GatewayKernelManager
from websocket import WebSocketBadStatusException

for _ in range(600):
    try:
        socket.create_connection(("127.0.0.1", int(sys.argv[1]))).close()
        break
    except ConnectionRefusedError:
        time.sleep(0.1)


async def main() -> None:
    manager = GatewayKernelManager()
    await manager.start_kernel(kernel_id=None)
    print("kernel started")
    try:
        await manager.client().start_channels()
    except WebSocketBadStatusException as error:
        print(type(error).__name__, error.status_code)
    await manager.shutdown_kernel()


asyncio.run(main())
PYTHON
cat output
printf 'kernel started\nWebSocketBadStatusException 403\n' | cmp -s - output || {
  echo "jupyter_server behaves differently now" >&2
  exit 1
}
