"""A table of settings as plain values, for processes that do without the library that validates."""

from types import SimpleNamespace
from typing import Any


class PlainTable(SimpleNamespace):
    """The fields of a `gatekeeper.settings.table.Table`, and what its properties say, under the same names.

    A table becomes one when it is pickled. Two are equal if all their values are; none can be changed.
    """

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(value for name, value in self.__dict__.items() if name != "model_fields_set"))

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"settings are frozen: {name}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"settings are frozen: {name}")


def plain_table(values: dict[str, Any]) -> PlainTable:
    """What unpickling calls."""
    return PlainTable(**values)
