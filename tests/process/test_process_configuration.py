"""The configuration file of a running gate: validated in a child process, and again only if its text is another."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from gatekeeper.errors import ConfigurationError
from gatekeeper.process.apart import Apart
from gatekeeper.process.configuration import VALIDATED, ConfigurationFile
from gatekeeper.process.sealed_files import close, seal, seal_content
from gatekeeper.settings.files import OPEN_DIRECTLY, FileReader
from gatekeeper.settings.plain import PlainTable
from tests.configurations import MINIMAL

# pytest-xdist has a thread of its own; the child that is forked here only reads a file.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")


def children() -> set[str]:
    """The child processes of this one (proc(5)), ended ones that nobody waited for among them."""
    return {pid for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "gatekeeper.toml"
    path.write_text(MINIMAL)
    return path


def test_the_process_itself_never_loads_the_library(path: Path) -> None:
    """pydantic and the tables that it reads take 12 MiB in each process that has them."""
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from gatekeeper.process.configuration import ConfigurationFile\n"
        "file = ConfigurationFile(Path(sys.argv[1]))\n"
        "file.begin()\n"
        "print(file.read().settings.server.workers, 'pydantic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert done.stdout == "1 False\n"


def test_the_same_text_is_not_validated_again(path: Path) -> None:
    """However often it is read, and whether or not the file was written anew."""
    file = ConfigurationFile(path)
    first = file.read()
    assert isinstance(first.settings, PlainTable)
    path.write_text(MINIMAL)
    assert file.read() is file.read_here(OPEN_DIRECTLY) is first


@pytest.mark.parametrize("here", [False, True])
def test_another_text_is_validated(path: Path, here: bool) -> None:
    """In a child process, or in this one where there are threads."""
    file = ConfigurationFile(path)
    before = file.read()
    path.write_text(MINIMAL.replace("[server]", "[server]\nworkers = 3"))
    after = file.read_here(OPEN_DIRECTLY) if here else file.read()
    assert (before.settings.server.workers, after.settings.server.workers) == (1, 3)
    assert isinstance(after.settings, PlainTable)
    assert before.settings.upstream == after.settings.upstream


@pytest.mark.parametrize("here", [False, True])
def test_mistakes_have_their_lines_and_the_old_one_is_not_kept(path: Path, here: bool) -> None:
    """A new worker must not begin with a state that the file no longer has."""
    file = ConfigurationFile(path)
    file.read()
    path.write_text(MINIMAL + "\n[limits]\nconnections = -1\n")
    for _ in range(2):
        with pytest.raises(ConfigurationError, match=rf"line {len(MINIMAL.splitlines()) + 3}: limits.connections"):
            file.read_here(OPEN_DIRECTLY) if here else file.read()


def test_a_file_that_has_gone_is_a_mistake(path: Path) -> None:
    """It says which."""
    file = ConfigurationFile(path)
    file.read()
    path.unlink()
    with pytest.raises(ConfigurationError, match="there is no such file"):
        file.read()


def test_what_the_supervisor_validated_is_taken_from_the_copies(path: Path) -> None:
    """The worker could not read the file itself."""
    packed = ConfigurationFile(path).packed()
    worker = ConfigurationFile(path)
    path.unlink()
    sealed = {VALIDATED: seal_content(packed)}
    try:
        assert worker.read_here(FileReader(sealed)).settings.server.workers == 1
    finally:
        close(sealed)


def test_the_mistakes_that_the_supervisor_found_are_raised_from_the_copies(path: Path) -> None:
    """So each worker logs them."""
    path.write_text(MINIMAL + "\n[limits]\nconnections = -1\n")
    sealed = {VALIDATED: seal_content(ConfigurationFile(path).packed())}
    try:
        with pytest.raises(ConfigurationError, match=r"limits\.connections") as raised:
            ConfigurationFile(path).read_here(FileReader(sealed))
    finally:
        close(sealed)
    assert raised.value.source == str(path)


def test_copies_without_a_validated_configuration_are_validated_here(path: Path) -> None:
    """The supervisor could not make one."""
    sealed = seal([path])
    path.unlink()
    try:
        assert ConfigurationFile(path).read_here(FileReader(sealed)).settings.server.workers == 1
    finally:
        close(sealed)


def test_where_the_child_ends_too_early_this_process_validates(path: Path) -> None:
    """It was killed, or has no memory."""
    file = ConfigurationFile(path)
    file._child = Apart(partial(os._exit, 1))
    assert file.read().settings.server.workers == 1


def test_no_child_and_no_descriptor_is_left(path: Path) -> None:
    """Each reload would add one."""
    descriptors, processes = set(os.listdir("/proc/self/fd")), children()
    ConfigurationFile(path).read()
    # Not equal: something of an earlier test may have ended meanwhile.
    assert set(os.listdir("/proc/self/fd")) <= descriptors
    assert children() <= processes
