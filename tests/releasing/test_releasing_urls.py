"""releasing.urls: the addresses in the package's metadata."""

from releasing.urls import urls


def test_the_addresses_are_those_of_the_building_repository() -> None:
    """A package that is built anywhere else names no address, rather than a stranger's."""
    environ = {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "someone/gate"}
    assert urls(environ)["Homepage"] == "https://github.com/someone/gate"
    assert urls({}) == {}
