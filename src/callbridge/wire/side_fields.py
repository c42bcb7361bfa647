"""A second look at a message that a decoder refused: what is odd about it may be of no consequence.

A field with a default is a *side field*: the message says what it has to say without it. One of the wrong
type, or out of its bounds, counts as absent. What a message needs (ids, audio, its type) has no default, and
is never made up.
"""

from __future__ import annotations

from functools import cache
from itertools import islice
from typing import Any, Final, get_args, get_origin

import msgspec

from callbridge.wire.errors import UNREADABLE

ENTRIES_MAX: Final = 64
"""Of one array or mapping: far more than any peer sends. A made-up one of millions would take minutes."""

_decode_mapping: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_array: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_encode: Final = msgspec.json.Encoder().encode


def without_odd_ones(text: str | bytes | msgspec.Raw, kind: type[msgspec.Struct]) -> msgspec.Raw:
    """The JSON `text` of a `kind`, less the side fields that cannot be read, at any depth.

    What else is wrong with it stays: whoever decodes the answer is told.

    Raises:
        msgspec.DecodeError, UnicodeError, RecursionError: it is not a JSON object.
    """
    values: Any = msgspec.json.decode(text, type=_unread(kind))
    for field in msgspec.structs.fields(kind):
        name = field.encode_name
        if (value := getattr(values, name)) is not msgspec.UNSET:
            mended = _mended(value, field.type)
            is_odd = not field.required and not _is_readable(mended, field.type)
            setattr(values, name, msgspec.UNSET if is_odd else mended)
    return msgspec.Raw(_encode(values))


@cache
def _unread(kind: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """A struct with the fields of `kind` by their names on the wire, whose values are left as they came.

    What `kind` has no field for is passed over, and costs nothing.
    """
    value = msgspec.Raw | msgspec.UnsetType
    fields = [(field.encode_name, value, msgspec.UNSET) for field in msgspec.structs.fields(kind)]
    config = kind.__struct_config__
    return msgspec.defstruct(kind.__name__, fields, tag=config.tag, tag_field=config.tag_field)


def _mended(value: msgspec.Raw, hint: Any) -> msgspec.Raw:
    """`value` without what is odd inside of it, if there is an inside."""
    origin, inner = get_origin(hint), get_args(hint)
    structs = [kind for kind in (hint, *inner) if isinstance(kind, type) and issubclass(kind, msgspec.Struct)]
    try:
        if origin is tuple:
            elements = [_mended(one, inner[0]) for one in _decode_array(value)[:ENTRIES_MAX]]
            return msgspec.Raw(_encode([one for one in elements if _is_readable(one, inner[0])]))
        if origin is dict:
            entries = islice(_decode_mapping(value).items(), ENTRIES_MAX)
            return msgspec.Raw(_encode({key: one for key, one in entries if _is_readable(one, inner[1])}))
        return without_odd_ones(value, structs[0]) if structs else value
    except UNREADABLE:
        return value


def _is_readable(value: msgspec.Raw, hint: Any) -> bool:
    try:
        msgspec.json.decode(value, type=hint)
    except UNREADABLE:
        return False
    return True
