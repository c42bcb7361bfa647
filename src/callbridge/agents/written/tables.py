"""What the tables of an agent's file have in common."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import BaseModel, ConfigDict, StringConstraints

Words: TypeAlias = Annotated[str, StringConstraints(min_length=1, pattern=r"\S")]
"""A text that says something."""


class Written(BaseModel):
    """A table of the file."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True)
