"""`call.values` on its way to the state and back: the user's own state of a call, as JSON text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import structlog
from pydantic import BaseModel
from pydantic_core import PydanticSerializationError, from_json, to_json

if TYPE_CHECKING:
    from typing import TypeAlias

VALUES_BYTES_MAX: Final = 16 * 1024
"""They are written whole whenever they change."""

_UNKNOWN: Final = re.compile(r"unknown type: <class '([\w.]+)'>")
"""How pydantic says which type it cannot write."""

Values: TypeAlias = "dict[str, Any] | BaseModel"


def new_values(kind: type[BaseModel] | None) -> Values:
    """The state at the beginning of a call. `kind`: what the agent was made with."""
    return {} if kind is None else kind()


def stored(values: Values) -> str | None:
    """As JSON text; None, with a line in the log, where it has none or is too long."""
    try:
        text = to_json(values)
    except PydanticSerializationError as error:
        # No more of its text: what a serializer of the user's raised may hold the caller's words.
        named = _UNKNOWN.search(str(error))
        what = f"{named[1]} in call.values" if named else "call.values"
        structlog.get_logger().warning("values_not_kept", reason=f"{what} has no JSON form")
        return None
    if len(text) > VALUES_BYTES_MAX:
        reason = f"call.values has {len(text)} bytes of JSON, and may have {VALUES_BYTES_MAX}"
        structlog.get_logger().warning("values_not_kept", reason=reason)
        return None
    return text.decode()


def restored(kind: type[BaseModel] | None, text: str) -> Values:
    """What `stored` wrote; the state at the beginning where this program cannot read it."""
    try:
        if kind is not None:
            return kind.model_validate_json(text)
        read = from_json(text)
        if isinstance(read, dict):
            return read
    except Exception:  # noqa: BLE001, S110  # A validator of the user's may raise anything; the call goes on.
        pass
    structlog.get_logger().warning("values_not_restored", model="dict" if kind is None else kind.__name__)
    return new_values(kind)
