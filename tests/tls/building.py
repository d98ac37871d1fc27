"""Builds the TLS of a gate from the settings and files that a test names; the rest has its defaults."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from gatekeeper.errors import ConfigurationError
from gatekeeper.tls.build import TLSOptions, build_context
from gatekeeper.tls.context import Challenges, ServerContext
from gatekeeper.tls.files import AuthorityFiles, Ordered, ServerFiles, TrustFiles
from gatekeeper.tls.openssl import OpenSSL
from gatekeeper.tls.proof import load_and_prove
from tests.certificates import make_authority, make_server


def built(
    certificate: Path,
    key: Path,
    ca: Sequence[Path],
    *,
    key_passphrase_file: Path | None = None,
    ordered: Ordered | None = None,
    certificates: Sequence[ServerFiles] = (),
    hosts: Sequence[AuthorityFiles] = (),
    challenges: Challenges | None = None,
    now: float | None = None,
    binding: Callable[[], OpenSSL] = load_and_prove,
    **options: Any,
) -> ServerContext:
    default = ServerFiles("acme" if ordered else "server", certificate, key, key_passphrase_file, ordered=ordered)
    return build_context(
        (default, *certificates),
        TrustFiles(ca, hosts),
        options=TLSOptions(**options),
        challenges=challenges,
        now=time.time() if now is None else now,
        binding=binding,
    )


class Files:
    """A folder with everything in order, in which a test then breaks something."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = make_authority("Home CA")
        self.server = make_server("gate.example.com")
        self.certificate, self.key = self.server.write(folder, "server")
        self.ca = self.write("ca.crt", self.authority.certificate_pem)

    def write(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content)
        return path

    def build(self, **changes: Any) -> ServerContext:
        arguments: dict[str, Any] = {"certificate": self.certificate, "key": self.key, "ca": [self.ca]}
        return built(**(arguments | changes))

    def mistakes(self, **changes: Any) -> list[tuple[str, str]]:
        with pytest.raises(ConfigurationError) as caught:
            self.build(**changes)
        return [(mistake.key, mistake.message.replace(f"{self.folder}/", "")) for mistake in caught.value.mistakes]
