"""Whose words the caller heard: each payload that reached the phone, laid to an item of the model. Pure.

By the bytes, where the bridge passes audio on as it is. Where it converts, by time: what reached the phone
after the first audio of a response, and before that of the next, is this response's, item after item.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from callbridge.simulators.phone import Playback
from callbridge.simulators.truth import AudioChangedError, HeardItem, heard_items
from callbridge.simulators.voice_model.formats import WIRE_BYTES
from callbridge.testing.certifying.seen import formats
from callbridge.testing.certifying.verdicts import not_seen
from callbridge.wire.audio import BYTES_PER_MS, FRAME_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from callbridge.simulators.phone import Payload
    from callbridge.simulators.voice_model import Item, Journal, ResponseRecord
    from callbridge.testing.certifying.seen import SeenCall

WHOLE_MS = 60.0
"""An item with no more than this left counts as heard: a fraction of a syllable."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """An item of the model that has audio, and what became of it at the phone."""

    item: HeardItem
    place: int
    """Which of its response's items, counted from 0."""
    is_last: bool
    """Whether it is the last one of its response that was sent."""

    @property
    def was_heard_whole(self) -> bool:
        """Whether all of it that the model sent was heard, but for a fraction of a syllable."""
        return self.item.heard_ms >= self.item.sent_ms - WHOLE_MS

    @property
    def was_touched(self) -> bool:
        """Whether the bridge has cut it, or taken it out of the conversation."""
        return self.item.truncated_at_ms is not None or self.item.is_deleted


def converts(session: Journal) -> bool:
    """Whether the bridge has the model speak or hear another format than the telephone's."""
    return formats(session) != ("audio/pcmu", "audio/pcmu")


def passed_on(call: SeenCall, until: float | None = None) -> list[Spoken] | None:
    """The items of the call's sessions in their order, told by the bytes; None where those were changed.

    Args:
        call: one with one stream.
        until: count only what had reached the phone by then.
    """
    try:
        items = [item for session in (call.session, *call.sessions[1:]) for item in _items(session)]
        found = heard_items(Playback(payloads=_payloads(call, until)), items, call.ended_at)
    except AudioChangedError:
        return None
    return _placed(found, [response for session in call.sessions for response in session.responses])


def spoken(call: SeenCall, until: float | None = None) -> list[Spoken]:
    """The same, and told by the time where the bridge converts audio."""
    found = passed_on(call, until)
    if found is not None:
        return found
    session = call.session
    if not converts(session):
        raise not_seen("the phone got other audio than the model sent, so nothing can be told apart in it")
    by_time = _by_time(_payloads(call, until), _items(session), session, call.ended_at)
    return _placed(by_time, session.responses)


def _payloads(call: SeenCall, until: float | None) -> list[Payload]:
    return [one for one in call.stream.playback.payloads if until is None or one.received_at <= until]


def _items(session: Journal) -> list[Item]:
    return [item for item in session.items.values() if item.is_spoken and item.sent_bytes]


def _placed(found: Sequence[HeardItem], responses: Sequence[ResponseRecord]) -> list[Spoken]:
    known = {item.item_id for item in found}
    places: dict[str, tuple[int, bool]] = {}
    for response in responses:
        ids = [item_id for item_id in response.item_ids if item_id in known]
        places |= {item_id: (place, place == len(ids) - 1) for place, item_id in enumerate(ids)}
    return [Spoken(item, *places.get(item.item_id, (0, True))) for item in found]


def _by_time(
    payloads: Sequence[Payload], items: Sequence[Item], session: Journal, at: float
) -> list[HeardItem]:
    found = {
        item.id: HeardItem(item.id, item.sent_bytes / BYTES_PER_MS, item.truncated_at_ms, item.deleted)
        for item in items
    }
    spans = [
        (session.delta_times[ids[0]][0].at, ids)
        for response in session.responses
        if (ids := [item_id for item_id in response.item_ids if session.delta_times.get(item_id)])
    ]
    for place, (begun_at, ids) in enumerate(spans):
        over_at = spans[place + 1][0] if place + 1 < len(spans) else float("inf")
        _fill([found[item_id] for item_id in ids], payloads, (begun_at, over_at), at)
    return list(found.values())


def _fill(
    items: Sequence[HeardItem], payloads: Sequence[Payload], span: tuple[float, float], at: float
) -> None:
    """Lay the payloads of a span of time into the items of a response, one after the other."""
    place = 0
    for payload in payloads:
        if not span[0] <= payload.received_at < span[1]:
            continue
        received_ms = len(payload.audio) / BYTES_PER_MS
        heard_ms = payload.heard_bytes(at) / BYTES_PER_MS
        while place < len(items) - 1 and items[place].received_ms >= items[place].sent_ms - 1:
            place += 1
        items[place].received_ms += received_ms
        items[place].heard_ms += heard_ms


# --- The other way ----------------------------------------------------------------------------------------


def kept_from(call: SeenCall) -> int | None:
    """The byte of the caller's audio with which begins what the model got; None where it was changed."""
    appended, said = bytes(call.session.appended or b""), bytes(call.stream.caller_audio)
    if not appended:
        raise not_seen("none of the caller's audio reached the model")
    for begin in range(0, len(said), FRAME_BYTES):
        if said.startswith(appended, begin):
            return begin
    return None


def appended_ms(session: Journal) -> float:
    """How much of the caller's audio the model got."""
    return session.appended_bytes / WIRE_BYTES.get(formats(session)[0], 1) / BYTES_PER_MS


def delays_up_ms(call: SeenCall, begin: int) -> list[float]:
    """How long the bridge held each frame of the caller that came when the session was ready.

    Args:
        call: one whose audio was passed on as it is.
        begin: see `kept_from`.
    """
    stream, times = call.stream, call.session.append_times
    delays, reached = [], 0
    for number, sent_at in enumerate(stream.frames_sent_at):
        end = (number + 1) * FRAME_BYTES - begin
        while reached < len(times) and times[reached].bytes_in_all < end:
            reached += 1
        if reached == len(times):
            break
        if end > 0 and sent_at > times[0].at:
            delays.append((times[reached].at - sent_at) * 1000 - call.delay_ms)
    return delays


def delays_down_ms(call: SeenCall) -> list[float]:
    """How long it took from the model's first audio of each answer to the first of it at the phone."""
    session, payloads = call.session, call.stream.playback.payloads
    delays = []
    for response in session.responses:
        sent = [session.delta_times[item][0].at for item in response.item_ids if item in session.delta_times]
        if not sent:
            continue
        came_at = next((one.received_at for one in payloads if one.received_at >= sent[0]), None)
        if came_at is not None:
            delays.append((came_at - sent[0]) * 1000 - call.delay_ms)
    return delays
