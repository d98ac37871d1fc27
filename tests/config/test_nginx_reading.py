"""The files of a configuration of nginx, as they are read."""

import os
import re
import threading
from pathlib import Path

import pytest

from gatekeeper.config.nginx import translate
from gatekeeper.errors import UsageError
from tests.config.translating import CHECKED, PASSED, TLS


def test_a_configuration_may_come_through_a_pipe(tmp_path: Path) -> None:
    """``--from-nginx <(ssh host nginx -T)``; its notes name what the person named."""
    pipe = tmp_path / "nginx.conf"
    os.mkfifo(pipe)
    text = f"http {{ server {{\n{TLS} {CHECKED} gzip on;\nlocation / {{ {PASSED} }} }} }}"
    writer = threading.Thread(target=pipe.write_text, args=(text,))
    writer.start()
    translation = translate(pipe)
    writer.join()
    assert 'url = "http://127.0.0.1:8000"' in translation.text
    assert [note.partition(": ")[0] for note in translation.notes] == ["line 2"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("http {", 'unexpected end of file, expecting "}"'),
        ("http { server { listen 80; } }", "has no server with ssl_certificate"),
        ("listen 443;", "has no server with ssl_certificate"),
        (None, "nginx.conf: no such file or directory"),
        ("\ninclude missing.conf;", "nginx.conf, line 2: "),
        ("include missing.conf;", "missing.conf: no such file or directory; copy the whole folder of nginx.conf"),
        ("include nginx.conf;", "nginx.conf includes itself"),
        ("include .;", "is a directory"),
    ],
)
def test_what_is_no_such_configuration_is_refused(tmp_path: Path, text: str | None, sentence: str) -> None:
    """In one sentence, without a number of the system's."""
    path = tmp_path / "nginx.conf"
    if text is not None:
        path.write_bytes(text.encode("latin-1"))
    with pytest.raises(UsageError, match=re.escape(sentence)) as wrong:
        translate(path)
    assert "Errno" not in str(wrong.value)
    assert "\n" not in str(wrong.value)
