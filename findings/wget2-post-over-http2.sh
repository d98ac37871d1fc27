#!/bin/sh
# Wget2 1.99.1 (Debian 12), --post-data and --post-file over HTTP/2: a GET without a body is sent.
#
# The content-type of the form goes along, so that it looks like a POST whose method and body got lost on the way. Nothing
# is said, and the exit code is 0 if the server answers a GET there. HTTP/2 is chosen by ALPN: the command works until its
# server learns HTTP/2, or gets a proxy in front that knows it. --no-http2 helps.
#
# Output seen (options; method, length of the body and content-type at the server):
#   --no-http2 --post-data=a=1: POST 3 application/x-www-form-urlencoded
#   --post-data=a=1: GET 0 application/x-www-form-urlencoded
#   --post-file=body: GET 0 application/x-www-form-urlencoded
#
# Source: libwget/http.c of 1.99.1, wget_http_send_request(): ":method" is always "GET", and nghttp2_submit_request() gets
# no data. Later releases (libwget/http2.c) pass both.
set -eu
case $(dpkg-query -W -f '${Version}' wget2) in
1.99.1-*) ;;
*)
  echo "this is about Wget2 1.99.1 of Debian 12" >&2
  exit 1
  ;;
esac
script=$(realpath "$0")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout key -out crt \
  -days 2 2>log
printf a=1 >body
cat >server.js <<'NODE'
const { execFile } = require("child_process");
const fs = require("fs");
const http2 = require("http2");

const server = http2.createSecureServer({ key: fs.readFileSync("key"), cert: fs.readFileSync("crt"), allowHTTP1: true });
let seen;
server.on("request", (request, response) => {
  let size = 0;
  request.on("data", (piece) => (size += piece.length));
  request.on("end", () => {
    seen = `${request.method} ${size} ${request.headers["content-type"]}`;
    response.end();
  });
});

function ask(...options) {
  const always = ["--no-config", "-q", "-O", "/dev/null", "--ca-certificate=crt", "--tries=1"];
  const url = `https://localhost:${server.address().port}/`;
  return new Promise((done, failed) =>
    execFile("wget2", [...always, ...options, url], { env: { PATH: "/usr/bin:/bin", HOME: "." } }, (error) => {
      if (error) return failed(error);
      console.log(`${options.join(" ")}: ${seen}`);
      done();
    }),
  );
}

server.listen(0, "127.0.0.1", async () => {
  await ask("--no-http2", "--post-data=a=1");
  await ask("--post-data=a=1");
  await ask("--post-file=body");
  process.exit();
});
NODE
node server.js >output
cat output
sed -n 's/^#   \(--\)/\1/p' "$script" | cmp -s - output || {
  echo "Wget2 behaves differently now" >&2
  exit 1
}
