"""A configuration of nginx, and what it is translated into."""

from pathlib import Path

from gatekeeper.config.configuration import Configuration
from gatekeeper.config.load import load
from gatekeeper.config.nginx import translate

TLS = "listen 443 ssl; ssl_certificate a.pem; ssl_certificate_key a.key; ssl_client_certificate ca.crt;"
CHECKED = "ssl_verify_client optional; if ($ssl_client_verify != SUCCESS) { return 403; }"
PASSED = "proxy_pass http://127.0.0.1:8000;"


def translated(folder: Path, http: str, main: str = "") -> tuple[Configuration, list[str]]:
    """What the configuration loads as, and what was not taken over."""
    source = folder / "nginx.conf"
    source.write_text(f"{main}\nhttp {{\n{http}\n}}\n")
    translation = translate(source)
    target = folder / "gatekeeper.toml"
    target.write_text(translation.text, "utf-8")
    return load(target, {}), list(translation.notes)
