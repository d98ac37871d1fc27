"""Loads CRL files and fetched lists into `Revocations`. Reports all mistakes at once, each under its key."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gatekeeper.errors import ConfigurationError, Mistake
from gatekeeper.gate.certificate import Certificate
from gatekeeper.gate.revocation import RevocationList, Revocations, read_lists
from gatekeeper.proxy.crl_folder import CRLFolder
from gatekeeper.proxy.crl_sources import wanted_urls
from gatekeeper.settings.files import OPEN_DIRECTLY, FileReader, UnreadableFileError

if TYPE_CHECKING:
    from gatekeeper.settings.access import ClientAuthSettings

# A million serials of 128 bits are 40 MB, in PEM 54.
_FILE_LIMIT = 256 * 1024 * 1024


def load_revocations(
    auth: "ClientAuthSettings", authorities: Sequence[Certificate], files: FileReader = OPEN_DIRECTLY
) -> Revocations | None:
    """The lists that ``client_auth.crl`` names, None if it names none.

    ConfigurationError if a file cannot be relied on. A list that is to be fetched may be missing: nobody whom it would
    cover is then let in. One that no trusted authority has signed counts as missing.
    """
    if not auth.crl:
        return None
    lists: list[RevocationList] = []
    mistakes: list[Mistake] = []
    for index, path in enumerate(auth.crl):
        if not isinstance(path, Path):
            continue
        try:
            lists += read_lists(files.read(path, _FILE_LIMIT), authorities)
        except (UnreadableFileError, ValueError) as error:
            mistakes.append(Mistake(f"client_auth.crl[{index}]", f"{path} {error}"))
    mistakes += _missing_folder(auth)
    if mistakes:
        raise ConfigurationError(*mistakes)
    return Revocations.of([*lists, *_fetched(auth, authorities)])


def unreadable_lists(auth: "ClientAuthSettings", files: FileReader = OPEN_DIRECTLY) -> Iterator[Mistake]:
    """What is wrong with the lists before anyone knows which authorities should have signed them."""
    for index, path in enumerate(auth.crl):
        if isinstance(path, Path):
            try:
                files.read(path, _FILE_LIMIT)
            except UnreadableFileError as error:
                yield Mistake(f"client_auth.crl[{index}]", f"{path} {error}")
    yield from _missing_folder(auth)


def _missing_folder(auth: "ClientAuthSettings") -> Iterator[Mistake]:
    if auth.crl_folder is not None and not auth.crl_folder.is_dir():
        yield Mistake("client_auth.crl_folder", f"{auth.crl_folder} is not a folder; create it")


def _fetched(auth: "ClientAuthSettings", authorities: Sequence[Certificate]) -> Iterator[RevocationList]:
    for _, found in fetched_lists(auth, authorities):
        if not isinstance(found, str):
            yield from found


def fetched_lists(
    auth: "ClientAuthSettings", authorities: Sequence[Certificate]
) -> Iterator[tuple[str, list[RevocationList] | str]]:
    """The lists from each URL, or why there are none, as half a sentence."""
    if auth.crl_folder is None:
        return
    folder = CRLFolder(auth.crl_folder)
    for url in wanted_urls(auth, authorities):
        content = folder.read(url)
        if content is None:
            yield url, "has not been fetched yet"
            continue
        try:
            yield url, read_lists(content, authorities)
        except ValueError as error:
            yield url, f"is not used: {error}"


def fetch_warnings(auth: "ClientAuthSettings", authorities: Sequence[Certificate]) -> Iterator[str]:
    """What an operator must know of lists that are fetched: a sentence each."""
    if auth.crl_folder is None:
        return
    folder = CRLFolder(auth.crl_folder)
    for url in wanted_urls(auth, authorities):
        fetch = folder.fetch(url)
        there = folder.list_path(url).exists()
        if fetch is not None and fetch.failures:
            stays = "the one before it stays in force" if there else "until then everyone it covers is refused"
            yield f"the CRL from {url} cannot be fetched: {fetch.message}; {stays}"
        elif not there:
            yield f"the CRL from {url} has not been fetched yet; until then everyone it covers is refused"
