"""Loading anew: when, from which files, and what stays when something is wrong."""

import logging
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gatekeeper.config.load import load
from gatekeeper.process.configuration import ConfigurationFile
from gatekeeper.process.reload import Reloader, needing_a_restart, needing_new_workers
from gatekeeper.proxy.proxy import Reload
from gatekeeper.proxy.snapshot import Snapshot, build_snapshot
from gatekeeper.settings.files import OPEN_DIRECTLY, FileReader
from gatekeeper.settings.identity import IdentitySettings
from gatekeeper.settings.tables import Settings
from tests.certificates import Holder, make_authority, make_server
from tests.gate_process import PATIENCE

QUIET = 1.0  # five looks

CONFIGURATION = """\
[server]
certificate = "server.crt"
key = "server.key"

[client_auth]
ca = "ca.crt"

[upstream]
url = "http://127.0.0.1:8000"
"""


class Watch:
    """A reloader of real files, and what comes out of it."""

    def __init__(self, folder: Path, *, watching: bool = True) -> None:
        self.folder = folder
        self.path = folder / "gatekeeper.toml"
        self.snapshots: Queue[Snapshot] = Queue()
        self.reloads: Queue[Reload] = Queue()
        settings = load(self.path).settings
        self.reloader = Reloader(
            ConfigurationFile(self.path), settings, build=self._build, renew=self.snapshots.put, report=self.reloads.put
        )
        self.reloader.start(self._build(settings), watching=watching)

    def _build(self, settings: Settings, files: FileReader = OPEN_DIRECTLY) -> Snapshot:
        return build_snapshot(settings, {}, 0.0, files)

    def reloaded(self) -> Snapshot:
        """The next reload, which must succeed."""
        result = self.reloads.get(timeout=PATIENCE)
        assert result.ok, result.message
        return self.snapshots.get_nowait()

    def failed(self) -> str:
        """What was wrong with the next reload; there is no new snapshot."""
        result = self.reloads.get(timeout=PATIENCE)
        assert not result.ok
        assert self.snapshots.empty()
        return result.message

    def rests(self) -> bool:
        """Whether nothing is reloaded for a while."""
        try:
            return not self.reloads.get(timeout=QUIET)
        except Empty:
            return True


def replace(path: Path, content: bytes | str) -> None:
    """As certbot and ``gatekeeper ca`` do: a new file beside it, then a rename. No look can find it half written."""
    replace_all({path: content})


def replace_all(contents: Mapping[Path, bytes | str]) -> None:
    """The same with several files, of which the watch is to see all at once: the renames come last."""
    for path, content in contents.items():
        new = path.with_name(path.name + ".new")
        new.write_bytes(content.encode() if isinstance(content, str) else content)
    for path in contents:
        os.replace(path.with_name(path.name + ".new"), path)


@pytest.fixture
def home() -> Holder:
    return make_authority("Home CA")


@pytest.fixture
def watch(tmp_path: Path, home: Holder) -> Iterator[Watch]:
    make_server("gate.example.com", home).write(tmp_path, "server")
    (tmp_path / "ca.crt").write_bytes(home.certificate_pem)
    (tmp_path / "gatekeeper.toml").write_text(CONFIGURATION)
    watch = Watch(tmp_path)
    yield watch
    watch.reloader.stop()
    watch.reloader._thread.join(PATIENCE)
    assert not watch.reloader._thread.is_alive()


def test_where_another_process_watches_it_only_waits_to_be_asked(watch: Watch) -> None:
    """It may be unable to read the files; those that it is to load are sent with the request."""
    other = Watch(watch.folder, watching=False)
    try:
        replace(watch.folder / "ca.crt", make_authority("Next CA").certificate_pem)
        watch.reloaded()
        assert other.reloads.empty()
        other.reloader.reload()
        assert other.reloaded().tls.authorities[0].common_name == "Next CA"
    finally:
        other.reloader.stop()
        other.reloader._thread.join(PATIENCE)


def test_a_warning_is_logged_once_for_as_long_as_it_lasts(watch: Watch, caplog: pytest.LogCaptureFixture) -> None:
    """Not each minute; again where it was over in between."""
    settings = load(watch.path).settings
    reloader = Reloader(
        ConfigurationFile(watch.path), settings, build=watch._build, renew=watch.snapshots.put, report=watch.reloads.put
    )
    plain = watch._build(settings)
    identity = IdentitySettings.model_validate({"pass": ["CF-Connecting-IP"]})
    passing = watch._build(settings.model_copy(update={"identity": identity}))
    for snapshot in (passing, passing, plain, passing):
        reloader._snapshot = snapshot
        reloader._log_warnings()
    assert sum("identity.pass" in message for message in caplog.messages) == 2


def test_asked_it_loads_although_nothing_changed(watch: Watch) -> None:
    """SIGHUP. And without being asked, it does nothing."""
    assert watch.rests()
    watch.reloader.reload()
    watch.reloaded()
    assert watch.rests()


def test_a_request_that_comes_between_two_looks_is_not_lost(watch: Watch) -> None:
    """In the moment when the wait for one has ended, and before the next one begins."""

    class Late(threading.Event):
        late = True

        def wait(self, timeout: float | None = None) -> bool:
            asked = super().wait(timeout)
            if self.late:
                self.late = False
                watch.reloader.reload()
            return asked

    watch.reloader._asked = Late()
    watch.reloaded()
    assert watch.rests()


def test_a_certificate_renewed_by_rename_is_loaded_once(watch: Watch, home: Holder) -> None:
    """Certificate, then key: one reload for both, when they have come to rest."""
    new = make_server("new.example.com", home)
    replace_all(
        {watch.folder / "server.crt": new.certificate_pem, watch.folder / "server.key": new.key_pem()},
    )
    assert watch.reloaded().tls.certificate.dns_names == ("new.example.com",)
    assert watch.rests()


def test_a_file_rewritten_in_place_is_loaded(watch: Watch) -> None:
    """The configuration itself is watched too."""
    with watch.path.open("a") as configuration:
        configuration.write('[refusal]\ncontact = "you@example.com"\n')
    assert watch.reloaded().settings.refusal.contact == "you@example.com"


def test_a_half_written_file_keeps_the_old_state_until_it_is_whole(
    watch: Watch, home: Holder, caplog: pytest.LogCaptureFixture
) -> None:
    """Told once, with file, line and key; tried again at the next change, not before."""
    whole = make_server("new.example.com", home, key=load_key(watch)).certificate_pem
    begun, rest = whole[: len(whole) // 2], whole[len(whole) // 2 :]
    replace(watch.folder / "server.crt", begun)
    message = watch.failed()
    assert f"{watch.path}: line 2: server.certificate: " in message
    assert watch.rests()
    assert [record.levelno for record in caplog.records].count(logging.ERROR) == 1
    with (watch.folder / "server.crt").open("ab") as certificate:
        certificate.write(rest)
    assert watch.reloaded().tls.certificate.dns_names == ("new.example.com",)


def load_key(watch: Watch) -> Any:
    return load_pem_private_key((watch.folder / "server.key").read_bytes(), None)


def test_a_key_that_does_not_match_keeps_the_old_state(watch: Watch, home: Holder) -> None:
    """Until the certificate comes that it belongs to."""
    new = make_server("new.example.com", home)
    replace(watch.folder / "server.key", new.key_pem())
    assert "is not the key of the first certificate" in watch.failed()
    replace(watch.folder / "server.crt", new.certificate_pem)
    watch.reloaded()


def test_a_broken_configuration_keeps_the_old_state(watch: Watch, caplog: pytest.LogCaptureFixture) -> None:
    """Every mistake is a line of its own in the log."""
    replace(watch.path, CONFIGURATION + "[sever]\n[clinet_auth]\n")
    assert len(watch.failed().splitlines()) == 2
    replace(watch.path, CONFIGURATION)
    watch.reloaded()
    assert len([record for record in caplog.records if "not reloaded" in record.message]) == 2


def test_each_line_tells_the_worker(watch: Watch, caplog: pytest.LogCaptureFixture) -> None:
    """Every worker reloads for itself, and one of them may fail alone."""
    caplog.set_level(logging.INFO, "gatekeeper")
    replace(watch.path, b"")
    watch.failed()
    replace(watch.path, CONFIGURATION)
    watch.reloaded()
    watch.reloader.reload()  # the lines of the reload before have been written when this one is reported
    watch.reloaded()
    worker = os.getpid()
    lines = [record.getMessage() for record in caplog.records]
    assert f"reloaded {watch.path} in worker {worker}" in lines
    assert any(line.startswith(f"not reloaded, the old state stays in force in worker {worker}: ") for line in lines)


def test_what_the_log_says_is_in_the_status_already(watch: Watch) -> None:
    """Whoever actions on a line of the log and asks then must not hear of the state before."""
    told: Queue[tuple[str, list[bool]]] = Queue()

    class Told(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.put((record.getMessage().partition(" /")[0][:12], [one.ok for one in watch.reloads.queue]))

    logger, handler = logging.getLogger("gatekeeper"), Told()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        replace(watch.path, "")
        assert told.get(timeout=PATIENCE) == ("not reloaded", [False])
        replace(watch.path, CONFIGURATION)
        while (said := told.get(timeout=PATIENCE)) == ("not reloaded", [False]):
            pass  # one line a mistake
        assert said == ("reloaded", [False, True])
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def test_a_removed_file_keeps_the_old_state_until_it_is_back(watch: Watch) -> None:
    """A missing CA is not an empty one."""
    content = (watch.folder / "ca.crt").read_bytes()
    (watch.folder / "ca.crt").unlink()
    assert "ca.crt does not exist" in watch.failed()
    replace(watch.folder / "ca.crt", content)
    watch.reloaded()


def test_files_that_a_new_configuration_names_are_watched(watch: Watch) -> None:
    """Also those of a configuration that failed, so that mending the file is enough."""
    replace(watch.path, CONFIGURATION.replace("ca.crt", "new-ca.crt"))
    assert "new-ca.crt does not exist" in watch.failed()
    replace(watch.folder / "new-ca.crt", make_authority("New CA").certificate_pem)
    assert [one.subject for one in watch.reloaded().tls.authorities] == ["CN=New CA"]
    (watch.folder / "ca.crt").unlink()  # nobody needs it any more
    assert watch.rests()


def test_an_unexpected_exception_does_not_end_the_watch(watch: Watch, caplog: pytest.LogCaptureFixture) -> None:
    """It is a failed reload like any other, with its traceback in the log."""
    build, watch.reloader._build = watch.reloader._build, lambda settings, files: 1 / 0  # type: ignore[assignment,return-value]
    watch.reloader.reload()
    assert watch.failed() == "ZeroDivisionError: division by zero"
    assert caplog.records[0].exc_info
    watch.reloader._build = build
    watch.reloader.reload()
    watch.reloaded()


def test_what_takes_effect_at_the_next_start_is_named(watch: Watch) -> None:
    """The user is changed once; ports, workers and logs change when the workers are replaced."""
    old = load(watch.path).settings
    replace(
        watch.path,
        CONFIGURATION.replace("[server]", '[server]\nlisten = "127.0.0.1:1"\nuser = "nobody"')
        + '[log]\nlevel = "error"\n[timeouts]\nidle = "1s"\n',
    )
    new = load(watch.path).settings
    assert list(needing_a_restart(old, new)) == ["server.user"]
    assert needing_new_workers(old, new)
    assert not needing_new_workers(old, old)
    watch.reloaded()


def test_a_callback_that_fails_does_not_end_the_watch(watch: Watch, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever is revoked afterwards would stay: the next change is loaded all the same."""
    renew, failed = watch.reloader._renew, threading.Event()

    def fail_once(snapshot: Snapshot) -> None:
        watch.reloader._renew = renew
        failed.set()
        raise ZeroDivisionError

    watch.reloader._renew = fail_once
    watch.reloader.reload()
    assert failed.wait(PATIENCE)
    watch.reloader.reload()
    assert watch.reloaded()
    assert "ZeroDivisionError" in caplog.text
