"""What is wrong with an agent's file, in words: all of it at once, each with its line."""

from __future__ import annotations

import difflib
import typing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

    from callbridge.agents.written.key_lines import KeyPath

_OF_ITS_OWN: Final = frozenset({"value_error"})
"""Faults whose words are ours."""


PATTERNS: Final[Mapping[str, str]] = {
    r"\S": "it says nothing",
    r"^[0-9*]+$": "a key is one of 0 to 9 and *",
    r"^[A-Z]{2}$": "write two capital letters, such as US",
    r"^[A-Za-z0-9_.-]{1,48}$": "write at most 48 letters a to z, digits, _, . and -",
    r"^[A-Za-z0-9_]{1,48}$": "write at most 48 letters a to z, digits and _",
    r"^[A-Za-z][A-Za-z0-9_]{0,47}$": "write a letter, and at most 47 more letters a to z, digits and _",
    r"^[A-Za-z][A-Za-z0-9_-]{0,39}$": "write a letter, and at most 39 more letters a to z, digits, _ and -",
    r"^[a-z][a-z0-9_]{0,39}$": "write a small letter, and at most 39 more small letters a to z, digits and _",
    r"^[A-Za-z_][A-Za-z0-9_]{0,63}$": "write a letter, and at most 63 more letters a to z, digits and _",
    r"^[A-Za-z0-9_-]{1,64}$": "write at most 64 letters a to z, digits, _ and -",
}
"""How the names and texts of a file may be written, in words."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One of them."""

    path: KeyPath
    text: str


def faults_of_reading(error: ValidationError, data: Any, model: type[BaseModel]) -> list[Fault]:
    """What the reading model has found in `data`. One fault stands once, whatever else was tried."""
    found: dict[KeyPath, str] = {}
    for detail in error.errors(include_url=False, include_input=False):
        path = _path_in(data, detail["loc"], is_missing=detail["type"] == "missing")
        found.setdefault(path, _words(detail, path, data, model))
    return [Fault(path, text) for path, text in found.items()]


def _path_in(data: Any, loc: tuple[str | int, ...], *, is_missing: bool) -> KeyPath:
    """What of `loc` stands in the file: pydantic puts the names of alternatives between its keys."""
    path: KeyPath = ()
    for part in loc:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            continue
        path = (*path, part)
    return (*path, loc[-1]) if is_missing else path


def _words(detail: ErrorDetails, path: KeyPath, data: Any, model: type[BaseModel]) -> str:
    match detail["type"]:
        case "missing" | "union_tag_not_found":
            return "it is missing" if detail["type"] == "missing" else "say `type`"
        case "union_tag_invalid":
            return f"`type` is one of {detail['ctx']['expected_tags']}"
        case "extra_forbidden":
            names = _names_at(path[:-1], data, model)
            close = difflib.get_close_matches(str(path[-1]), names, 1)
            return "there is no such key" + (f"; did you mean {close[0]}?" if close else f"; {_list(names)}")
        case "string_pattern_mismatch":
            return PATTERNS[detail["ctx"]["pattern"]]
        case kind if kind in _OF_ITS_OWN:
            return str(detail.get("ctx", {}).get("error", detail["msg"]))
        case _:
            return detail["msg"].replace("Input should", "it should").replace("String should", "it should")


def _list(names: Iterable[str]) -> str:
    return f"the keys are {', '.join(names)}"


def _names_at(path: KeyPath, data: Any, model: type[BaseModel]) -> list[str]:
    """The keys that a table may have."""
    kind: Any = model
    for part in path:
        data = data[part]
        kind = _kind_of(part, kind)
    tables = [table for table in _models_in(kind) if _is_chosen(table, data)]
    return [field.alias or name for table in tables for name, field in table.model_fields.items()]


def _kind_of(part: str | int, kind: Any) -> Any:
    for table in _models_in(kind):
        for name, field in table.model_fields.items():
            if part in {name, field.alias}:
                return field.annotation
    return kind  # A place in a list, or a name in a dictionary: what is in it is found in its type.


def _models_in(kind: Any) -> list[type[BaseModel]]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return [kind]
    return [model for part in typing.get_args(kind) for model in _models_in(part)]


def _is_chosen(table: type[BaseModel], data: Any) -> bool:
    """Whether `data` is this one of several tables, as its `type` says."""
    field = table.model_fields.get("type")
    is_tagged = field is not None and field.is_required()
    return not is_tagged or data.get("type") in typing.get_args(field.annotation if field else None)


def told(
    faults: Iterable[Fault], lines: Mapping[KeyPath, int | None], file: str, meant: str = "an agent"
) -> str:
    """All of them, for whoever wrote the file and meant it to be this."""
    ordered = sorted(faults, key=lambda fault: lines.get(fault.path) or 0)
    each = [f"  {_place(fault.path, lines.get(fault.path))}{fault.text}" for fault in ordered]
    return "\n".join([f"{file} cannot be {meant}:", *each])


def _place(path: KeyPath, line: int | None) -> str:
    names = "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
    where = f"line {line}, " if line else ""
    return f"{where}{names}: " if names else where.replace(", ", ": ")
