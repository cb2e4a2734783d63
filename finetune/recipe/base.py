"""What the groups of keys of a recipe share."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0.0, lt=1.0)]
"""A part of a whole, at least 0 and below 1."""


class Section(BaseModel):
    """A group of keys: immutable, and closed to unknown names."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        validate_default=True,
        coerce_numbers_to_str=True,  # a column may be named 1
        protected_namespaces=(),
    )
