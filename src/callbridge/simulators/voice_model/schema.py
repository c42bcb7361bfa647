"""Strict checks of what a client sends, with the Realtime API's own error codes and texts.

A check takes a value and its path and returns the value, or raises `ClientError`. Checks are made of
smaller checks. What an event means is decided elsewhere: here is only what it may look like.

The texts follow what the live API was seen to answer: the error table of
https://developers.openai.com/api/docs/guides/realtime-conversations.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

Json = dict[str, Any]
"""A JSON object as it came in or goes out."""

Check = Callable[[Any, str], Any]
"""Takes a value and its path; returns the value or raises `ClientError`."""


class ClientError(Exception):
    """What the client did wrong, in the words of the API."""

    def __init__(self, code: str | None, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param


# --- Whole objects ----------------------------------------------------------------------------


def record(fields: Mapping[str, Check], required: Collection[str] = ()) -> Check:
    """An object with these fields and no others. What is required is looked for first."""

    def check(value: Any, path: str) -> Json:
        _expect(isinstance(value, dict), "an object", value, path)
        for name in required:
            if name not in value:
                raise missing(_join(path, name))
        for name in value:
            if name not in fields:
                param = _join(path, name)
                raise ClientError("unknown_parameter", f"Unknown parameter: '{param}'.", param)
        return {name: fields[name](part, _join(path, name)) for name, part in value.items()}

    return check


def tagged(tag: str, variants: Mapping[str, Check]) -> Check:
    """An object whose field `tag` says which of the checks it must pass."""

    def check(value: Any, path: str) -> Any:
        _expect(isinstance(value, dict), "an object", value, path)
        if tag not in value:
            raise missing(_join(path, tag))
        choice(*variants)(value[tag], _join(path, tag))
        return variants[value[tag]](value, path)

    return check


def listing(part: Check, *, most: int | None = None) -> Check:
    """An array whose members all pass `part`."""

    def check(value: Any, path: str) -> list[Any]:
        _expect(isinstance(value, list), "an array", value, path)
        if most is not None and len(value) > most:
            raise ClientError(
                "array_above_max_length",
                f"Invalid '{path}': array too long. Expected an array with maximum length {most}, "
                f"but got an array with length {len(value)} instead.",
                path,
            )
        return [part(member, f"{path}[{index}]") for index, member in enumerate(value)]

    return check


def mapping(part: Check, *, longest_key: int, most: int) -> Check:
    """An object with keys of the client's choice."""

    def check(value: Any, path: str) -> Json:
        _expect(isinstance(value, dict), "an object", value, path)
        if len(value) > most:
            raise ClientError(
                "object_above_max_properties",
                f"Invalid '{path}': too many properties. Expected an object with at most {most} "
                f"properties, but got an object with {len(value)} properties instead.",
                path,
            )
        for key in value:
            text(longest=longest_key)(key, path)
        return {key: part(member, _join(path, key)) for key, member in value.items()}

    return check


# --- Single values ----------------------------------------------------------------------------


def text(*, longest: int | None = None, pattern: str | None = None) -> Check:
    """A string of at most `longest` characters that matches `pattern`."""

    def check(value: Any, path: str) -> str:
        _expect(isinstance(value, str), "a string", value, path)
        if longest is not None and len(value) > longest:
            raise too_long(path, longest, len(value))
        if pattern is not None and not re.fullmatch(pattern, value):
            raise ClientError(
                "invalid_value",
                f"Invalid '{path}': string does not match pattern. Expected a string that matches "
                f"the pattern '^{pattern}$'.",
                path,
            )
        return str(value)

    return check


def choice(*values: str) -> Check:
    """One of these strings."""

    def check(value: Any, path: str) -> str:
        if not isinstance(value, str):
            # The list is put into words only when somebody has to read it.
            _expect(False, f"one of {supported(values)}", value, path)
        if value not in values:
            raise not_supported(value, values, path)
        return str(value)

    return check


def whole(least: int | None = None, most: int | None = None) -> Check:
    """An integer in these bounds."""

    def check(value: Any, path: str) -> int:
        _expect(_is_number(value) and not isinstance(value, float), "an integer", value, path)
        _bounds("integer", value, least, most, path)
        return int(value)

    return check


def number(least: float | None = None, most: float | None = None) -> Check:
    """A number in these bounds."""

    def check(value: Any, path: str) -> float:
        _expect(_is_number(value), "a decimal", value, path)
        _bounds("decimal", value, least, most, path)
        return float(value)

    return check


def flag(value: Any, path: str) -> bool:
    """True or false."""
    _expect(isinstance(value, bool), "a boolean", value, path)
    return bool(value)


def anything(value: Any, _path: str) -> Any:
    """Whatever it is: the API does not look into it here."""
    return value


def nullable(part: Check) -> Check:
    """Null, or what passes `part`."""

    def check(value: Any, path: str) -> Any:
        return None if value is None else part(value, path)

    return check


def either(words: Collection[str], otherwise: Check) -> Check:
    """One of these words, or what passes `otherwise`."""

    def check(value: Any, path: str) -> Any:
        return choice(*words)(value, path) if isinstance(value, str) else otherwise(value, path)

    return check


# --- Errors -----------------------------------------------------------------------------------


def missing(param: str) -> ClientError:
    """The error for a parameter that must be there."""
    message = f"Missing required parameter: '{param}'."
    return ClientError("missing_required_parameter", message, param)


def not_supported(value: str, values: Collection[str], param: str) -> ClientError:
    """The error for a word that is not one of the known ones."""
    message = f"Invalid value: '{value}'. Supported values are: {supported(values)}."
    return ClientError("invalid_value", message, param)


def too_long(param: str, longest: int, length: int) -> ClientError:
    """The error for a string above its bound."""
    return ClientError(
        "string_above_max_length",
        f"Invalid '{param}': string too long. Expected a string with maximum length {longest}, "
        f"but got a string with length {length} instead.",
        param,
    )


def supported(values: Collection[str]) -> str:
    """`'a', 'b', and 'c'`, as the API lists what it would take."""
    quoted = [f"'{value}'" for value in values]
    if len(quoted) < 2:
        return "".join(quoted)
    return f"{', '.join(quoted[:-1])}{',' if len(quoted) > 2 else ''} and {quoted[-1]}"


def _expect(is_right: bool, expected: str, value: Any, path: str) -> None:
    if is_right:
        return
    message = f"Invalid type for '{path}': expected {expected}, but got {_kind(value)} instead."
    raise ClientError("invalid_type", message, path)


def _bounds(kind: str, value: float, least: float | None, most: float | None, path: str) -> None:
    if least is not None and value < least:
        raise ClientError(
            f"{kind}_below_min_value",
            f"Invalid '{path}': {kind} below minimum value. "
            f"Expected a value >= {least}, but got {value} instead.",
            path,
        )
    if most is not None and value > most:
        raise ClientError(
            f"{kind}_above_max_value",
            f"Invalid '{path}': {kind} above maximum value. "
            f"Expected a value <= {most}, but got {value} instead.",
            path,
        )


def _is_number(value: Any) -> bool:
    # JSON tells true from 1; in Python a bool is an int.
    return isinstance(value, int | float) and not isinstance(value, bool)


def _kind(value: Any) -> str:
    names = {
        bool: "a boolean",
        int: "an integer",
        float: "a decimal",
        str: "a string",
        list: "an array",
        dict: "an object",
        type(None): "null",
    }
    return names[type(value)]


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
