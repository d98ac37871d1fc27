"""The small app behind ``gatekeeper demo``: it shows who you are, and has a WebSocket and server-sent events."""

import asyncio
import html
import json

from aiohttp import web

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>You are in</title>
<style>
  :root {{ color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }}
  body {{ max-width: 44rem; margin: 3rem auto; padding: 0 1rem; }}
  table {{ border-collapse: collapse; width: 100%; }}
  th, td {{ text-align: left; padding: .3rem .6rem .3rem 0; vertical-align: top; border-bottom: 1px solid #8884; }}
  th {{ white-space: nowrap; font-weight: 600; }} td {{ overflow-wrap: anywhere; }}
</style></head>
<body><main>
<h1>Hello, {name}.</h1>
<p>The gate let you in. This is the app behind it, and this is what it was told about you:</p>
<table>{rows}</table>
</main></body></html>
"""


def demo_app() -> web.Application:
    """An app that believes the ``nginx`` identity headers, as an app behind the gate may."""
    app = web.Application()
    app.router.add_get("/ws", _echo)
    app.router.add_get("/events", _events)
    app.router.add_route("*", "/{path:.*}", _page)
    return app


def _told(request: web.Request) -> dict[str, str]:
    return {name: value for name, value in request.headers.items() if name.lower().startswith(("x-", "host"))}


async def _page(request: web.Request) -> web.Response:
    told = _told(request)
    name = told.get("X-SSL-Client-S-DN", "stranger")
    if "text/html" not in request.headers.get("Accept", ""):
        return web.Response(text=json.dumps({"hello": name, "told": told}, indent=2) + "\n")
    rows = "".join(f"<tr><th>{html.escape(k)}</th><td>{html.escape(v)}</td></tr>" for k, v in told.items())
    return web.Response(text=_PAGE.format(name=html.escape(name), rows=rows), content_type="text/html")


async def _echo(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        if message.type is web.WSMsgType.TEXT:
            await socket.send_str(message.data)
    return socket


async def _events(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
    await response.prepare(request)
    number = 0
    while True:
        number += 1
        await response.write(f"data: {number}\n\n".encode())
        await asyncio.sleep(1)
