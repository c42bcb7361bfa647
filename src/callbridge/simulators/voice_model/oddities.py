"""Server events that do not look as they should: odd values, missing fields, unknown ones, events left out.

Only what is sent changes; what the session knows and its journal says stays true. Pure.
"""

from __future__ import annotations

import copy
from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from callbridge.simulators.voice_model.faults import Count

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from callbridge.simulators.voice_model.schema import Json

EventType = Literal[
    "conversation.item.added",
    "conversation.item.deleted",
    "conversation.item.done",
    "conversation.item.input_audio_transcription.completed",
    "conversation.item.input_audio_transcription.delta",
    "conversation.item.input_audio_transcription.failed",
    "conversation.item.retrieved",
    "conversation.item.truncated",
    "error",
    "input_audio_buffer.cleared",
    "input_audio_buffer.committed",
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.timeout_triggered",
    "mcp_list_tools.completed",
    "mcp_list_tools.failed",
    "mcp_list_tools.in_progress",
    "rate_limits.updated",
    "response.content_part.added",
    "response.content_part.done",
    "response.created",
    "response.done",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "response.mcp_call.completed",
    "response.mcp_call.failed",
    "response.mcp_call.in_progress",
    "response.mcp_call_arguments.delta",
    "response.mcp_call_arguments.done",
    "response.output_audio.delta",
    "response.output_audio.done",
    "response.output_audio_transcript.delta",
    "response.output_audio_transcript.done",
    "response.output_item.added",
    "response.output_item.done",
    "response.output_text.delta",
    "response.output_text.done",
    "session.created",
    "session.updated",
]

EntryCount = Annotated[int, msgspec.Meta(ge=1, le=10_000)]


class Oddity(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One way in which events of one type are odd.

    A place in an event is written with dots, as `response.usage.total_tokens`; of a list `rate_limits.0.name`
    is the first entry's and `rate_limits.*.name` every entry's. `repeat` comes first, then `set`, `null`,
    `remove`.
    """

    event: EventType
    where: dict[str, Any] = {}
    """Only events that have these values in these places, as `{"item.role" = "assistant"}`."""
    nth: Count | None = None
    """Which one of those, counted from 1; all when absent."""
    connection: Count | None = None
    """On which connection, counted from 1; on all when absent."""
    set: dict[str, Any] = {}
    """Values by place. The last name of a place may be one that the event does not have: an unknown field."""
    null: tuple[str, ...] = ()
    """Places whose values are null."""
    remove: tuple[str, ...] = ()
    """Places that are not there."""
    repeat: dict[str, EntryCount] = {}
    """Lists by place, and how many entries they have: their own, over and over."""
    left_out: bool = False
    """The whole event is not sent."""

    @property
    def is_of_fields(self) -> bool:
        """Whether anything in the event changes."""
        return bool(self.set or self.null or self.remove or self.repeat)

    @property
    def places(self) -> tuple[str, ...]:
        """Every place that is written in it."""
        return (*self.where, *self.set, *self.null, *self.remove, *self.repeat)


def complaint(oddity: Oddity) -> str | None:
    """What is wrong with an oddity whose fields are right each by itself, and the remedy."""
    if oddity.left_out and oddity.is_of_fields:
        return "an event that is left out has no fields; take out one of them"
    if not oddity.left_out and not oddity.is_of_fields:
        return "changes nothing; add `set`, `null`, `remove`, `repeat` or `left_out`"
    wrong = next((place for place in oddity.places if "" in place.split(".")), None)
    if wrong is not None:
        return f"{wrong!r} is no place; write names with single dots between them"
    twice = [place for place, count in Counter(oddity.places[len(oddity.where) :]).items() if count > 1]
    return f"{twice[0]!r} is changed twice; keep one" if twice else None


class Oddities:
    """The oddities of one session, and how often each has met an event.

    Args:
        oddities: all that fit an event change it, in this order.
    """

    def __init__(self, oddities: Sequence[Oddity]) -> None:
        self._oddities = oddities
        self._met: Counter[int] = Counter()

    def spoilt(self, event: Json) -> tuple[Json, list[str]]:
        """The event as it is sent, and the places that it should have had and has not.

        The same object when nothing is odd about it; empty when it is left out.
        """
        missing: list[str] = []
        spoilt = event
        for number, oddity in enumerate(self._oddities):
            if not self._is_met(number, oddity, event):
                continue
            if oddity.left_out:
                return {}, []
            spoilt = copy.deepcopy(event) if spoilt is event else spoilt
            missing += _change(spoilt, oddity)
        return spoilt, missing

    def _is_met(self, number: int, oddity: Oddity, event: Json) -> bool:
        if oddity.event != event["type"] or not all(
            any(holder[key] == value for holder, key in _found(event, place))
            for place, value in oddity.where.items()
        ):
            return False
        self._met[number] += 1
        return oddity.nth in {None, self._met[number]}


def _change(event: Json, oddity: Oddity) -> list[str]:
    """Change it, and name the places that it does not have."""
    missing = [place for place in (*oddity.repeat, *oddity.null, *oddity.remove) if not _is_in(event, place)]
    for place, count in oddity.repeat.items():
        for holder, key in _found(event, place):
            holder[key] = _repeated(holder[key], count)
    for place, value in oddity.set.items():
        places = list(_found(event, place, may_be_new=True))
        missing += [] if places else [place]
        for holder, key in places:
            holder[key] = value
    for place in oddity.null:
        for holder, key in _found(event, place):
            holder[key] = None
    for place in oddity.remove:
        # From the back, so that the entries of a list keep their numbers until they are removed.
        for holder, key in reversed(list(_found(event, place))):
            del holder[key]
    return missing


def _is_in(event: Json, place: str) -> bool:
    return any(True for _ in _found(event, place))


def _found(event: Json, place: str, *, may_be_new: bool = False) -> Iterator[tuple[Any, Any]]:
    """Where `place` is: what holds it, and under which key."""
    *path, last = place.split(".")
    holders: list[Any] = [event]
    for name in path:
        holders = [holder[key] for holder in holders for key in _keys(holder, name)]
    for holder in holders:
        if may_be_new and isinstance(holder, dict):
            yield holder, last
        else:
            yield from ((holder, key) for key in _keys(holder, last))


def _keys(holder: Any, name: str) -> list[Any]:
    if isinstance(holder, dict):
        return [name] if name in holder else []
    if not isinstance(holder, list):
        return []
    if name == "*":
        return list(range(len(holder)))
    return [int(name)] if name.isdecimal() and int(name) < len(holder) else []


def _repeated(entries: Any, count: int) -> Any:
    """So many entries; what is no list, or has none, stays."""
    if not isinstance(entries, list) or not entries:
        return entries
    times = -(-count // len(entries))
    return [copy.deepcopy(entry) for entry in islice(entries * times, count)]
