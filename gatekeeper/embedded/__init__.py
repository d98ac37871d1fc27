"""The built-in apps, served by aiohttp on private Unix sockets: to the proxy they are upstreams like any other.

static, sites, media_types
    the files of a folder; the folders of a configuration; the media type of a file.
demo, fixture
    the app behind `gatekeeper demo`; the authority, certificates and configuration that it is shown with.
"""
