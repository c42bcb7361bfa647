"""What is told to others: a call that has ended, a call that was analysed, a single fact of a live one.

An event has one id for ever, made of what it is about: whoever gets it twice can tell.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import msgspec

from callbridge.records.story import CallStory

if TYPE_CHECKING:
    from collections.abc import Iterable

CALL_COMPLETED: Final = "call.completed"
"""The call has ended."""

CALL_ANALYZED: Final = "call.analyzed"
"""A text model has read it: the story has an `analysis` now."""

CALL_RECORDED: Final = "call.recorded"
"""A recording of it is stored: the story names it. Once for each stream that was recorded."""

OF_CALLS: Final = (CALL_COMPLETED, CALL_ANALYZED, CALL_RECORDED)
"""Events whose content is a `CallStory`."""

FACT: Final = "fact."
"""What events begin with that are a fact; its kind follows."""

ALL_FACTS: Final = f"{FACT}*"

_ID_BYTES: Final = 16


class Event(msgspec.Struct, frozen=True, dict=True):
    """Something to be told."""

    id: str
    kind: str
    """One of `OF_CALLS`, or `fact.` and the kind of a fact."""
    call_sid: str
    at: float
    """When it happened, in seconds since 1970."""
    content: str
    """A `CallStory` or a fact, as JSON text."""

    @property
    def is_of_call(self) -> bool:
        """Whether its content is a `CallStory`."""
        return self.kind in OF_CALLS

    @cached_property
    def story(self) -> CallStory:
        """The call as it was then. Only where `is_of_call`."""
        return _decode_story(self.content)

    @cached_property
    def fact(self) -> dict[str, Any]:
        """The fact's fields. Only where it is one."""
        found: dict[str, Any] = msgspec.json.decode(self.content)
        return found


_decode_story: Final = msgspec.json.Decoder(CallStory).decode


def event_id(kind: str, call_sid: str, place: str = "") -> str:
    """The id of an event. `place` tells those of one kind and call apart.

    It has no full stop: what is signed is made of parts between full stops.
    """
    digest = hashlib.sha256(f"{kind} {call_sid} {place}".encode()).digest()[:_ID_BYTES]
    return "evt_" + base64.b32encode(digest).decode().rstrip("=").lower()


def call_event(kind: str, story: CallStory, at: float, place: str = "") -> Event:
    """An event about a whole call. `place` tells events of one kind apart."""
    content = msgspec.json.encode(story).decode()
    return Event(event_id(kind, story.call_sid, place), kind, story.call_sid, at, content)


def fact_event(fact: bytes, at: float) -> Event:
    """An event that is a fact, as the journal has it."""
    head = _decode_head(fact)
    kind = FACT + head.kind
    return Event(
        event_id(kind, head.call_sid, f"{head.source} {head.number}"), kind, head.call_sid, at, fact.decode()
    )


class _Head(msgspec.Struct):
    kind: str
    call_sid: str
    source: str = ""
    number: int = 0


_decode_head: Final = msgspec.json.Decoder(_Head).decode


def is_wanted(kind: str, wanted: Iterable[str]) -> bool:
    """Whether an event of this kind is among those that somebody wants."""
    return kind in wanted or (kind.startswith(FACT) and ALL_FACTS in wanted)
