"""The base class of every table in ``gatekeeper.toml``."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictInt
from pydantic.fields import FieldInfo

Count = Annotated[StrictInt, Field(ge=0)]
"""A number of things, 0 or more."""


class Table(BaseModel):
    """A table: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    @classmethod
    def named_fields(cls) -> Mapping[str, FieldInfo]:
        """The fields by their names in TOML, which differ where Python has a keyword (``pass``)."""
        return {field.alias or name: field for name, field in cls.model_fields.items()}
