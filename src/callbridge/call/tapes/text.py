"""A tape as text, one entry a line, and back: `encode` and `decode` are each other's inverse.

A value is written with the name of its class and the fields that are not as they are by default, so that a
tape can be read, and cut down, by whoever looks for a fault:

    {"Handled": {"now": 1000.5, "counts": […], "event": {"SpeechStarted": {"item_id": "item_7"}}, "does": []}}

Not written, ever: the numbers of the caller and of whoever was called, where the call is to be put through
to, what else Twilio's `start` says (its token is there), and audio, of which only the size counts.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any, Final, get_args

import msgspec

from callbridge.call import (
    actions,
    bad_messages,
    events,
    facts,
    limits,
    memory,
    outcomes,
    phases,
    plan,
    price,
    usage,
    wants,
    wishes,
)
from callbridge.call.ear import gate
from callbridge.call.sessions import trouble
from callbridge.call.tapes import entries
from callbridge.call.tapes.entries import SHAPE, Added, Entry, PastMachine, Withheld
from callbridge.wire import media_streams, realtime_commands, realtime_events

_MODULES: Final[tuple[ModuleType, ...]] = (
    *dict.fromkeys(import_module(kind.__module__) for kind in get_args(facts.Fact)),
    *(entries, events, actions, memory, outcomes, phases),
    *(plan, price, usage, limits, wants, wishes, gate, bad_messages, trouble),
    *(media_streams, realtime_events, realtime_commands),
)
"""Where the classes that may stand on a tape are, or are known."""

_TWICE: Final = frozenset({"Audio", "Usage"})
"""Names that two of them use: written with the name of the module."""

_LEFT_OUT: Final[dict[type, dict[str, object]]] = {
    events.StreamAdmitted: {"caller": "", "called": ""},
    facts.StreamStarted: {"caller": "", "called": ""},
    wishes.Transfer: {"address": "not kept"},
    realtime_commands.McpTool: {"server_url": "", "authorization": None, "headers": None},
    media_streams.StartFacts: {"account_sid": "", "custom_parameters": {}},
}
"""What is written in place of what these say. Nothing in a call is decided by it."""


class TapeError(Exception):
    """A text is no tape, or one that this version cannot play."""


def _is_data(member: object) -> bool:
    if not isinstance(member, type) or not member.__module__.startswith(_OURS):
        return False
    return issubclass(member, (msgspec.Struct, Enum)) or dataclasses.is_dataclass(member)


_OURS: Final = ("callbridge.call.", "callbridge.wire.")


def _name(cls: type) -> str:
    module = cls.__module__.rpartition(".")[2]
    return f"{module}.{cls.__name__}" if cls.__name__ in _TWICE else cls.__name__


_CLASSES: Final[dict[str, type]] = {
    _name(member): member
    for module in _MODULES
    for member in vars(module).values()
    if _is_data(member) and not member.__name__.startswith("_")
}


# --- Writing --------------------------------------------------------------------------------------------


def encode(entry: object) -> bytes:
    """One entry, or any value that may stand in one.

    Raises:
        TapeError: there is something in it that nobody has said how to write.
    """
    try:
        return _to_json(_plain(entry))
    except (TypeError, OverflowError, ValueError) as error:
        raise TapeError(f"{type(entry).__name__} cannot be written: {error}") from error


_to_json: Final = msgspec.json.Encoder().encode


def _plain(value: object) -> object:
    kind = type(value)
    if kind in _AS_THEY_ARE:
        return value
    if kind is tuple:
        return [_plain(one) for one in value]  # type: ignore[attr-defined]  # It is a tuple.
    if (write := _OTHERS.get(kind)) is not None:
        return write(value)
    if _CLASSES.get(name := _name(kind)) is not kind:
        raise TypeError(f"a tape knows no {kind.__module__}.{kind.__qualname__}")
    if isinstance(value, Enum):
        return {name: value.value}
    return {name: {field: _plain(said) for field, said in fields_set(value)}}


_AS_THEY_ARE: Final = frozenset({type(None), bool, int, str})

_OTHERS: Final[dict[type, Callable[[Any], object]]] = {
    float: lambda number: number if math.isfinite(number) else {"float": str(number)},
    bytes: lambda audio: {"bytes": len(audio)},
    frozenset: lambda members: {"frozenset": sorted(members)},
    # From here on as the peer, or JSON Schema, has it.
    dict: lambda pairs: {"dict": pairs},
    list: lambda members: {"list": members},
}


def fields_set(value: object) -> Iterator[tuple[str, object]]:
    """The fields of a value that are not as they are by default, without what is never written."""
    cls: Any = type(value)
    left_out = _LEFT_OUT.get(cls)
    for name, default in _fields_of(cls):
        field = getattr(value, name) if left_out is None or name not in left_out else left_out[name]
        is_default = type(field) is type(default) and type(field) in _SIMPLE and repr(field) == repr(default)
        if not is_default or cls is limits.Limits:  # A call is played with the limits that it had.
            yield name, field


_SIMPLE: Final = frozenset({type(None), bool, int, str, float, tuple})
"""Defaults that can be told from another value by what they look like: 0 is not 0.0, nor False."""


@cache
def _fields_of(cls: Any) -> tuple[tuple[str, object], ...]:
    if issubclass(cls, msgspec.Struct):
        names, defaults = cls.__struct_fields__, cls.__struct_defaults__  # Those of the last names.
        return tuple(
            zip(names, (*[msgspec.NODEFAULT] * (len(names) - len(defaults)), *defaults), strict=True)
        )
    return tuple((field.name, field.default) for field in dataclasses.fields(cls))


def lines_of(tape: Iterable[Entry], private: Iterable[str] = ()) -> Iterator[bytes]:
    """The lines of a piece of a tape.

    Args:
        tape: the entries. Those of one kind that nothing has come between are made one.
        private: texts that are not to be on it wherever they stand: the numbers of caller and called. Others
            of the same length take their place, for a text is cut where its length says.
    """
    covers = [(text.encode(), _cover(text)) for text in private if len(text) >= _PRIVATE_MIN]
    for entry in _joined(tape):
        line = encode(entry)
        for text, cover in covers:
            line = line.replace(text, cover)
        yield line


_PRIVATE_MIN: Final = 8
"""What is shorter is the number of an extension, and might be any number."""


def _cover(text: str) -> bytes:
    """As long, with as many words, and nothing in it that JSON has a use for."""
    return "".join("x" if letter.isalnum() else letter for letter in text).encode()


def _joined(tape: Iterable[Entry]) -> Iterator[Entry]:
    """Words that came while the machine was asked nothing are one; so is audio withheld in one go."""
    words: dict[str, str] = {}
    withheld: Withheld | None = None
    for entry in tape:
        if isinstance(entry, Withheld) and withheld is not None and withheld.item_id == entry.item_id:
            withheld = Withheld(entry.item_id, withheld.byte_count + entry.byte_count)
            continue
        if withheld is not None:
            yield withheld
            withheld = None
        if isinstance(entry, Withheld):
            withheld = entry
        elif isinstance(entry, Added):
            words[entry.item_id] = words.get(entry.item_id, "") + entry.words
        else:
            if not isinstance(entry, PastMachine):
                yield from (Added(item_id, text) for item_id, text in words.items())
                words.clear()
            yield entry
    yield from [] if withheld is None else [withheld]
    yield from (Added(item_id, text) for item_id, text in words.items())


# --- Reading --------------------------------------------------------------------------------------------


def decode(line: bytes) -> Any:
    """The value that `encode` made this text of, without what is left out of it.

    Raises:
        TapeError: it is none, or one of another shape.
    """
    try:
        return _value(_from_json(line))
    except msgspec.DecodeError as error:
        raise TapeError(f"a tape has lines of JSON: {error}") from error
    except (TypeError, ValueError, KeyError, AssertionError) as error:
        raise TapeError(f"of another shape than this version writes ({SHAPE}): {error}") from error


_from_json: Final = msgspec.json.Decoder().decode


def _value(plain: Any) -> Any:
    if isinstance(plain, list):
        return tuple(map(_value, plain))
    if not isinstance(plain, dict):
        return plain
    ((name, said),) = plain.items()
    if (read := _READ.get(name)) is not None:
        return read(said)
    if (cls := _CLASSES.get(name)) is None:
        raise TypeError(f"there is no {name}")
    if issubclass(cls, Enum):
        return cls(said)
    return cls(**{field: _value(value) for field, value in said.items()})


_READ: Final[dict[str, Callable[[Any], object]]] = {
    "float": float,
    "bytes": bytes,
    "frozenset": frozenset,
    "dict": lambda pairs: pairs,
    "list": lambda members: members,
}
