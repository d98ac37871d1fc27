"""One set of files and one snapshot for all transcripts; each test gets its own clock, app and proxy."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from gatekeeper.proxy.snapshot import Snapshot, build_snapshot
from gatekeeper.tls.files import ServerFiles
from tests.proxy.scene import Files, Scene
from tests.tls.building import built


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files.make(tmp_path_factory.mktemp("gate"))


@pytest.fixture(scope="session")
def snapshot(files: Files) -> Snapshot:
    return build_snapshot(files.settings(), {}, 0.0)


@pytest.fixture
def make_scene(files: Files, snapshot: Snapshot) -> Iterator[Callable[..., Scene]]:
    """A scene with further tables of the configuration."""
    scenes = []

    def make(**tables: Any) -> Scene:
        scenes.append(Scene(files, snapshot, **tables))
        return scenes[-1]

    yield make
    for scene in scenes:
        scene.close()


@pytest.fixture
def scene(make_scene: Callable[..., Scene]) -> Scene:
    return make_scene()


@pytest.fixture
def stage(files: Files, snapshot: Any) -> Iterator[Any]:
    """Makes scenes whose TLS offers HTTP/2."""
    scenes: list[Scene] = []

    def make(certificates: Sequence[ServerFiles] = (), **tables: Any) -> Scene:
        certificate, key, ca = (files.folder / name for name in ("server.crt", "server.key", "ca.crt"))
        tls = built(certificate, key, [ca], certificates=certificates, http2=True)
        scenes.append(Scene(files, replace(snapshot, tls=tls), **tables))
        return scenes[-1]

    yield make
    for scene in scenes:
        scene.close()
