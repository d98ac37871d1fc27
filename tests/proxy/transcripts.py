"""`python -m tests.proxy.transcripts FORM`: the corpus, played to the gate, and every byte of what it said, as JSON.

FORM is "compiled" or "pure", and must be what this process imports.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import gatekeeper
from gatekeeper.proxy.snapshot import Snapshot, build_snapshot
from tests.corpus.reading import requests, responses
from tests.proxy.corpus import at, in_one, play
from tests.proxy.scene import Files, Scene
from tests.proxy.test_proxy_corpus_responses import answer, asked

# What is new in each run: times, request ids, and the certificates, which the run makes itself.
_NEW = re.compile(rb"(?<=\r\nDate: )[^\r]+|[0-9A-Fa-f]{16,}")


def _same(said: bytes) -> str:
    return _NEW.sub(b"*", said).decode("latin-1")


def transcripts(files: Files, snapshot: Snapshot) -> Iterator[tuple[str, list[str]]]:
    """Each message of the corpus, and what client, app and log got; requests also from who is not admitted."""
    for message in requests():
        middle = at(len(message.sent) // 2)
        for how, split, admitted in (("", in_one, True), (", split", middle, True), (", stranger", in_one, False)):
            scene = Scene(files, snapshot)
            played = play(scene, message.sent, split, admitted=admitted)
            log = [{**record, "time": 0, "duration": 0, "upstream_time": 0} for record in scene.log.records]
            said = [_same(played.raw), _same(played.apps.raw), _same(json.dumps(log).encode())]
            scene.close()
            yield message.name + how, said
    for response in responses():
        scene = Scene(files, snapshot)
        visitor = asked(scene, response)
        answer(scene, response, in_one)
        said = [_same(visitor.read()), str(visitor.was_sent_away), str(scene.statuses)]
        scene.close()
        yield "response " + response.name, said


def main(form: str) -> None:
    """Print them."""
    assert gatekeeper.form() == form, f"this process runs the {gatekeeper.form()} form from {gatekeeper.__file__}"
    with TemporaryDirectory() as folder:
        files = Files.make(Path(folder))
        print(json.dumps(dict(transcripts(files, build_snapshot(files.settings(), {}, 0.0)))))


if __name__ == "__main__":
    main(sys.argv[1])
