"""The base class of every table in ``gatekeeper.toml``."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictInt
from pydantic.fields import FieldInfo

from gatekeeper.settings.plain import PlainTable, plain_table

Count = Annotated[StrictInt, Field(ge=0)]
"""A number of things, 0 or more."""


class Table(BaseModel):
    """A table: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    @classmethod
    def named_fields(cls) -> Mapping[str, FieldInfo]:
        """The fields by their names in TOML, which differ where Python has a keyword (``pass``)."""
        return {field.alias or name: field for name, field in cls.model_fields.items()}

    def __reduce__(self) -> tuple[Callable[[dict[str, Any]], PlainTable], tuple[dict[str, Any]]]:
        """Unpickled, it is a `PlainTable`, which needs no pydantic."""
        kinds = type(self).__mro__[: type(self).__mro__.index(Table)]
        properties = [name for kind in kinds for name, one in vars(kind).items() if isinstance(one, property)]
        values = {name: getattr(self, name) for name in (*type(self).model_fields, *properties)}
        return plain_table, (values | {"model_fields_set": set(self.model_fields_set)},)
