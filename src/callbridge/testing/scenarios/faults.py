"""What is wrong with values that are to become structs: all of it at once, each with its path, in words.

`msgspec.convert` stops at the first fault. Here the same types are walked, so that whoever wrote the file
sees all of them. Pure.
"""

from __future__ import annotations

import difflib
import types
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias, Union, get_args, get_origin

import msgspec

from callbridge.agents.written.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from callbridge.agents.written.key_lines import KeyPath

_NAMES: Final = {
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
    "null": "nothing",
}
"""What msgspec calls a type, and what whoever writes TOML does."""

_Struct: TypeAlias = type[msgspec.Struct]


def faults_in(value: object, kind: Any, path: KeyPath = ()) -> Iterator[Fault]:
    """All that keeps `value`, read from TOML, from being one of `kind`. Paths begin with `path`."""
    bare = _bare(kind)
    structs, table = _structs_in(bare), _member_of(bare, dict)
    if isinstance(value, dict) and structs:
        yield from _in_table(value, structs, path)
    elif isinstance(value, dict) and table is not None:
        parts = [fault for name, part in value.items() for fault in faults_in(part, table, (*path, name))]
        yield from parts or _by_msgspec(value, kind, path)
    elif isinstance(value, list) and (member := _member_of(bare, list, tuple)) is not None:
        parts = [
            fault for place, part in enumerate(value) for fault in faults_in(part, member, (*path, place))
        ]
        yield from parts or _by_msgspec(value, kind, path)
    else:
        yield from _by_msgspec(value, kind, path)


def _in_table(value: dict[str, Any], structs: Sequence[_Struct], path: KeyPath) -> Iterator[Fault]:
    """Of several tables that may stand here, the key in which they differ says which is meant."""
    struct = structs[0]
    tag_field = struct.__struct_config__.tag_field
    if tag_field is not None and len(structs) > 1:
        by_tag = {str(one.__struct_config__.tag): one for one in structs}
        if tag_field not in value:
            yield Fault(path, f"say which it is: {tag_field} = {_one_of(by_tag)}")
            return
        tag = value[tag_field]
        if tag not in by_tag:
            yield Fault((*path, tag_field), f"there is no {tag!r}; {_meant(str(tag), by_tag)}")
            return
        struct = by_tag[tag]
    yield from _in_fields(value, struct, path, tag_field)


def _in_fields(
    value: dict[str, Any], struct: _Struct, path: KeyPath, tag_field: str | None
) -> Iterator[Fault]:
    fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    found: list[Fault] = []
    for name, part in value.items():
        if name in fields:
            found += faults_in(part, fields[name].type, (*path, name))
        elif name != tag_field:
            found.append(Fault((*path, name), f"there is no such key; {_meant(name, fields)}"))
    missing = [name for name, field in fields.items() if field.required and name not in value]
    found += [Fault((*path, name), "it is missing") for name in missing]
    yield from found or _by_msgspec(value, struct, path)


def _by_msgspec(value: object, kind: Any, path: KeyPath) -> Iterator[Fault]:
    """What holds for the whole of it: a leaf, a bound, what `__post_init__` refuses."""
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        choices = [] if isinstance(value, dict | list) else _choices(kind)
        told = str(error).partition(" - at `$")[0]
        yield Fault(path, f"write {_one_of(choices)}" if choices else _in_words(told))


def _in_words(said: str) -> str:
    """`Expected `int >= 0`, got `str`` for people."""
    if not said.startswith("Expected "):
        return said[:1].lower() + said[1:]
    wanted, _, got = said.removeprefix("Expected ").partition(", got ")
    return f"it should be {_kinds(wanted)}" + (f", and is {_kinds(got)}" if got else "")


def _kinds(said: str) -> str:
    """`str | object` with our words for the types; what else is said, such as a bound, stays."""
    parts = [part.strip() for part in said.replace("`", "").split("|")]
    words = [_NAMES.get(name, name) + (f" {bound}" if bound else "") for name, _, bound in map(_split, parts)]
    return " or ".join(word for word in words if word != "nothing" or len(words) == 1)


def _split(said: str) -> tuple[str, str, str]:
    return said.partition(" ")


# --- Types --------------------------------------------------------------------------------------------


def _bare(kind: Any) -> Any:
    """The type without what `Annotated` says of it."""
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    return kind


def _members(kind: Any) -> tuple[Any, ...]:
    return tuple(map(_bare, get_args(kind))) if get_origin(kind) in {Union, types.UnionType} else (kind,)


def _structs_in(kind: Any) -> list[_Struct]:
    return [one for one in _members(kind) if isinstance(one, type) and issubclass(one, msgspec.Struct)]


def _choices(kind: Any) -> list[object]:
    """The values of which it must be one; none where it may be another one."""
    found: list[object] = []
    for one in _members(_bare(kind)):
        if get_origin(one) is Literal:
            found += get_args(one)
        elif isinstance(one, type) and issubclass(one, Enum):
            found += [member.value for member in one]
        elif one is not type(None):
            return []
    return found


def _member_of(kind: Any, *containers: type) -> Any:
    """What such a container may hold; None for what is none."""
    for one in _members(kind):
        if get_origin(one) in containers:
            return get_args(one)[-1 if dict in containers else 0]
    return None


# --- Names --------------------------------------------------------------------------------------------


def _one_of(names: Iterable[object]) -> str:
    return " or ".join(f'"{name}"' if isinstance(name, str) else str(name).lower() for name in names)


def _meant(name: str, names: Mapping[str, object]) -> str:
    close = difflib.get_close_matches(name, names, 1)
    return f"did you mean {close[0]}?" if close else f"what may stand there: {', '.join(names)}"
