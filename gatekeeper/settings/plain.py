"""A table of settings as plain values, for processes that do without the library that validates."""

from types import SimpleNamespace
from typing import Any


class PlainTable(SimpleNamespace):
    """The fields and properties of a `gatekeeper.settings.table.Table` as attributes of the same names.

    Pickling a table produces one. Two are equal if all their values are; they are immutable.
    """

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(value for name, value in self.__dict__.items() if name != "model_fields_set"))

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"settings are frozen: {name}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"settings are frozen: {name}")


def plain_table(values: dict[str, Any]) -> PlainTable:
    """Called when a table is unpickled."""
    return PlainTable(**values)
