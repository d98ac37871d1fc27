"""README and docs, followed to the letter in an empty folder: what is marked there is run, and says what it should."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.documents import PAGES, ROOT, Block, blocks
from tests.gate_process import PATIENCE, until
from tests.ports import free_port
from tests.tools import needs

FOLLOWED = [page for page in PAGES if any(block.mark for block in blocks(page))]
PORTS = ("8000", "8443")


def test_there_are_pages_to_follow() -> None:
    """The pattern that finds the marks still does."""
    assert {"README.md", "tutorial.md", "from-nginx.md"} <= {page.name for page in FOLLOWED}


@pytest.mark.parametrize("page", FOLLOWED, ids=lambda page: page.name)
def test_documents_can_be_followed(page: Path, tmp_path: Path) -> None:
    """Block after block in one folder. Only the ports are other ones, since those of the page may be taken."""
    needs("bash", "curl", "openssl")
    with ExitStack() as stack:
        reader = Reader(tmp_path, stack)
        for block in blocks(page):
            reader.follow(block)


class Reader:
    """Somebody who has nothing but gatekeeper on the path, and notes the last password that was shown."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._stack = stack
        self._instead = {port: str(free_port()) for port in PORTS}
        programs, self._folder = folder / "bin", folder / "empty"
        programs.mkdir()
        self._folder.mkdir()
        (programs / "gatekeeper").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m gatekeeper "$@"\n')
        (programs / "gatekeeper").chmod(0o755)
        self._environment = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "HOME": str(folder),
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "GATEKEEPER_CA_PASSPHRASE": "typed by the reader",
        }

    def follow(self, block: Block) -> None:
        text = re.sub("|".join(self._instead), lambda found: self._instead[found[0]], block.text)
        if block.mark == "file":
            # A port of the admin listener that nobody else has, where the page does not speak of it.
            admin = "" if "[admin]" in text else '\n[admin]\nlisten = "127.0.0.1:0"\n'
            (self._folder / block.words).write_text(text + admin, encoding="utf-8")
        elif block.mark == "run":
            said = self._run(text)
            assert block.words in said, f"line {block.line}: {said}"
        elif block.mark == "start":
            self._stack.enter_context(self._started(text, block))

    def _run(self, text: str) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text], cwd=self._folder, env=self._environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE,
        )  # fmt: skip
        assert done.returncode == 0, f"{text}\n{done.stdout}"
        if shown := re.search(r"^Password of .*: (\S+)$", done.stdout, re.MULTILINE):
            self._instead["PASSWORD"] = shown[1]
        return done.stdout

    @contextmanager
    def _started(self, text: str, block: Block) -> Iterator[None]:
        output = self._folder.parent / f"{block.line}.out"
        with output.open("w") as file:
            process = subprocess.Popen(
                ["bash", "-c", f"exec {text}"], cwd=self._folder, env=self._environment,
                stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
            )  # fmt: skip
        try:
            until(lambda: block.words in output.read_text() or process.poll() is not None)
            assert process.poll() is None, output.read_text()
            yield
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(PATIENCE)
