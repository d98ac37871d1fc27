#!/bin/sh
# Node.js 20.20.2, http2.connect(): a response that comes while more than 10 MB wait to be sent is thrown away.
#
# `maxSessionMemory` (10 MB) counts data queued to be sent, too. The documentation says that new streams are refused above
# it; but the fields of a response to a stream that exists are as well: the client resets its own request, with
# ENHANCE_YOUR_CALM or INTERNAL_ERROR, which looks as if the server had done it. So whoever sends a body in one piece
# never sees an early 401, 403 or 413, but only where the connection is slower than the program. undici (`allowH2`) and
# got (`http2: true`) do that with every Buffer. With `maxSessionMemory: 100` the response is there.
#
# Output seen (size of the body, maxSessionMemory):
#   9 MiB, 10: response 413
#   11 MiB, 10: no response, reset by the client
#   11 MiB, 100: response 413
#
# Source: src/node_http2.cc, Http2Stream::AddHeader(), which returns false without has_available_session_memory(), and
# Http2Session::OnHeaderCallback(), which resets the stream then; doc/api/http2.md, maxSessionMemory.
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
cat >"$folder/upload.js" <<'NODE'
const http2 = require("http2");

function upload(size, memory) {
  return new Promise((done) => {
    const server = http2.createServer();
    server.on("stream", (stream) => {
      stream.on("error", () => {});
      // It answers at once and goes on reading, as a server may.
      stream.respond({ ":status": 413 });
      stream.end("too large");
      stream.resume();
    });
    server.listen(0, "127.0.0.1", () => {
      const client = http2.connect(`http://127.0.0.1:${server.address().port}`, { maxSessionMemory: memory });
      const request = client.request({ ":method": "POST" });
      let seen = "no response";
      request.on("response", (fields) => (seen = `response ${fields[":status"]}`));
      request.on("error", () => {});
      request.resume();
      request.on("close", () => {
        const own = [http2.constants.NGHTTP2_ENHANCE_YOUR_CALM, http2.constants.NGHTTP2_INTERNAL_ERROR];
        const why = own.includes(request.rstCode) ? ", reset by the client" : "";
        console.log(`${size} MiB, ${memory}: ${seen}${why}`);
        client.destroy();
        server.close(done);
      });
      request.end(Buffer.alloc(size << 20));
    });
  });
}

(async () => {
  await upload(9, 10);
  await upload(11, 10);
  await upload(11, 100);
})();
NODE
node "$folder/upload.js" >"$folder/output"
cat "$folder/output"
printf '9 MiB, 10: response 413\n11 MiB, 10: no response, reset by the client\n11 MiB, 100: response 413\n' |
  cmp -s - "$folder/output" || {
  echo "Node behaves differently now" >&2
  exit 1
}
