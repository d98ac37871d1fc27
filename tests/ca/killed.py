"""Carries out one change of an authority's folder again and again, and is killed one step later each time.

Usage: ``python -m tests.ca.killed OPERATION FOLDER WHERE``: FOLDER stays as it is, copies go to WHERE. Prints one JSON
line for each run: the copy, and the step it was killed before (null for the run that came through). ``recover`` as
the operation is killed twice: once when the change has just been decided, and again while that is being finished.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from gatekeeper.ca.creation import NewAuthority, create_store
from gatekeeper.ca.issuer import Issuer
from gatekeeper.ca.keys import make_key
from gatekeeper.ca.requests import make_request
from gatekeeper.ca.revocation import RevocationReason
from gatekeeper.ca.rollover import renew_authority, roll_over
from gatekeeper.ca.rollover import retire as retire_old
from gatekeeper.ca.store import Store
from gatekeeper.ca.subject import make_subject
from gatekeeper.ca.transaction import BundleOptions
from tests.ca.conftest import NOW, PASSPHRASE
from tests.gate_process import ROOT

WISH = BundleOptions("a password")
LATER = NOW + timedelta(days=1)


def at_the_journal(step: str) -> None:
    """Kills its process when a change has just been decided."""
    if step == "flush journal":
        os.kill(os.getpid(), signal.SIGKILL)


class Countdown:
    """Kills its process before the step after ``steps`` others; writes down which one that was."""

    def __init__(self, steps: int, report: Path) -> None:
        self._left = steps
        self._report = report

    def __call__(self, step: str) -> None:
        if self._left == 0:
            self._report.write_text(step)
            os.kill(os.getpid(), signal.SIGKILL)
        self._left -= 1


Before = Callable[[str], None]


def init(path: Path, before: Before) -> None:
    create_store(path, NewAuthority("Home CA", "ec:p256"), PASSPHRASE, now=NOW, before=before)


def issue(path: Path, before: Before) -> None:
    Issuer(Store(path, before), PASSPHRASE).issue("bob", bundle=WISH, key_type="ec:p256", now=LATER)


def sign(path: Path, before: Before) -> None:
    request = make_request(make_key("ec:p256"), make_subject("bob"))
    pem = request.public_bytes(Encoding.PEM)
    Issuer(Store(path, before), PASSPHRASE).sign(pem, "bob.csr", now=LATER)


def renew(path: Path, before: Before) -> None:
    Issuer(Store(path, before), PASSPHRASE).renew("alice", bundle=WISH, new_key_type="ec:p256", now=LATER)


def revoke(path: Path, before: Before) -> None:
    store = Store(path, before)
    serials = tuple(entry.serial for entry in store.index().named("alice"))
    Issuer(store, PASSPHRASE).revoke(serials, RevocationReason.KEY_COMPROMISE, now=LATER)


def crl(path: Path, before: Before) -> None:
    Issuer(Store(path, before), PASSPHRASE).rewrite_crl(timedelta(days=3), now=LATER)


def rollover(path: Path, before: Before) -> None:
    roll_over(Issuer(Store(path, before), PASSPHRASE), key_type="ec:p256", now=LATER)


def retire(path: Path, before: Before) -> None:
    retire_old(Issuer(Store(path, before), PASSPHRASE), now=LATER)


def renew_ca(path: Path, before: Before) -> None:
    renew_authority(Issuer(Store(path, before), PASSPHRASE), now=LATER)


def bundle(path: Path, before: Before) -> None:
    Issuer(Store(path, before), PASSPHRASE).bundle("alice", WISH, now=LATER)


def recover(path: Path, before: Before) -> None:
    Store(path, before).index()


OPERATIONS = {
    operation.__name__: operation
    for operation in (init, issue, sign, renew, revoke, crl, rollover, retire, renew_ca, bundle, recover)
}


def is_killed(operation: Callable[[Path, Before], None], path: Path, before: Before) -> bool:
    """Carry it out in a child, and see whether it was killed or came through."""
    child = os.fork()
    if child == 0:
        operation(path, before)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def main(word: str, folder: Path, where: Path) -> None:
    for steps in range(200):
        copy = where / f"{steps:03}"
        if folder.exists():
            shutil.copytree(folder, copy)
        if word == "recover":
            assert is_killed(renew, copy, at_the_journal)
        report = copy.with_suffix(".step")
        step = report.read_text() if is_killed(OPERATIONS[word], copy, Countdown(steps, report)) else None
        print(json.dumps([str(copy), step]))
        if step is None:
            return
    raise AssertionError("it never came through")


def killed_at_each_step(operation: str, base: Path, tmp_path: Path) -> list[tuple[Path, str | None]]:
    """Run an operation to each of its steps and kill it there in a process of its own; the copies and the steps."""
    where = tmp_path / "copies"
    where.mkdir()
    command = [sys.executable, "-m", "tests.ca.killed", operation, str(base), str(where)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return [(Path(copy), step) for copy, step in map(json.loads, done.stdout.splitlines())]


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
