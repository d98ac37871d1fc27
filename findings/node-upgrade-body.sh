#!/bin/sh
# Node.js 20.20.2, http.Server: the body of a request that asks for an upgrade goes into the tunnel.
#
# `docker exec` is such a request (POST /exec/ID/start, Upgrade: tcp, a JSON body). RFC 9112, 6: the body is the request's,
# and the tunnel begins behind it. Where the server has an "upgrade" listener, the request itself ends empty, and the
# socket gets the body in front of the client's first bytes; if it is chunked, with sizes and last chunk. A server that
# answers 101 at once cannot tell the two apart, except by counting Content-Length itself.
#
# Output seen:
#   length: request "", tunnel "{}ls\n"
#   chunks: request "", tunnel "2\r\n{}\r\n0\r\n\r\nls\n"
#
# Source: doc/api/http.md, Event: 'upgrade', says nothing of bodies; lib/_http_server.js, onParserExecuteCommon().
set -eu
case "$(node --version)" in
  v20.20.2) ;;
  *)
    echo "this is about Node.js 20.20.2" >&2
    exit 1
    ;;
esac
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/upgrade.js" <<'NODE'
const http = require("http");
const net = require("net");

function ask(title, framing, body) {
  return new Promise((done) => {
    const server = http.createServer();
    server.on("upgrade", (request, socket, head) => {
      let own = "";
      let tunnel = head.toString();
      request.on("data", (piece) => (own += piece));
      socket.on("data", (piece) => (tunnel += piece));
      socket.on("end", () => {
        console.log(`${title}: request ${JSON.stringify(own)}, tunnel ${JSON.stringify(tunnel)}`);
        socket.end();
        server.close(done);
      });
      socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n");
    });
    server.listen(0, "127.0.0.1", () => {
      const client = net.connect(server.address().port, "127.0.0.1");
      client.write(`POST / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n${framing}\r\n\r\n${body}`);
      client.once("data", () => client.end("ls\n"));
    });
  });
}

ask("length", "Content-Length: 2", "{}").then(() =>
  ask("chunks", "Transfer-Encoding: chunked", "2\r\n{}\r\n0\r\n\r\n"),
);
NODE
timeout 20 node "$folder/upgrade.js" | tee "$folder/output"
cat >"$folder/expected" <<'OUTPUT'
length: request "", tunnel "{}ls\n"
chunks: request "", tunnel "2\r\n{}\r\n0\r\n\r\nls\n"
OUTPUT
cmp -s "$folder/expected" "$folder/output" || {
  echo "Node.js behaves differently now" >&2
  exit 1
}
