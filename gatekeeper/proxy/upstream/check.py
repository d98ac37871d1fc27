"""The active health check: requests ``health_path`` from an endpoint, on a connection of its own."""

import aiohttp
from yarl import URL

from gatekeeper import __version__
from gatekeeper.proxy.upstream.endpoint import Endpoint
from gatekeeper.settings.addresses import SocketPath


async def ask(endpoint: Endpoint, path: str, seconds: float) -> str:
    """GET ``path`` on a new connection, verified like those for requests. Returns what is wrong, "" if nothing.

    A 2xx or 3xx within ``seconds`` passes. Redirects are not followed, and the body is not read.
    """
    unix = isinstance(endpoint.address, SocketPath)
    connector: aiohttp.BaseConnector
    if isinstance(endpoint.address, SocketPath):
        connector = aiohttp.UnixConnector(str(endpoint.address.path), force_close=True)
    else:
        connector = aiohttp.TCPConnector(force_close=True, use_dns_cache=False)
    url = URL(
        f"{'https' if endpoint.tls else 'http'}://{'localhost' if unix else endpoint.address}{path}", encoded=True
    )
    try:
        async with (
            aiohttp.ClientSession(
                connector=connector,
                timeout=aiohttp.ClientTimeout(total=seconds),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": f"gatekeeper/{__version__} (health check)"},
            ) as session,
            session.get(
                url, allow_redirects=False, ssl=endpoint.tls or True, server_hostname=endpoint.server_name
            ) as response,
        ):
            return "" if 200 <= response.status < 400 else f"{path} is answered {response.status}"
    except TimeoutError:
        return f"{path} is not answered in {seconds:g} s"
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return f"{path}: {error or type(error).__name__}"
