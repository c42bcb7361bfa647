"""What is written in Python is held to the same types and limits as what is written in TOML.

`msgspec` minds the types and limits of fields where it reads a file, and nowhere else. An effect or a limit
that nobody can mean would do nothing, and the test would pass.
"""

from __future__ import annotations

import math
from functools import cache

import msgspec


def check_fields(value: msgspec.Struct) -> None:
    """For `__post_init__`: each field is of its type and within its limits, and no number is endless.

    Raises:
        ValueError: one is not; says which, and what it may be.
    """
    kind = type(value)
    for field in _fields_of(kind):
        given = getattr(value, field.name)
        try:
            msgspec.convert(given, field.type)
        except msgspec.ValidationError as error:
            raise ValueError(f"{kind.__name__}({field.name}={given!r}): {error}") from error
        if isinstance(given, float) and not math.isfinite(given):
            raise ValueError(f"{kind.__name__}({field.name}={given!r}): write a number")


@cache
def _fields_of(kind: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(kind)
