"""Builds the TLS of a gate from the settings and files that a test names; the rest has its defaults."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gatekeeper.tls.build import TLSOptions, build_context
from gatekeeper.tls.context import Challenges, ServerContext
from gatekeeper.tls.files import AuthorityFiles, Ordered, ServerFiles, TrustFiles
from gatekeeper.tls.openssl import OpenSSL
from gatekeeper.tls.proof import load_and_prove


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
