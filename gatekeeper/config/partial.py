"""Settings from a document with mistakes: the values that are right, so that the files they name can be checked in the
same run. No gate may run with them.
"""

from collections.abc import Iterable
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from gatekeeper.config.source import KeyPath
from gatekeeper.settings.access import ClientAuthSettings
from gatekeeper.settings.server import ServerSettings
from gatekeeper.settings.tables import Settings
from gatekeeper.settings.validation import Loading

# Left out together. Without its passphrase a key cannot be read; without the authorities of single hosts, a CRL of one
# of them would be reported as signed by no trusted authority.
_TOGETHER: dict[KeyPath, tuple[KeyPath, ...]] = {
    ("server", "key_passphrase_file"): (("server", "certificate"), ("server", "key")),
    ("client_auth", "hosts"): (("client_auth", "ca"),),
}


@cache
def adapter(name: str) -> TypeAdapter[Any]:
    """Validates one table of the file by itself."""
    return TypeAdapter(Settings.model_fields[name].rebuild_annotation())


def partial_settings(document: dict[str, Any], mistaken: Iterable[KeyPath], loading: Loading) -> Settings:
    """The settings without the keys at or above these paths, which have their defaults instead.

    ``client_auth.ca`` is empty where it is missing or mistaken.
    """
    left_out: set[KeyPath] = set()
    for where in mistaken:
        key = where[:2] if len(where) > 1 and isinstance(where[1], str) else where[:1]
        left_out.update((key, *_TOGETHER.get(key, ())))
    return Settings.model_construct(
        **{name: _table(name, document, left_out, loading) for name in Settings.model_fields}
    )


def _table(name: str, document: dict[str, Any], left_out: set[KeyPath], loading: Loading) -> Any:
    value = document.get(name)
    if value is None or (name,) in left_out:
        return _default(name)
    if isinstance(value, dict):
        value = {key: inner for key, inner in value.items() if (name, key) not in left_out}
    try:
        if name == "client_auth" and isinstance(value, dict) and "ca" not in value:
            table = adapter(name).validate_python(value | {"ca": "any.crt"}, context=loading)
            return table.model_copy(update={"ca": ()})
        return adapter(name).validate_python(value, context=loading)
    except ValidationError:
        return _default(name)


def _default(name: str) -> Any:
    if name == "server":
        return ServerSettings()
    if name == "client_auth":
        return ClientAuthSettings.model_construct(ca=())
    return Settings.model_fields[name].get_default(call_default_factory=True)
