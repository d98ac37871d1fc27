"""Reads the configuration file: from a document to settings.

A gate runs with a file only if there is no mistake in it. What needs the files that the settings name (is this a CA,
does the key fit) is not checked here but where they are opened, which reports by ``Source.mistake`` as well.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from gatekeeper.config.checks import contradictions, routes_without_upstream, unreached_routes
from gatekeeper.config.configuration import Configuration
from gatekeeper.config.document import Problem, read_document
from gatekeeper.config.messages import message_for, missing_key
from gatekeeper.config.overwritten import overwritten
from gatekeeper.config.partial import adapter, partial_settings
from gatekeeper.config.source import KeyPath, dotted
from gatekeeper.errors import ConfigurationError, Mistake
from gatekeeper.settings.access import RouteSettings
from gatekeeper.settings.files import OPEN_DIRECTLY, FileReader
from gatekeeper.settings.tables import Settings
from gatekeeper.settings.validation import Loading


def load(path: Path, environ: Mapping[str, str] = os.environ, files: FileReader = OPEN_DIRECTLY) -> Configuration:
    """Read and check a configuration file; ConfigurationError lists all that is wrong with it, in the file's order."""
    configuration, found = inspect(path, environ, files)
    if found:
        raise configuration.refusal(*found)
    return configuration


def inspect(
    path: Path, environ: Mapping[str, str] = os.environ, files: FileReader = OPEN_DIRECTLY
) -> tuple[Configuration, tuple[Mistake, ...]]:
    """The configuration and the mistakes in it. If there are any, its settings hold only the values that are right:
    further mistakes can be looked for, but no gate may run with them.

    ConfigurationError if the file cannot be read or is no TOML.
    """
    try:
        return _inspect(path, environ, files)
    except RecursionError:
        raise ConfigurationError(Mistake("", "is nested too deeply"), source=str(path)) from None


def _inspect(path: Path, environ: Mapping[str, str], files: FileReader) -> tuple[Configuration, tuple[Mistake, ...]]:
    document, source, unfilled = read_document(path, environ, files)
    document = {"server": {}, "client_auth": {}} | document  # so that each missing key in them is named
    loading = Loading(Path(os.path.abspath(path)).parent)
    settings, wrong = _settle(document, loading)
    places = {where for where, _ in unfilled}
    problems = unfilled + [(where, what) for where, what in wrong if where not in places]
    if settings is None or unfilled:
        settings = partial_settings(document, (where for where, _ in problems), loading)
    problems += overwritten(settings, path)
    found = (source.mistake(dotted(where), what) for where, what in problems)
    mistakes = tuple(sorted(found, key=lambda mistake: mistake.line or 0))
    return Configuration(settings, source), mistakes


def _settle(document: dict[str, Any], loading: Loading) -> tuple[Settings | None, list[Problem]]:
    """The settings, or None if a table by itself has mistakes; and all mistakes."""
    unnamed = list(_without_certificate(document))
    try:
        settings = Settings.model_validate(document, context=loading)
    except ValidationError as error:
        found = [message_for(one) for one in _told_once(error.errors(include_url=False))]
        problems = [(_as_written(document, where), message) for where, message in found]
        broken = {where[0] for where, _ in problems if where}
        tables = _sound_tables(document, broken, loading)
        return None, [*unnamed, *problems, *contradictions(tables), *_between_routes(document, broken, loading)]
    return settings, [*unnamed, *contradictions(dict(settings))]


def _between_routes(document: dict[str, Any], broken: set[str | int], loading: Loading) -> Iterator[Problem]:
    """The mistakes of `contradictions` in routes without mistakes of their own, although another route or an upstream
    has some.
    """
    written, upstreams = document.get("routes"), document.get("upstreams", {})
    if not isinstance(written, list) or not isinstance(upstreams, dict):
        return
    routes = {index: route for index, one in enumerate(written) if (route := _sound_route(one, loading)) is not None}
    if broken & {"routes", "upstream", "upstreams"}:
        yield from routes_without_upstream(routes, [*upstreams, *(["default"] if "upstream" in document else [])])
    if "routes" in broken:
        yield from unreached_routes(routes)


def _sound_route(written: Any, loading: Loading) -> RouteSettings | None:
    try:
        return RouteSettings.model_validate(written, context=loading)
    except ValidationError:
        return None


def _without_certificate(document: dict[str, Any]) -> Iterator[Problem]:
    """``server.certificate`` and ``server.key`` may be missing together if ``[acme]`` orders the certificate."""
    server = document["server"]
    if not isinstance(server, dict) or ("acme" in document and not server.keys() & {"certificate", "key"}):
        return
    for name in ("certificate", "key"):
        if name not in server:
            yield ("server", name), missing_key(("server", name))


def _told_once(errors: list[ErrorDetails]) -> list[ErrorDetails]:
    """Without the errors "too_short" of lists whose members are wrong: pydantic does not count these members."""
    inside = {one["loc"][:length] for one in errors for length in range(len(one["loc"]))}
    return [one for one in errors if one["type"] != "too_short" or one["loc"] not in inside]


def _as_written(document: dict[str, Any], where: KeyPath) -> KeyPath:
    """The key as the file has it: a single string that stands for a list of one has no index there."""
    value: Any = document
    for depth, step in enumerate(where):
        if isinstance(value, str):
            return where[:depth]
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return where
    return where


def _sound_tables(document: dict[str, Any], broken: set[str | int], loading: Loading) -> dict[str, Any]:
    """The tables without mistakes of their own, which can be checked together all the same."""
    tables = {}
    for name, field in Settings.model_fields.items():
        if name not in document:
            tables[name] = field.get_default(call_default_factory=True)
        elif name not in broken:
            tables[name] = adapter(name).validate_python(document[name], context=loading)
    return tables
