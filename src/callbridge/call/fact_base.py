"""What every fact has: its kind, and its place among the facts of its call."""

from __future__ import annotations

import re

import msgspec


def _kind(name: str) -> str:
    """The tag of a fact: its class in small letters, `TurnEnded` as `turn_ended`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


class BaseFact(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag=_kind):
    """Place and time of a fact. Whoever notes it fills them in."""

    call_sid: str = ""
    source: str = ""
    """The StreamSid, or `HTTP`."""
    number: int = 0
    """1, 2, 3, … within the source."""
    at_ms: int = 0
    """Since the call began."""

    @property
    def kind(self) -> str:
        """What happened, in one word."""
        return str(self.__struct_config__.tag)
