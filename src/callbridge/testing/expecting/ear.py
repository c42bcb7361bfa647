"""What a test expects of the caller's ear: silence, talk-over, interruptions, and what is remembered of them.

The simulated phone is the witness: it knows to the millisecond who was heard and who spoke. What the service
believes is measured against it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from callbridge.simulators.phone.silence import AGENT, CALLER, PAUSE_MAX_S
from callbridge.simulators.truth import AudioChangedError
from callbridge.testing.expecting.unmet import Unmet, missing
from callbridge.testing.heard import heard_items

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from callbridge.records.story import Spoken, Turn
    from callbridge.simulators.phone import PhoneStream
    from callbridge.simulators.truth import HeardItem
    from callbridge.testing.call_data import CallData

__tracebackhide__ = True

CAUSE_S: Final = 1.0
"""The sound that cuts the agent is not over for longer: detection, network and play-out take less."""

LATE_MS: Final = 500
"""The model tells of speech with its padding, and the network delays it: so far apart they are still one."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time in which somebody was heard, in milliseconds since the call was placed."""

    from_ms: float
    to_ms: float

    @property
    def ms(self) -> int:
        """How long it is."""
        return round(self.to_ms - self.from_ms)

    def both(self, other: Stretch) -> Stretch | None:
        """What they share."""
        shared = Stretch(max(self.from_ms, other.from_ms), min(self.to_ms, other.to_ms))
        return shared if shared.to_ms > shared.from_ms else None

    def near(self, other: Stretch) -> bool:
        """Whether they meet, as far as times of two witnesses can be compared."""
        return self.from_ms < other.to_ms + LATE_MS and other.from_ms < self.to_ms + LATE_MS

    def __str__(self) -> str:
        return f"{self.from_ms / 1000:.2f} to {self.to_ms / 1000:.2f} s"


# --- Silence and talk-over ------------------------------------------------------------------------------


def silence(call: CallData, max_ms: int) -> Unmet | None:
    """The longest time in which the caller heard and said nothing, their own turns left out."""
    if not call.phone.heard:
        return missing("the silence", "the caller heard nothing at all")
    if call.phone.longest_dead_air_ms <= max_ms:
        return None
    found = [
        f"{silence.to_ms - silence.from_ms} ms from {silence.from_ms / 1000:.2f} s, "
        f"behind {silence.after}, before {silence.before}"
        for silence in call.phone.dead_air(max_ms)
    ]
    line = f"expected no silence of more than {max_ms} ms"
    return Unmet(f"{line}; the longest was {call.phone.longest_dead_air_ms} ms", tuple(found) or _heard(call))


def _heard(call: CallData) -> tuple[str, ...]:
    return tuple(f"{sound.from_ms} to {sound.to_ms} ms: {sound.what}" for sound in call.phone.heard)


def talk_over(call: CallData, max_ms: int) -> Unmet | None:
    """The longest time in which the caller spoke while the agent was heard."""
    caller, agent = heard_of(call, CALLER), heard_of(call, AGENT)
    if not caller or not agent:
        return missing("talk-over", f"the {'agent was' if caller else 'caller was'} never heard")
    over = [both for one in caller for other in agent if (both := one.both(other)) is not None]
    longest_ms = max((both.ms for both in over), default=0)
    if longest_ms <= max_ms:
        return None
    line = f"expected both to talk at once for at most {max_ms} ms; they did for {longest_ms} ms"
    return Unmet(line, tuple(f"{both.ms} ms: {both}" for both in over))


def heard_of(call: CallData, source: str) -> list[Stretch]:
    """When somebody was heard; pauses between words belong to it."""
    stretches: list[Stretch] = []
    for stream in call.streams:
        zero = _zero(call, stream)
        for sound in (sound for sound in stream.sounds.all if sound.source == source):
            stretch = Stretch((sound.start - zero) * 1000, (sound.end - zero) * 1000)
            if stretches and stretch.from_ms - stretches[-1].to_ms < PAUSE_MAX_S * 1000:
                stretch = Stretch(stretches.pop().from_ms, stretch.to_ms)
            stretches.append(stretch)
    return stretches


def _zero(call: CallData, stream: PhoneStream) -> float:
    """When the call was placed, on the stream's own clock."""
    report = call.phone.streams[call.streams.index(stream)]
    return (stream.opened_at or 0.0) - (report.opened_ms or 0) / 1000


# --- Interruptions --------------------------------------------------------------------------------------


def interruptions(call: CallData, count: int) -> Unmet | None:
    """How often the agent was cut off by the caller's voice or a key."""
    if not call.phone.was_agent_heard:
        return missing("the interruptions", "the agent was never heard")
    if call.story.interruptions == count:
        return None
    line = f"expected {count} interruptions; there were {call.story.interruptions}"
    return Unmet(line, tuple(_cut_words(call)))


def interrupted_at(call: CallData, at_ms: int, tolerance_ms: int) -> Unmet | None:
    """So much of an utterance was heard when it was cut."""
    cut = [spoken for _, spoken in _cuts(call)]
    if not cut:
        return missing("where the agent was cut", "it never was")
    if any(abs(spoken.heard_ms - at_ms) <= tolerance_ms for spoken in cut):
        return None
    line = f"expected the agent to be cut at {at_ms} ms of what it said, give or take {tolerance_ms}"
    return Unmet(f"{line}; it was cut elsewhere", tuple(_cut_words(call)))


def _cuts(call: CallData) -> Iterator[tuple[Turn, Spoken]]:
    for turn in call.story.turns:
        for spoken in turn.agent:
            if spoken.was_cut:
                yield turn, spoken


def _cut_words(call: CallData) -> Iterator[str]:
    for turn, spoken in _cuts(call):
        yield f"turn {turn.number}: {spoken.heard_ms} of {spoken.sent_ms} ms heard of {spoken.words!r}"


def truncation(call: CallData, within_ms: int) -> Unmet | None:
    """What the model remembers of each cut item against what the caller heard of it."""
    if call.has_real_model or not call.sessions:
        return missing("the truncation error", "only the simulated model tells what it remembers")
    try:
        items = heard_items(call)
    except AudioChangedError as error:
        return missing("the truncation error", f"the agent's audio was changed on its way: {error}")
    cut = [item for item in items if _is_cut(call, item)]
    if not cut:
        return missing("the truncation error", "nothing that the agent said was cut")
    wrong = [item for item in cut if abs(_remembered_ms(item) - item.heard_ms) > within_ms]
    if not wrong:
        return None
    worst_ms = max(abs(_remembered_ms(item) - item.heard_ms) for item in wrong)
    line = f"expected the model to remember what was heard, give or take {within_ms} ms"
    found = (
        f"{item.item_id}: heard {item.heard_ms:.0f} ms, remembered {_remembered_ms(item):.0f} ms"
        for item in cut
    )
    return Unmet(f"{line}; it is {worst_ms:.0f} ms off", tuple(found))


def _is_cut(call: CallData, item: HeardItem) -> bool:
    """It was cut in the model's memory; or at the phone, while the call went on and no model was told."""
    if item.truncated_at_ms is not None or item.is_deleted:
        return True
    if not item.received_ms or item.was_heard_to_its_end:
        return False
    ends = [stream.end.at for stream in call.streams if stream.end is not None]
    return bool(ends) and item.heard_until < max(ends) - CAUSE_S


def _remembered_ms(item: HeardItem) -> float:
    if item.is_deleted:
        return 0.0
    return item.sent_ms if item.truncated_at_ms is None else float(item.truncated_at_ms)


# --- What nobody meant ----------------------------------------------------------------------------------


def false_barge_ins(call: CallData) -> Unmet | None:
    """The agent was cut though the caller had said nothing and pressed no key."""
    if not heard_of(call, AGENT):
        return missing("false barge-ins", "the agent was never heard")
    false = [one for stream in call.streams for one in _false_cuts(call, stream)]
    if not false:
        return None
    line = (
        f"expected nothing but the caller's words to cut the agent; it was cut by other sounds {len(false)}x"
    )
    return Unmet(line, tuple(false))


def _false_cuts(call: CallData, stream: PhoneStream) -> Iterator[str]:
    words = [sound for sound in stream.sounds.all if sound.source == CALLER]
    for clear in stream.playback.clears:
        said = any(word.start <= clear.at and word.end >= clear.at - CAUSE_S for word in words)
        keyed = any(clear.at - CAUSE_S <= at <= clear.at for at, _ in stream.keys)
        if clear.discarded_bytes and not said and not keyed:
            at_s = clear.at - _zero(call, stream)
            yield f"{at_s:.2f} s: {clear.discarded_bytes // 8} ms of the agent thrown away"


def spurious_answers(call: CallData) -> Unmet | None:
    """The agent answered what was no word of the caller's: noise, an echo, a cough."""
    answered = [turn for turn in call.story.turns if turn.agent]
    if not answered:
        return missing("spurious answers", "the agent never spoke")
    words = heard_of(call, CALLER)
    spurious = [
        turn for turn in answered if turn.spans and not turn.keys and not _has_words(call, turn, words)
    ]
    if not spurious:
        return None
    line = f"expected answers to the caller's words alone; {len(spurious)} answered other sounds"
    from_ms = call.story_from_ms
    found = (
        f"turn {turn.number}, {(turn.began_ms + from_ms) / 1000:.2f} s: {turn.agent[0].words!r}"
        for turn in spurious
    )
    return Unmet(line, tuple(found))


def _has_words(call: CallData, turn: Turn, words: Sequence[Stretch]) -> bool:
    from_ms = call.story_from_ms
    # Where the service had to ask for an answer itself, the model told no times: the span has no length.
    heard = [
        Stretch(span.began_ms + from_ms, span.ended_ms + from_ms)
        for span in turn.spans
        if span.ended_ms > span.began_ms
    ]
    return not heard or any(one.near(word) for one in heard for word in words)
