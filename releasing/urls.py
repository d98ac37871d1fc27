"""The addresses in the package's metadata, from the repository that builds it.

A wheel points to the repository whose workflow made it: ``GITHUB_SERVER_URL`` and ``GITHUB_REPOSITORY``, which GitHub
sets for every step. Built anywhere else it names no address, rather than one that may belong to a stranger.
"""

import os
from collections.abc import Mapping

from hatchling.metadata.plugin.interface import MetadataHookInterface


def urls(environ: Mapping[str, str]) -> dict[str, str]:
    """``[project.urls]``, empty where no repository is known."""
    server, repository = environ.get("GITHUB_SERVER_URL", ""), environ.get("GITHUB_REPOSITORY", "")
    if not server or not repository:
        return {}
    home = f"{server}/{repository}"
    return {
        "Homepage": home,
        "Documentation": f"{home}/tree/main/docs",
        "Changelog": f"{home}/blob/main/CHANGELOG.md",
        "Issues": f"{home}/issues",
    }


class RepositoryURLs(MetadataHookInterface):
    """What hatchling calls for the dynamic field ``urls``."""

    def update(self, metadata: dict[str, object]) -> None:
        """Add the addresses."""
        metadata["urls"] = urls(os.environ)
