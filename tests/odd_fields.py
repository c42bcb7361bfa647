"""Messages in which one field is odd: another type, null, a huge number, or not there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

import msgspec
from hypothesis import strategies as st

Path: TypeAlias = tuple[str | int, ...]

MISSING: Final = object()

_HUGE: Final = {"<more than a float>": "1e999", "<more than any number>": "9" * 5000}
"""Numbers that Python itself cannot write, by what stands for them."""

ODD: Final = st.sampled_from([MISSING, None, True, -1, 7.5, 2**31, 10**40, "odd", [], [None], {}, *_HUGE]) | (
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=8,
    )
)
"""What stands in the place of a value."""


def paths_of(message: Any, path: Path = ()) -> Iterator[Path]:
    """The way to every field of a JSON message, and to every element of its arrays."""
    for key, value in message.items() if isinstance(message, dict) else enumerate(message):
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from paths_of(value, (*path, key))


def with_odd(message: Mapping[str, Any], path: Path, value: object) -> str:
    """`message` as text, with another value at `path`, or none."""
    copy = place = json.loads(json.dumps(message))
    for step in path[:-1]:
        place = place[step]
    if value is MISSING:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    text = json.dumps(copy)
    for name, number in _HUGE.items():
        text = text.replace(json.dumps(name), number)
    return text


def values_beside(value: object, path: Path) -> dict[Path, object]:
    """What a message of ours says in all other places, by their names on the wire."""
    return {place: said for place, said in _flat(value, ()) if place[: len(path)] != path}


def _flat(value: object, path: Path) -> Iterator[tuple[Path, object]]:
    match value:
        case msgspec.Struct():
            inside: Any = [
                (field.encode_name, getattr(value, field.name)) for field in msgspec.structs.fields(value)
            ]
        case dict():
            inside = value.items()
        case tuple():
            inside = enumerate(value)
        case _:
            yield path, value
            return
    for name, inner in inside:
        yield from _flat(inner, (*path, name))
