"""One authority, one server, and a gate in front of them, shared by the tests of TLS."""

from pathlib import Path

import pytest

from gatekeeper.tls.context import ServerContext
from tests.certificates import make_authority, make_server
from tests.tls.building import Files
from tests.tls.scene import Scene


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    authority = make_authority("Home CA")
    return Scene(tmp_path_factory.mktemp("gate"), authority, make_server("gate.example.com", authority))


@pytest.fixture(scope="session")
def gate(scene: Scene) -> ServerContext:
    return scene.gate()


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)
