"""The built-in apps, served by aiohttp on private Unix sockets: to the proxy they are upstreams like any other."""
