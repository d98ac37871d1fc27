#!/bin/sh
# aiohttp 3.14.5, web.FileResponse: "Accept-Encoding: gzip;q=0" gets app.js.gz, and the plain file comes without Vary.
#
# The name of the coding is looked for anywhere in the field, so a weight of 0 (RFC 9110, 12.4.2) is not heard, and
# "x-gzip" or "not-gzip" ask for gzip as well. Vary stands beside the compressed file only: a cache that has seen the
# plain one sends it to everybody.
#
# Output seen (what is accepted, Content-Encoding, Vary):
#   gzip gzip Accept-Encoding
#   gzip;q=0 gzip Accept-Encoding
#   not-gzip gzip Accept-Encoding
#   identity None None
#
# Source: aiohttp/web_fileresponse.py, FileResponse._get_file_path_stat_encoding() and _prepare_open_file().
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet aiohttp==3.14.5
mkdir "$folder/www"
printf 'plain' >"$folder/www/app.js"
gzip -k "$folder/www/app.js"
"$folder/venv/bin/python" - "$folder/www/app.js" >"$folder/output" <<'PYTHON'
import asyncio
import sys

from aiohttp import ClientSession, web


async def send(_: web.Request) -> web.FileResponse:
    return web.FileResponse(sys.argv[1])


async def main() -> None:
    app = web.Application()
    app.router.add_get("/", send)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    async with ClientSession(auto_decompress=False) as session:
        for accepted in ("gzip", "gzip;q=0", "not-gzip", "identity"):
            async with session.get(url, headers={"Accept-Encoding": accepted}) as got:
                print(accepted, got.headers.get("Content-Encoding"), got.headers.get("Vary"))
    await runner.cleanup()


asyncio.run(main())
PYTHON
cat "$folder/output"
printf '%s\n' 'gzip gzip Accept-Encoding' 'gzip;q=0 gzip Accept-Encoding' 'not-gzip gzip Accept-Encoding' \
  'identity None None' | cmp -s - "$folder/output" || {
  echo "aiohttp behaves differently now" >&2
  exit 1
}
